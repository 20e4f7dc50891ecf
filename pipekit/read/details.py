"""What a run's report says of a stage: what its programs printed last, warnings, waiting files."""

from __future__ import annotations

from typing import Any, NamedTuple

from pipekit.errors import StorageError
from pipekit.model.run import Paths, PipelineState
from pipekit.model.status import failure_output
from pipekit.storage.report import AuditReports

_LINES = 3  # of what a failed task printed last
_TASKS = 3  # whose last lines are shown
_WARNINGS = 3


class Details(NamedTuple):
    """`printed`: the last lines of failed tasks. `more`: how many warnings are left out."""

    printed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    more: int = 0
    waiting: tuple[str, ...] = ()


class SinkTrouble(NamedTuple):
    """What went wrong with a sink in a run. `important`: somebody counts on it."""

    sentence: str
    important: bool


class Reports:
    """The reports of several runs, each read once; empty for one that cannot be read."""

    def __init__(self, paths: Paths) -> None:
        self._reporter = AuditReports(paths)
        self._known: dict[str, dict[str, Any]] = {}  # reports, by run

    def details(self, run: PipelineState, stage: str) -> Details:
        """What the report of a run says of a stage."""
        stages = (entry for entry in _dicts(self._report(run).get("stages")))
        entry = next((each for each in stages if each.get("stage") == stage), {})
        warnings = _texts(entry.get("warnings"))
        tasks = _dicts(entry.get("tasks"))
        printed = [line for task in tasks[: _TASKS * 10] for line in _last_lines(task)]
        return Details(
            tuple(printed[: _TASKS * _LINES]),
            tuple(warnings[:_WARNINGS]),
            max(len(warnings) - _WARNINGS, 0),
            tuple(_texts(entry.get("waiting"))),
        )

    def sinks(self, run: PipelineState) -> tuple[SinkTrouble, ...]:
        """What the report of a run says of its sinks."""
        return tuple(
            SinkTrouble(str(each.get("sentence", "")), each.get("important") is True)
            for each in _dicts(self._report(run).get("sinks"))
        )

    def _report(self, run: PipelineState) -> dict[str, Any]:
        if run.run_id not in self._known:
            self._known[run.run_id] = self._read(run)
        return self._known[run.run_id]

    def _read(self, run: PipelineState) -> dict[str, Any]:
        if self._reporter.find(run.run_id, run.started) is None:
            return {}
        try:
            return self._reporter.read(run.run_id)
        except StorageError:
            return {}


def _last_lines(task: dict[str, Any]) -> list[str]:
    """What a failed task printed last: on stderr, or else on stdout."""
    process = task.get("process")
    if not isinstance(process, dict):
        return []
    streams = (process.get(name) for name in ("stderr", "stdout"))
    tails = (stream.get("tail") if isinstance(stream, dict) else None for stream in streams)
    stderr, stdout = (str(tail or "") for tail in tails)
    status, kind = str(task.get("status")), str(task.get("kind"))
    return failure_output(status, kind, stderr, stdout)[-_LINES:]


def _list(found: object) -> list[Any]:
    return found if isinstance(found, list) else []


def _dicts(found: object) -> list[dict[str, Any]]:
    return [each for each in _list(found) if isinstance(each, dict)]


def _texts(found: object) -> list[str]:
    return [text for text in _list(found) if isinstance(text, str)]
