"""What should be looked at, and has not been yet: see `pipekit status --acknowledge`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from pipekit.model.quantity import local_time, plural
from pipekit.model.run import Paths, PipelineState, Rejection
from pipekit.model.status import StageStatus
from pipekit.read.findings import Finding, Level
from pipekit.read.runs import refusing
from pipekit.storage.acknowledged import Acknowledged, AcknowledgedFile

if TYPE_CHECKING:
    from pipekit.storage.refusals import Refusal
    from pipekit.storage.troubles import SetAside, Shrunk, Troubles

Rejected = Mapping[str, Sequence[Rejection]]


@frozen(kw_only=True)
class Attention:
    """What nobody has looked at yet.

    `refusing`: the latest refusal, if no run has begun since. `seen`: what somebody has looked at;
    `known`: how many rejected and shrunken files still are of these. `latest`: the last run that
    has ended.
    """

    rejected: Rejected = field(factory=dict)
    set_aside: Sequence[SetAside] = ()
    shrunk: Sequence[Shrunk] = ()
    refused: Sequence[Refusal] = ()
    refusing: Refusal | None = None
    seen: Acknowledged = field(factory=Acknowledged)
    known: tuple[int, int] = (0, 0)
    latest: PipelineState | None = None

    def __bool__(self) -> bool:
        return bool(self.rejected or self.set_aside or self.shrunk or self.refused)

    @property
    def counts(self) -> str:
        """For example `3 files rejected, 12 rows set aside`."""
        numbers = (
            sum(map(len, self.rejected.values())),
            len(self.shrunk),
            sum(each.rows for each in self.set_aside),
            sum(each.times for each in self.refused),
        )
        return counts(*numbers)

    @property
    def findings(self) -> list[Finding]:
        """What to say of it in the verdict."""
        texts = [
            f"{plural(len(files), 'file')} rejected by {stage}"
            for stage, files in self.rejected.items()
        ]
        texts += self.sentences
        if self.shrunk:
            first, more = self.shrunk[0], len(self.shrunk) - 1
            texts.append(f"{first.path}: {first}{f' (and {more} more)' if more else ''}")
        return [Finding(Level.WARNING, "WARNING", text) for text in texts]

    @property
    def sentences(self) -> list[str]:
        """On rows set aside, and on runs that were refused before others began."""
        past = [each for each in self.refused if each is not self.refusing]
        return [*_rows(self.set_aside), *_refusals(past)]

    def has_seen(self, entry: Mapping[str, Any] | None) -> bool:
        """Whether a stage's last work was partial for rejected files alone that have been seen."""
        if entry is None or entry.get("status") != StageStatus.PARTIAL or entry.get("kind"):
            return False
        return bool(entry["run"] <= self.seen.run)

    def record(self) -> dict[str, Any]:
        """It as `--json` has it."""
        seen = self.seen._asdict() if self.seen.at else {}
        seen.pop("refusals", None)
        return {
            "rejected": [known.path for files in self.rejected.values() for known in files],
            "rows_set_aside": [each._asdict() for each in self.set_aside],
            "shrunk": [each._asdict() for each in self.shrunk],
            "refused": [each._asdict() for each in self.refused],
            "acknowledged": seen or None,
        }


def attention(
    ledger: Troubles | None,
    paths: Paths,
    rejected: Rejected,
    refused: Sequence[Refusal],
    recent: Sequence[PipelineState],
) -> Attention:
    """What is to be looked at. `rejected`, `refused`: all of them. `recent`: runs, newest first."""
    seen, now = AcknowledgedFile(paths.state).read(), time.time()
    old = [each for each in refused if seen.has(each, now)]
    seen = seen.with_refusals(old)
    refused = [each for each in refused if each not in old]
    refusal = refusing(refused, next(iter(recent), None))
    if ledger is None:
        return Attention(refused=refused, refusing=refusal, seen=seen)
    latest = next((run for run in recent if run.status is not None), None)
    ended = latest.number if latest is not None else 0
    past = ledger.run(seen.run_id) if seen.run_id else None
    until = past.number if past is not None else 0
    new = {stage: [r for r in files if r.run_number > until] for stage, files in rejected.items()}
    shrunk = [each for each in ledger.shrunk() if (paths.root / each.path).exists()]
    new_shrunk = [each for each in shrunk if each.run > until]
    return Attention(
        rejected={stage: files for stage, files in new.items() if files},
        set_aside=[each for each in ledger.rows_set_aside(until) if each.run <= ended],
        shrunk=new_shrunk,
        refused=refused,
        refusing=refusal,
        seen=seen._replace(run=until),
        known=(
            sum(map(len, rejected.values())) - sum(map(len, new.values())),
            len(shrunk) - len(new_shrunk),
        ),
        latest=latest,
    )


def _rows(found: Iterable[SetAside]) -> list[str]:
    """A sentence for each stage that set rows aside."""
    stages: dict[str, list[SetAside]] = {}
    for each in found:
        stages.setdefault(each.stage, []).append(each)
    return [
        f"{plural(sum(each.rows for each in runs), 'row')} set aside by {stage} in "
        + (
            f"run {runs[-1].run}"
            if len(runs) == 1
            else f"{len(runs)} runs, run {runs[-1].run} last"
        )
        for stage, runs in stages.items()
    ]


def _refusals(found: Sequence[Refusal]) -> list[str]:
    times = sum(each.times for each in found)
    if not times:
        return []
    first, *_ = found[-1].error.splitlines() or [""]
    return [f"{plural(times, 'run')} refused, last at {local_time(found[-1].last)}: {first}"]


def counts(rejected: int, shrunk: int, rows: int, refused: int) -> str:
    """For example `3 files rejected, 12 rows set aside`."""
    parts = [
        rejected and f"{plural(rejected, 'file')} rejected",
        shrunk and f"{plural(shrunk, 'file')} empty or shorter",
        rows and f"{plural(rows, 'row')} set aside",
        refused and f"{plural(refused, 'run')} refused",
    ]
    return ", ".join(part for part in parts if part)
