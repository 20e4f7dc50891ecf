"""How a project is, from its ledger, its lock and its reports: what `pipekit status` prints."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from pipekit.model.run import Paths, PipelineState, Rejection
from pipekit.model.status import StageStatus
from pipekit.read.attention import Attention, attention
from pipekit.read.backing_off import backing_off
from pipekit.read.details import Details, Reports, SinkTrouble
from pipekit.read.findings import findings, verdicts
from pipekit.read.runs import as_of_now, current_hold, open_history, refusals
from pipekit.storage.trash import TRASH

if TYPE_CHECKING:
    from pipekit.config import Configuration
    from pipekit.read.findings import Finding
    from pipekit.read.live import Doing
    from pipekit.run.expectations import Verdict
    from pipekit.storage.hold import Hold
    from pipekit.storage.holder import Holder
    from pipekit.storage.refusals import Refusal
    from pipekit.storage.runs import RunHistory

_FIRST = 100  # runs in which each stage's last work is looked for
_LOOKED_AT = 500  # where it is not among these
_NOT_RUN = (StageStatus.BLOCKED, StageStatus.CANCELLED)

StageEntry = dict[str, Any]  # what the ledger knows of a stage's part in a run, and its number


@frozen(kw_only=True)
class ProjectState:
    """What there is to say. `now`: what a run that is going on is at. `refused`: since `last`.

    `worked`: the last run that had work. `since`: see `findings`. `details`: of the stages, and
    the files that wait for the next run. `sinks`: what went wrong with some in the last run.
    `backing_off`: sentences by stage. `rejected`: all files; `attention`: what nobody has seen yet.
    `trash`: number of runs whose files are in the trash. `is_dead`: whether the last run died.
    """

    holder: Holder | None = None
    now: Doing | None = None
    last: PipelineState | None = None
    stages: dict[str, StageEntry | None] = field(factory=dict)
    rejected: dict[str, list[Rejection]] = field(factory=dict)
    refused: Refusal | None = None
    hold: Hold | None = None
    worked: PipelineState | None = None
    since: dict[str, int] = field(factory=dict)
    verdicts: list[Verdict] = field(factory=list)
    details: dict[str, Details] = field(factory=dict)
    backing_off: dict[str, list[str]] = field(factory=dict)
    attention: Attention = field(factory=Attention)
    sinks: tuple[SinkTrouble, ...] = ()
    trash: int = 0
    is_dead: bool = False

    def findings(self, problem: Exception | None = None) -> list[Finding]:
        """What is wrong, the worst first."""
        return findings(
            last=self.last,
            is_dead=self.is_dead,
            stages=self.stages,
            since=self.since,
            attention=self.attention,
            refused=self.refused,
            hold=self.hold,
            verdicts=self.verdicts,
            backing_off=self.backing_off,
            sinks=self.sinks,
            problem=problem,
        )


def look(paths: Paths, names: list[str], loaded: Configuration | None = None) -> ProjectState:
    """Look at a project. `names`: of its stages, if they are known. Raises StorageError."""
    refused = refusals(paths)
    hold = current_hold(paths)
    ledger = open_history(paths)
    if ledger is None:
        found = attention(None, paths, {}, refused, [])
        return ProjectState(
            stages=dict.fromkeys(names), refused=found.refusing, hold=hold, attention=found
        )
    with ledger:
        known, holder = as_of_now(_recent(ledger, names), paths)
        recent = [each.run for each in known]
        last = next(iter(recent), None)
        names = names or list(dict.fromkeys(name for run in recent for name in run.stages))
        rejected = _rejected(ledger, paths.root)
        newer = last.number + 1 if last else None
        worked = next(iter(ledger.runs(limit=1, worked=True, before=newer)), None)
        judged = verdicts(loaded, paths, ledger, time.time())
        entries = {name: _latest(recent, name) for name in names}
        failing = [n for n, e in entries.items() if e and e.get("status") == StageStatus.FAILURE]
        since = {name: ledger.failing_since(name) for name in failing}
        left = backing_off(ledger, names, paths.root)
        found = attention(ledger, paths, rejected, refused, recent)
    reports = Reports(paths)
    return ProjectState(
        holder=holder,
        now=_doing(paths, last),
        last=last,
        stages=entries,
        details=_details(reports, entries, recent),
        sinks=_sinks(reports, recent),
        rejected=rejected,
        refused=found.refusing,
        hold=hold,
        worked=worked,
        since=since,
        verdicts=judged,
        backing_off=left,
        attention=found,
        trash=_in_trash(paths),
        is_dead=any(each.is_dead for each in known[:1]),
    )


def _recent(ledger: RunHistory, names: Sequence[str]) -> list[PipelineState]:
    """The latest runs, as many as it takes to find the last work of each of these stages."""
    recent = ledger.runs(limit=_FIRST)
    if len(recent) < _FIRST or (names and all(_has_worked(recent, name) for name in names)):
        return recent
    return ledger.runs(limit=_LOOKED_AT)


def _has_worked(runs: list[PipelineState], stage: str) -> bool:
    entry = _latest(runs, stage)
    return entry is not None and entry.get("status") != StageStatus.SKIPPED


def _in_trash(paths: Paths) -> int:
    if not (paths.root / TRASH).exists():
        return 0
    from pipekit.storage.trash.manifest import Manifests  # few projects have a trash

    return len(Manifests(paths.root, paths.file_mode).find())


def _sinks(reports: Reports, recent: Sequence[PipelineState]) -> tuple[SinkTrouble, ...]:
    """What went wrong with sinks in the latest run that has ended."""
    latest = next((run for run in recent if run.status is not None), None)
    return () if latest is None else reports.sinks(latest)  # a run that failed is false


def _details(
    reports: Reports, stages: dict[str, StageEntry | None], recent: Sequence[PipelineState]
) -> dict[str, Details]:
    """What the reports say of each stage, and of the files that its last run left for the next."""
    runs = {run.number: run for run in recent}
    latest = next((run for run in recent if run.status is not None), None)
    found = {}
    for name, entry in stages.items():
        if entry is None or latest is None:
            continue
        details = reports.details(runs[entry["run"]], name)
        found[name] = details._replace(waiting=reports.details(latest, name).waiting)
    return found


def _doing(paths: Paths, last: PipelineState | None) -> Doing | None:
    if last is None or last.status is not None:
        return None
    from pipekit.read.live import doing  # reads journals, which is rarely needed

    return doing(paths, last.run_id)


def _rejected(ledger: RunHistory, root: Path) -> dict[str, list[Rejection]]:
    """The files that each stage rejected and that still exist."""
    rejected = {
        stage: [known for known in ledger.rejections(stage) if (root / known.path).exists()]
        for stage in ledger.stages()
    }
    return {stage: files for stage, files in rejected.items() if files}


def _latest(runs: list[PipelineState], stage: str) -> StageEntry | None:
    """The stage in the last run in which it had work, else in the last that skipped it.

    `idle_since`: the number of the first run after that in which it had none. A stage that was
    blocked or cancelled has nothing to make up for once it is skipped. Skipped after it had run (it
    found nothing but empty files) is work, too.
    """
    idle_since = None
    skipped: StageEntry | None = None
    for run in runs:
        entry = run.stages.get(stage)
        if entry is None:
            continue
        if entry.get("status") == StageStatus.SKIPPED and not entry.get("tasks"):
            idle_since = run.number
            skipped = skipped or {**entry, "run": run.number}
        elif not (skipped and entry.get("status") in _NOT_RUN):
            return {**entry, "run": run.number, "idle_since": idle_since}
    return skipped
