"""What a run's report says, in types; what another version's report lacks has a usual value.

A report is JSON that somebody may have changed: a value of another type counts as missing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from pipekit.errors import StorageError
from pipekit.model.run import Paths, PipelineState
from pipekit.model.status import failure_output, first_to_resume
from pipekit.read.live import without_report
from pipekit.read.runs import as_of_now
from pipekit.storage.report import AuditReports

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_LARGEST = 2**63  # no number of seconds or bytes is larger

Json = Mapping[str, Any]
T = TypeVar("T")


class FileNote(NamedTuple):
    """What a task did with a file. `verb`: consumed, wrote, unchanged, rejected."""

    verb: str
    path: str
    reason: str = ""
    unit: str = ""


class UnitReport(NamedTuple):
    """A unit of a task's work. `duration`: seconds."""

    unit: str
    status: str
    reason: str = ""
    duration: float = 0.0
    metrics: Json = _NOTHING


class Seen(NamedTuple):
    """What one process of a task was doing just before it was stopped."""

    pid: int
    state: str
    waits_in: str
    command: str


class ProcessReport(NamedTuple):
    """The process of a task. `duration` and `cpu_seconds` (-1: not known) in seconds.

    `peak_rss`: bytes, 0 if it is not known. `stderr` and `stdout`: the last 2,000 characters.
    """

    duration: float = 0.0
    peak_rss: int = 0
    cpu_seconds: float = -1.0
    reason: str = ""
    snapshot: tuple[Seen, ...] = ()
    stdout: str = ""
    stderr: str = ""


class TaskReport(NamedTuple):
    """A task of a stage. `process`: None if none was started.

    `placement`: where another machine carried it out, as a sentence; empty if none did.
    """

    task: str
    status: str
    kind: str = ""
    reason: str = ""
    attempt: int = 1
    retried: bool = False
    command: tuple[str, ...] = ()
    metrics: Json = _NOTHING
    units: tuple[UnitReport, ...] = ()
    files: tuple[FileNote, ...] = ()
    process: ProcessReport | None = None
    placement: str = ""

    @property
    def last_lines(self) -> list[str]:
        """What a failed task printed last, on stderr or else on stdout; empty for others.

        The reason of a failure of the plugin's own says it already.
        """
        if self.process is None:
            return []
        return failure_output(self.status, self.kind, self.process.stderr, self.process.stdout)


class StageReport(NamedTuple):
    """A stage of a run. `started`: Unix time, None if it is not known; `duration`: seconds."""

    stage: str
    status: str
    kind: str = ""
    sentence: str = ""
    reason: str = ""
    error: str = ""
    traceback: str = ""
    started: float | None = None
    duration: float = 0.0
    warnings: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    backing_off: tuple[str, ...] = ()
    rejected_before: tuple[FileNote, ...] = ()
    tasks: tuple[TaskReport, ...] = ()


class Proposal(NamedTuple):
    """What a lifecycle policy proposed, and what became of it. `refused`: why it was."""

    action: str
    path: str
    reason: str = ""
    refused: str = ""
    applied: bool = False


class RunReport(NamedTuple):
    """One run. `incomplete`: why this is not the whole report, empty if it is.

    `status`: of a PipelineStatus, or `running` or `died`. `started`: Unix time, None if it is not
    known. `duration`: seconds so far.
    """

    run_id: str
    run: int
    status: str
    sentence: str
    started: float | None = None
    duration: float = 0.0
    warnings: tuple[str, ...] = ()
    stages: tuple[StageReport, ...] = ()
    lifecycle: tuple[Proposal, ...] = ()
    incomplete: str = ""

    @property
    def resume_from(self) -> str:
        """The stage to resume from with `pipekit run --from`; empty if there is none."""
        return first_to_resume({each.stage: each.status for each in self.stages})


def raw_report(state: PipelineState, paths: Paths) -> dict[str, Any]:
    """The report of a run as JSON, or what is known of the run without; see `without_report`."""
    ((now, *_), _) = as_of_now([state], paths)
    reporter, state, known = AuditReports(paths), now.run, without_report(now, paths)
    if reporter.find(state.run_id, state.started) is None:
        return known
    try:
        report = reporter.read(state.run_id)
    except StorageError as error:
        return {**known, "incomplete": f"{error}; this is from the ledger"}
    del known["incomplete"]
    return known | report


def read_report(state: PipelineState, paths: Paths) -> RunReport:
    """What is known of a run: its report, or else the ledger, the journal and the lock."""
    found = raw_report(state, paths)
    return RunReport(
        run_id=_text(found, "run_id", state.run_id),
        run=_number(found, "run", state.number),
        status=_text(found, "status", "unknown"),
        sentence=_text(found, "sentence"),
        started=_moment(found.get("started")),
        duration=_seconds(found, "duration"),
        warnings=_texts(found, "warnings"),
        stages=tuple(_stage(each) for each in _records(found, "stages")),
        lifecycle=tuple(_proposal(each) for each in _records(found, "lifecycle")),
        incomplete=_text(found, "incomplete"),
    )


def _stage(found: Json) -> StageReport:
    return StageReport(
        stage=_text(found, "stage", "?"),
        status=_text(found, "status", "unknown"),
        kind=_text(found, "kind"),
        sentence=_text(found, "sentence"),
        reason=_text(found, "reason"),
        error=_text(found, "error"),
        traceback=_text(found, "traceback"),
        started=_moment(found.get("started")),
        duration=_seconds(found, "duration"),
        warnings=_texts(found, "warnings"),
        waiting=_texts(found, "waiting"),
        backing_off=_texts(found, "backing_off"),
        rejected_before=tuple(
            FileNote("rejected", _text(each, "path", "?"), _text(each, "reason"))
            for each in _records(found, "rejected_before")
        ),
        tasks=tuple(_task(each) for each in _records(found, "tasks")),
    )


def _task(found: Json) -> TaskReport:
    process = found.get("process")
    return TaskReport(
        task=_text(found, "task", "?"),
        status=_text(found, "status", "unknown"),
        kind=_text(found, "kind"),
        reason=_text(found, "reason"),
        attempt=_number(found, "attempt", 1),
        retried=found.get("retried") is True,
        command=_texts(found, "command"),
        metrics=_mapping(found, "metrics"),
        units=tuple(_unit(each) for each in _records(found, "units")),
        files=tuple(_file(each) for each in _records(found, "files")),
        process=_process(process) if isinstance(process, dict) and process else None,
        placement=_placement(_mapping(found, "placement")),
    )


def _placement(found: Json) -> str:
    from pipekit.model.executor import Placement  # most tasks have none

    known = {name: found[name] for name in Placement._fields if name in found}
    try:
        return str(Placement(**known)) if known else ""
    except (TypeError, ValueError):  # of another version
        return ""


def _unit(found: Json) -> UnitReport:
    return UnitReport(
        unit=_text(found, "unit", "?"),
        status=_text(found, "status", "unknown"),
        reason=_text(found, "reason"),
        duration=_seconds(found, "duration"),
        metrics=_mapping(found, "metrics"),
    )


def _file(found: Json) -> FileNote:
    path = _text(found, "path", "?")
    reason = _text(found, "reason").removeprefix(f"{path}: ")
    return FileNote(_text(found, "verb"), path, reason, _text(found, "unit"))


def _process(found: Json) -> ProcessReport:
    return ProcessReport(
        duration=_seconds(found, "duration"),
        peak_rss=_number(found, "peak_rss", 0),
        cpu_seconds=_seconds(found, "cpu_seconds", -1.0),
        reason=_text(found, "reason"),
        snapshot=tuple(
            Seen(
                _number(each, "pid", 0),
                _text(each, "state", "?"),
                _text(each, "waits_in"),
                _text(each, "command", "?"),
            )
            for each in _records(found, "snapshot")
        ),
        stdout=_text(_mapping(found, "stdout"), "tail"),
        stderr=_text(_mapping(found, "stderr"), "tail"),
    )


def _proposal(found: Json) -> Proposal:
    return Proposal(
        action=_text(found, "action", "?"),
        path=_text(found, "path", "?"),
        reason=_text(found, "reason"),
        refused=_text(found, "refused"),
        applied=found.get("applied") is True,
    )


def _of(found: Json, key: str, kind: type[T], usual: T) -> T:
    value = found.get(key)
    return value if isinstance(value, kind) else usual


def _text(found: Json, key: str, usual: str = "") -> str:
    return _of(found, key, str, usual)


def _number(found: Json, key: str, usual: int) -> int:
    value = _of(found, key, int, usual)
    return value if abs(value) < _LARGEST else usual


def _seconds(found: Json, key: str, usual: float = 0.0) -> float:
    value = found.get(key)
    return value if isinstance(value, int | float) and abs(value) < _LARGEST else usual


def _mapping(found: Json, key: str) -> Json:
    return _of(found, key, dict, {})


def _list(found: Json, key: str) -> Iterable[Any]:
    return _of(found, key, list, [])


def _records(found: Json, key: str) -> Iterator[Json]:
    """The records of a list; what is none of them is an empty one, so that it is seen."""
    return (each if isinstance(each, dict) else _NOTHING for each in _list(found, key))


def _texts(found: Json, key: str) -> tuple[str, ...]:
    return tuple(each for each in _list(found, key) if isinstance(each, str))


def _moment(text: object) -> float | None:
    """The Unix time of ISO 8601; None if it is none."""
    try:
        return dt.datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
    except (ValueError, OverflowError, OSError):
        return None
