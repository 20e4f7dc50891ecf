"""`pipekit status`: the current state, from the ledger and the lock."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import field, frozen

from pipekit.cli.common import (
    completed,
    configuration,
    current_hold,
    json_option,
    known_folders,
    lock_holder,
    no_runs,
    open_history,
    refusal_record,
    refusals,
    run_record,
)
from pipekit.cli.details import Details, Reports, print_details
from pipekit.cli.health import (
    Level,
    and_more,
    findings,
    print_disk,
    print_findings,
    verdicts,
    worst,
)
from pipekit.cli.help import Command
from pipekit.cli.output import (
    DIED,
    HELD,
    REFUSED,
    coloured,
    local_time,
    plural,
    print_failure,
    print_json,
    print_line,
    print_text,
)
from pipekit.errors import EXIT_ERROR, ConfigError, PipekitError
from pipekit.model.quantity import duration_text
from pipekit.model.run import Paths, PipelineState, Rejection
from pipekit.model.status import StageStatus
from pipekit.model.text import escaped

if TYPE_CHECKING:
    from pipekit.cli.health import Finding
    from pipekit.cli.live import Doing
    from pipekit.config import Configuration
    from pipekit.run.expectations import Verdict
    from pipekit.storage.hold import Hold
    from pipekit.storage.lock import Holder
    from pipekit.storage.refusals import Refusal
    from pipekit.storage.runs import RunHistory

_LOOKED_AT = 500  # runs in which each stage's last work is looked for

_LONG_SILENCE = 30  # seconds; a shorter one is not worth a line

_NOT_RUN = (StageStatus.BLOCKED, StageStatus.CANCELLED)

StageEntry = dict[str, Any]  # what the ledger knows of a stage's part in a run, and its number


@frozen(kw_only=True)
class _State:
    """What there is to say. `now`: what a run that is going on is at. `refused`: since `last`.

    `worked`: the last run that had work. `since`: see `findings`. `details`: of the stages, and
    the files that wait for the next run.
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

    @property
    def is_dead(self) -> bool:
        """Whether the last run died."""
        if self.last is None or self.last.status is not None:
            return False
        return self.holder is None or self.holder.run_id != self.last.run_id

    def findings(self, problem: Exception | None = None) -> list[Finding]:
        """What is wrong, the worst first."""
        return findings(
            last=self.last,
            is_dead=self.is_dead,
            stages=self.stages,
            since=self.since,
            rejected=self.rejected,
            refused=self.refused,
            hold=self.hold,
            verdicts=self.verdicts,
            problem=problem,
        )


@click.command(
    "status",
    cls=Command,
    exits={
        Level.WARNING: "with --check: something is not as it should be",
        Level.BROKEN: "with --check: stale or failed",
        EXIT_ERROR: "an invalid configuration, an unusable ledger, or an internal error; with "
        "--check also: unknown",
    },
    example=("pipekit status --check", "one line, and the exit code of a monitoring plugin"),
)
@click.option("--check", is_flag=True, help="Print one line, and exit with 0 only if all is well.")
@click.option(
    "-C",
    "--project",
    "projects",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Project folder; repeatable, for the status of several projects.",
)
@json_option
@click.pass_context
def command(ctx: click.Context, check: bool, projects: Sequence[Path], as_json: bool) -> int:
    """Show how the project is: the last run, failures, rejected files.

    The first line says the worst. Each stage is shown as of the last run in which it had work. The
    exit code is 0 even if a stage has failed, unless --check asks for it.
    """
    if len(projects) > 1:
        return _several(ctx, projects, check=check, as_json=as_json)
    if projects:
        ctx.obj["project"] = projects[0]
    if check:
        return _check(ctx)
    state, paths, problem = _state(ctx)
    if as_json:
        print_json(_record(state))
    else:
        _print(state, paths)
    if problem is not None:
        raise problem
    return 0


def _state(ctx: click.Context) -> tuple[_State, Paths, ConfigError | None]:
    """The state of a project, as far as its configuration can be read."""
    paths, problem = known_folders(ctx)
    loaded = None
    try:
        loaded = configuration(ctx, tables=("pipeline", "stages", "schedule", "expect"))
    except ConfigError as error:
        problem = problem or error
    return _look(paths, list(loaded.stages) if loaded else [], loaded), paths, problem


def _check(ctx: click.Context, name: str = "") -> int:
    """Print the verdict in one line; returns its exit code."""
    try:
        state, _, problem = _state(ctx)
    except (PipekitError, OSError) as error:
        first, *_ = str(error).splitlines() or [""]
        print_line(f"{name}UNKNOWN: {first}")
        return Level.UNKNOWN
    found = state.findings(problem)
    print_line(f"{name}{found[0]}{and_more(found)}")
    return found[0].level


def _several(ctx: click.Context, projects: Sequence[Path], *, check: bool, as_json: bool) -> int:
    """The same for each of several projects; one that cannot be read does not hide the others."""
    codes: list[int] = []
    records: list[dict[str, Any]] = []
    for number, folder in enumerate(projects):
        ctx.obj["project"] = folder
        if check:
            codes.append(_check(ctx, f"{folder}: "))
            continue
        if number and not as_json:
            print_line()
        try:
            state, paths, problem = _state(ctx)
        except PipekitError as error:
            print_text(f"{folder}: {error}", hang=2, err=True)
            codes.append(error.exit_code)
            continue
        if as_json:
            records.append({"project": str(paths.root), **_record(state)})
        else:
            print_text("", click.style(escaped(folder), bold=True))
            _print(state, paths)
        if problem is not None:
            print_text(f"{folder}: {problem}", hang=2, err=True)
            codes.append(problem.exit_code)
    if as_json and not check:
        print_json(records)
    return worst(codes)


def _look(paths: Paths, names: list[str], loaded: Configuration | None = None) -> _State:
    refused = next(reversed(refusals(paths)), None)
    hold = current_hold(paths)
    ledger = open_history(paths)
    if ledger is None:
        return _State(stages=dict.fromkeys(names), refused=refused, hold=hold)
    with ledger:
        holder = lock_holder(paths)
        recent = completed(ledger.runs(limit=_LOOKED_AT), paths)
        last = next(iter(recent), None)
        names = names or list(dict.fromkeys(name for run in recent for name in run.stages))
        rejected = _rejected(ledger, paths.root)
        worked = next(iter(ledger.runs(limit=1, worked=True)), None)
        judged = verdicts(loaded, paths, ledger, time.time())
        entries = {name: _latest(recent, name) for name in names}
        failing = [n for n, e in entries.items() if e and e.get("status") == StageStatus.FAILURE]
        since = {name: ledger.failing_since(name) for name in failing}
    if refused and last is not None and refused.last < last.started:
        refused = None
    return _State(
        holder=holder,
        now=_doing(paths, last),
        last=last,
        stages=entries,
        details=_details(paths, entries, recent),
        rejected=rejected,
        refused=refused,
        hold=hold,
        worked=worked,
        since=since,
        verdicts=judged,
    )


def _details(
    paths: Paths, stages: dict[str, StageEntry | None], recent: Sequence[PipelineState]
) -> dict[str, Details]:
    """What the reports say of each stage, and of the files that its last run left for the next."""
    reports, runs = Reports(paths), {run.number: run for run in recent}
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
    from pipekit.cli.live import doing  # reads journals, which is rarely needed

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


def _print(state: _State, paths: Paths) -> None:
    if state.hold:
        print_text(str(state.hold), f"{coloured(HELD)}: ", hang=2)
    print_findings(state.findings())
    if state.holder:
        _print_holder(state.holder, state.now)
    if state.refused:
        _print_refused(state.refused)
    if state.last is None:
        if not state.refused:
            print_line(no_runs(paths))
        return
    going_on = state.holder is not None and state.holder.run_id == state.last.run_id
    if not going_on:
        lead = f"last run {state.last.number}: {coloured(state.last.status or DIED)} "
        print_text(f"at {local_time(state.last.started)}", lead, hang=2)
    if state.worked is not None and state.worked.number != state.last.number:
        run = state.worked
        lead = f"last run with work {run.number}: {coloured(run.status or DIED)} "
        print_text(f"at {local_time(run.started)}", lead, hang=2)
    if state.last.status is None and not going_on:
        at = f" while {state.now.stage} was running" if state.now else ""
        print_text(f"pipekit died{at}; the next run records it as a failure", "  ", hang=4)
    for name, entry in state.stages.items():
        if entry is not None or not (state.now and state.now.stage == name):
            details = state.details.get(name, Details())
            listed = name in state.rejected
            _print_stage(name, entry, listed=listed, printed=bool(details.printed))
            if entry is not None:
                print_details(name, entry["run"], details)
    for stage, files in state.rejected.items():
        _print_rejected(stage, files)
    print_disk(paths.root)


def _print_holder(holder: Holder, now: Doing | None) -> None:
    if not holder.run_id:
        print_text("a run is going on; it has not said which yet")
        return
    lead = "running" if holder.alive else "stopping what is left of"
    where = "" if holder.local else f" on {holder.host}"
    since = f" since {local_time(holder.since)}" if holder.since else ""
    run = holder.run or holder.run_id
    print_text(f"{lead} run {run}{since}, process {holder.pid}{where}", hang=2)
    if now is not None and holder.alive:
        print_text(f"  now {': '.join(filter(None, (now.stage, str(now))))}", hang=4)
        if now.silent >= _LONG_SILENCE:
            print_line(f"  silent for {duration_text(round(now.silent))}: no event, no output")


def _print_refused(refused: Refusal) -> None:
    first = local_time(refused.first)
    times = f", {refused.times} times since {first}" if refused.times > 1 else ""
    text = f"at {local_time(refused.last)}{times}: no run was made"
    print_text(text, f"{coloured(REFUSED)} ", hang=2)
    for line in refused.error.splitlines():
        print_text(line, "  ", hang=4)


def _print_stage(name: str, entry: StageEntry | None, *, listed: bool, printed: bool) -> None:
    """Print how a stage ended.

    `listed`: its rejected files are named below, `printed`: so is what its programs said last.
    """
    if entry is None:
        print_text(f"{name}: has not run yet", "  ")
        return
    sentence = entry.get("sentence") or f"{name}: {entry.get('status', 'unknown')}"
    idle = entry.get("idle_since")
    since = f"; nothing to do since run {idle}" if idle else ""
    print_text(f"{sentence} (run {entry['run']}){since}", "  ")
    last = entry.get("last_line")
    last = last if isinstance(last, dict) and not printed else {}
    only_rejected = entry.get("status") == StageStatus.PARTIAL and not entry.get("kind")
    error = "" if listed and only_rejected else entry.get("error") or ""
    print_failure(error, last, f"pipekit logs {entry['run']} {name}", "    ")


def _print_rejected(stage: str, files: list[Rejection]) -> None:
    print_line(f"{plural(len(files), 'file')} rejected by {stage}:")
    for known in files:
        reason = known.reason.removeprefix(f"{known.path}: ")
        print_text(f"{known.path}: {reason} (run {known.run_number})", "  ", hang=4)


def _record(state: _State) -> dict[str, Any]:
    holder, last = state.holder, state.last
    found = state.findings()
    return {
        "verdict": {"code": found[0].level, "text": str(found[0])},
        "findings": [{"level": each.level.name.lower(), "text": each.text} for each in found],
        "expected": [each._asdict() for each in state.verdicts],
        "hold": state.hold._asdict() if state.hold else None,
        "running": holder.run_id if holder else None,
        "now": state.now._asdict() if state.now else None,
        "last_run": None if last is None else run_record(last),
        "refused": refusal_record(state.refused) if state.refused else None,
        "stages": state.stages,
        "details": {name: each._asdict() for name, each in state.details.items()},
        "rejected": {
            stage: [{"path": r.path, "reason": r.reason, "run": r.run_number} for r in files]
            for stage, files in state.rejected.items()
        },
    }
