"""AuditReporter: writes and reads the report of a run."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipekit.errors import StorageError
from pipekit.model.command import ProcessResult, StreamResult
from pipekit.model.run import Paths, PipelineReport
from pipekit.model.secrets import Mask
from pipekit.model.stage import StagePlan, StageResult
from pipekit.model.task import FileRecord, TaskResult, UnitResult
from pipekit.worker import Publication
from pipekit.worker._files import make_folder, open_own

_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
_TAIL = 2000  # characters of a task's last output in the report


class AuditReporter:
    """Reports are `pipeline_report_{local YYYYMMDD_HHMMSS}_{run_id}.json` in the logs folder."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def path(self, run_id: str, started: float) -> Path:
        """The path of the report of a run that started at this Unix time."""
        return self._paths.logs / f"pipeline_report_{stamp(started)}_{run_id}.json"

    def find(self, run_id: str, started: float | None = None) -> Path | None:
        """The path of a run's report; None if there is none. Fast if `started` is given."""
        if started is not None and (path := self.path(run_id, started)).exists():
            return path
        # its name has the local time: of another zone, perhaps
        return next(iter(self._paths.logs.glob(f"pipeline_report_*_{run_id}.json")), None)

    def read(self, run_id: str) -> dict[str, Any]:
        """The report of a run. Raises StorageError if there is none or it cannot be read."""
        path = self.find(run_id)
        if path is None:
            raise StorageError(f"there is no report of run {run_id} in {self._paths.logs}")
        try:
            with open(open_own(path, os.O_RDONLY), encoding="utf-8") as file:
                report = json.load(file)
        except (OSError, ValueError, RecursionError) as error:
            raise StorageError(f"cannot read {path}: {error}") from error
        if not isinstance(report, dict):
            raise StorageError(f"cannot read {path}: it is not a report")
        return report

    def write(
        self, report: PipelineReport, context: Mapping[str, Any], mask: Mask | None = None
    ) -> Path:
        """Write the report of a run, and the context it ran in, masked. Raises OSError."""
        content = {
            "v": 1,
            "run_id": report.run_id,
            "run": report.number,
            "status": report.status,
            "exit_code": report.exit_code,
            "sentence": str(report),
            "started": iso(report.started),
            "duration": round(report.duration, 3),
            "warnings": list(report.warnings),
            "stages": [_stage(stage) for stage in report.stages],
            **context,
        }
        path = self.path(report.run_id, report.started)
        make_folder(self._paths.logs, self._paths.file_mode)
        with Publication(path, reported=False, mode=self._paths.file_mode) as file:
            # a record at a time, since there may be many; file names may not be UTF-8
            descriptor = open_own(file, os.O_WRONLY)
            with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as text:
                text.writelines(_written(content, mask or Mask()))
        return path

    def sweep(self) -> None:
        """Remove what killed processes left of reports; needs the run lock. Never raises."""
        with contextlib.suppress(OSError), os.scandir(self._paths.logs) as entries:
            for entry in entries:
                if entry.name.startswith(".pipeline_report_") and entry.name.endswith(".tmp"):
                    os.unlink(entry.path)


def stamp(moment: float) -> str:
    """Local time for file names, `YYYYMMDD_HHMMSS`."""
    return time.strftime("%Y%m%d_%H%M%S", time.localtime(moment))


def iso(moment: float, zone: dt.tzinfo | None = None) -> str:
    """Time with offset, ISO 8601 with milliseconds; `zone`: default the system's."""
    time_there = dt.datetime.fromtimestamp(moment, dt.UTC).astimezone(zone)
    return time_there.isoformat(timespec="milliseconds")


def _written(value: Any, mask: Mask, margin: str = "\n") -> Iterator[str]:
    """A JSON value in pieces, masked; an iterator is an array. One record is one line."""
    inner, comma = f"{margin} ", ""
    if isinstance(value, dict):
        yield "{"
        for key, item in value.items():
            yield f"{comma}{inner}{_ENCODER.encode(key)}: "
            yield from _written(item, mask, inner)
            comma = ","
        yield f"{margin}}}"
    elif isinstance(value, Iterator) or (value and isinstance(value, list)):
        nested = isinstance(value, list)
        yield "["
        for item in value:
            yield f"{comma}{inner}"
            yield from _written(item, mask, inner) if nested else [_line(item, mask)]
            comma = ","
        yield f"{margin}]"
    else:
        yield _line(value, mask)


def _line(value: Any, mask: Mask) -> str:
    return _ENCODER.encode(mask.value(value))


def _stage(result: StageResult) -> dict[str, Any]:
    plan = result.plan or StagePlan(reason="")
    return {
        **_values(result, "stage", "status", "kind", "reason", "error"),
        "sentence": str(result),
        "started": iso(result.started) if result.started else None,
        "duration": round(result.duration, 3),
        "warnings": result.warnings,
        "traceback": result.traceback,
        "inputs": ({"path": item.path, "why": item.why} for item in plan.inputs),
        "waiting": plan.waiting,
        "rejected_before": [
            {**_values(known, "path", "reason"), "run": known.run_number} for known in plan.rejected
        ],
        "tasks": [_task(task) for task in result.tasks],
    }


def _task(task: TaskResult) -> dict[str, Any]:
    return {
        "task": task.name,
        **_values(task, "status", "kind", "reason"),
        "command": task.argv,
        "metrics": dict(task.metrics),
        "warnings": task.warnings,
        "units": [_unit(unit) for unit in task.units],
        "files": (_file(record) for record in task.files),
        "process": None if task.process is None else _process(task.process),
    }


def _unit(unit: UnitResult) -> dict[str, Any]:
    values = _values(unit, "status", "reason", "duration")
    return {"unit": unit.name, **values, "metrics": dict(unit.metrics)}


def _file(record: FileRecord) -> dict[str, Any]:
    names = ("verb", "path", "fingerprint", "unit", "reason", "sources", "complete")
    return {
        name: value
        for name, value in _values(record, *names).items()
        if value not in (None, "", True)
    }


def _process(result: ProcessResult) -> dict[str, Any]:
    usage = ("peak_rss", "cpu_seconds", "usage_source")
    return {
        **_values(result, "outcome", "returncode", "signal", "reason"),
        "duration": round(result.duration, 3),
        **_values(result, *usage),
        "signals": [sent._asdict() for sent in result.signals],
        **_values(result, "survivors", "escaped"),
        "snapshot": [seen._asdict() for seen in result.snapshot],
        "warnings": result.warnings,
        "stdout": _stream(result.stdout),
        "stderr": _stream(result.stderr),
    }


def _stream(stream: StreamResult) -> dict[str, Any]:
    return {
        "spool": str(stream.spool) if stream.spool else None,
        "bytes": stream.size,
        **_values(stream, "lines", "dropped"),
        "tail": stream.tail[-_TAIL:],
    }


def _values(source: object, *names: str) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}
