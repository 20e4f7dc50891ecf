"""How a project is: what is wrong with it, the worst first, and an exit code for monitoring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pipekit.model.quantity import local_time
from pipekit.model.run import Paths, PipelineState
from pipekit.model.status import PipelineStatus, StageStatus

if TYPE_CHECKING:
    from pipekit.config import Configuration
    from pipekit.read.attention import Attention
    from pipekit.read.details import SinkTrouble
    from pipekit.run.expectations import Verdict
    from pipekit.storage.hold import Hold
    from pipekit.storage.refusals import Refusal
    from pipekit.storage.runs import RunHistory

Entry = Mapping[str, Any]  # what the ledger knows of a stage's part in a run, and its number


class Level(IntEnum):
    """The exit codes of monitoring plugins."""

    OK = 0
    WARNING = 1
    BROKEN = 2
    UNKNOWN = 3

    @property
    def colour(self) -> str:
        """As click names it."""
        return ("green", "yellow", "red", "magenta")[self]


_WORST_FIRST = (Level.BROKEN, Level.UNKNOWN, Level.WARNING, Level.OK)


class Finding(NamedTuple):
    """One thing that is wrong. `word`: the sort of it, in capitals."""

    level: Level
    word: str
    text: str

    def __str__(self) -> str:
        return f"{self.word}: {self.text}"


def worst(levels: Iterable[int]) -> int:
    """The worst of several exit codes: 2, then 3 and others, then 1."""
    known = list(levels)
    others = [code for code in known if code not in (0, 1, 2)]
    return 2 if 2 in known else max(others or known, default=0)


def findings(
    *,
    last: PipelineState | None,
    is_dead: bool,
    stages: Mapping[str, Entry | None],
    since: Mapping[str, int],
    attention: Attention,
    refused: Refusal | None,
    hold: Hold | None,
    verdicts: Sequence[Verdict],
    backing_off: Mapping[str, Sequence[str]] = MappingProxyType({}),
    sinks: Sequence[SinkTrouble] = (),
    problem: Exception | None = None,
) -> list[Finding]:
    """What is wrong, the worst first; at least one, which says that nothing failed.

    `since`: the first run of those in a row in which a stage failed. `is_dead`: the last run died.
    `problem`: with the configuration.
    """
    found = [
        Finding(Level.BROKEN, "STALE", verdict.text)
        for verdict in verdicts
        if verdict.state == "stale"
    ]
    if refused is not None:
        first, *_ = refused.error.splitlines() or [""]
        text = f"no run could begin at {local_time(refused.last)}: {first}"
        found.append(Finding(Level.BROKEN, "FAILED", text))
    if is_dead and last is not None:
        found.append(Finding(Level.BROKEN, "FAILED", f"run {last.number} died"))
    later = {name for name, entry in stages.items() if entry and entry.get("idle_since")}
    told = later & backing_off.keys()  # these have not merely had nothing to do since
    told |= {name for name, entry in stages.items() if attention.has_seen(entry)}
    entries = {name: entry for name, entry in stages.items() if name not in told}
    found += [each for name, entry in entries.items() if (each := _stage(name, entry, since))]
    unknown = [verdict.text for verdict in verdicts if verdict.state == "unknown"]
    if problem is not None:
        unknown += str(problem).splitlines()[:1]
    if last is None and refused is None and hold is None:
        unknown.append("there was no run yet")
    found += [Finding(Level.UNKNOWN, "UNKNOWN", text) for text in unknown]
    if hold is not None:
        found.append(Finding(Level.WARNING, "WARNING", str(hold)))
    for stage, texts in backing_off.items():
        found += [Finding(Level.WARNING, "WARNING", f"{stage}: {text}") for text in texts]
    found += [Finding(Level.WARNING, "WARNING", each.sentence) for each in sinks if each.important]
    found += attention.findings
    return sorted(found, key=lambda each: _WORST_FIRST.index(each.level)) or [_well(last)]


def _stage(name: str, entry: Entry | None, since: Mapping[str, int]) -> Finding | None:
    """What is wrong with a stage, if anything is.

    One that has been skipped since has nothing to make up for. What a blocked stage waits for is
    found by itself, unless it was skipped meanwhile.
    """
    status, idle = (entry or {}).get("status"), (entry or {}).get("idle_since")
    run = (entry or {}).get("run")
    if status == StageStatus.FAILURE and not idle:
        text = f"{name} has failed since run {since.get(name) or run}"
        error = str((entry or {}).get("error") or "").partition("\n")[0]
        return Finding(Level.BROKEN, "FAILED", f"{text}{f': {error}' if error else ''}")
    if status == StageStatus.FAILURE:
        text = f"{name} failed in run {run}, and had nothing to do since"
        return Finding(Level.WARNING, "WARNING", text)
    if status in (StageStatus.PARTIAL, StageStatus.CANCELLED, StageStatus.BLOCKED) and not idle:
        return Finding(Level.WARNING, "WARNING", f"{name} was {status} in run {run}")
    return None


def _well(last: PipelineState | None) -> Finding:
    if last is None:
        return Finding(Level.OK, "OK", "nothing failed")
    going_on = "; it is going on" if last.status is None else ""
    is_idle = last.status == PipelineStatus.IDLE
    what = " had nothing to do" if is_idle else ""
    text = f"nothing failed; run {last.number}{what} at {local_time(last.started)}{going_on}"
    return Finding(Level.OK, "OK", text)


def verdicts(
    configuration: Configuration | None, paths: Paths, ledger: RunHistory, now: float
) -> list[Verdict]:
    """How the expectations of a project stand now."""
    if configuration is None or not configuration.expect:
        return []
    from pipekit.run.expectations import judge  # only with [[expect]]
    from pipekit.storage.files import FileManager  # only with [[expect]]
    from pipekit.storage.told import ToldFile

    told = ToldFile(paths).read()
    return judge(configuration, FileManager(paths.root, inputs=paths.inputs), ledger, told, now)


def and_more(found: Sequence[Finding]) -> str:
    """How many findings there are beside the first, in brackets."""
    return f" (and {len(found) - 1} more)" if len(found) > 1 else ""
