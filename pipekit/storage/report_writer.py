"""Writes the report of a run: what became of its stages, tasks, units and files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipekit.model.command import ProcessResult, StreamResult
from pipekit.model.quantity import iso
from pipekit.model.records import FileRecord
from pipekit.model.run import Paths, PipelineReport
from pipekit.model.secrets import Mask
from pipekit.model.stage import StagePlan, StageResult
from pipekit.model.task import TaskResult, UnitResult
from pipekit.storage.report import AuditReports
from pipekit.worker import Publication
from pipekit.worker._files import make_folder, open_own

_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
_TAIL = 2000  # characters of a task's last output in the report


def write_report(
    report: PipelineReport, paths: Paths, context: Mapping[str, Any], mask: Mask | None = None
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
    path = AuditReports(paths).path(report.run_id, report.started)
    make_folder(paths.logs, paths.file_mode)
    with Publication(path, reported=False, mode=paths.file_mode) as file:
        # a record at a time, since there may be many; file names may not be UTF-8
        descriptor = open_own(file, os.O_WRONLY)
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as text:
            text.writelines(_written(content, mask or Mask()))
    return path


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
        "backing_off": result.backing_off,
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
        **_values(task, "status", "kind", "reason", "attempt", "retried"),
        "command": task.argv,
        "metrics": dict(task.metrics),
        "warnings": task.warnings,
        "units": [_unit(unit) for unit in task.units],
        "files": (_file(record) for record in task.files),
        "state": dict(task.state),
        **({} if task.placement is None else {"placement": task.placement.record()}),
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
