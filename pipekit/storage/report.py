"""AuditReporter: writes and reads the report of a run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipekit.errors import StorageError
from pipekit.model.run import Paths
from pipekit.worker import Publication

if TYPE_CHECKING:
    from pipekit.model.command import ProcessResult
    from pipekit.model.run import PipelineReport
    from pipekit.model.stage import StageResult
    from pipekit.model.task import FileRecord, TaskResult

SECRET = "***"  # noqa: S105  # the mask, not a secret
_TAIL = 2000  # characters of a task's last output in the report


class AuditReporter:
    """Reports are `pipeline_report_{YYYYMMDD_HHMMSS}_{run_id}.json` in the logs folder."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def path(self, run_id: str, started: float) -> Path:
        """The path of a run's report; its name has the local time of the start."""
        return self._paths.logs / f"pipeline_report_{stamp(started)}_{run_id}.json"

    def find(self, run_id: str) -> Path | None:
        """The path of a run's report; None if there is none."""
        return next(iter(self._paths.logs.glob(f"pipeline_report_*_{run_id}.json")), None)

    def read(self, run_id: str) -> dict[str, Any]:
        """The report of a run. Raises StorageError if there is none or it cannot be read."""
        path = self.find(run_id)
        if path is None:
            raise StorageError(f"there is no report of run {run_id} in {self._paths.logs}")
        try:
            report: dict[str, Any] = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise StorageError(f"cannot read {path}: {error}") from error
        return report

    def write(
        self, report: PipelineReport, context: Mapping[str, Any], secrets: Iterable[str] = ()
    ) -> Path:
        """Write the report of a run, and the context it ran in. Raises OSError."""
        hidden = [secret for secret in secrets if secret]
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
        text = json.dumps(_masked(content, hidden), indent=1, ensure_ascii=False, default=str)
        path = self.path(report.run_id, report.started)
        with Publication(path, reported=False) as file:
            file.write(text.encode("utf-8", "backslashreplace"))  # file names may not be UTF-8
        return path


def stamp(moment: float) -> str:
    """Local time for file names, `YYYYMMDD_HHMMSS`."""
    return time.strftime("%Y%m%d_%H%M%S", time.localtime(moment))


def iso(moment: float) -> str:
    """Local time with offset, ISO 8601 with milliseconds."""
    import datetime as dt

    return dt.datetime.fromtimestamp(moment).astimezone().isoformat(timespec="milliseconds")


def _stage(result: StageResult) -> dict[str, Any]:
    plan = result.plan
    return {
        "stage": result.stage,
        "status": result.status,
        "kind": result.kind,
        "reason": result.reason,
        "error": result.error,
        "sentence": str(result),
        "started": iso(result.started) if result.started else None,
        "duration": round(result.duration, 3),
        "warnings": list(result.warnings),
        "inputs": [] if plan is None else [{"path": i.path, "why": i.why} for i in plan.inputs],
        "waiting": [] if plan is None else list(plan.waiting),
        "rejected_before": []
        if plan is None
        else [{"path": c.path, "reason": c.reason, "run": c.run} for c in plan.rejected],
        "tasks": [_task(task) for task in result.tasks],
    }


def _task(task: TaskResult) -> dict[str, Any]:
    return {
        "task": task.name,
        "status": task.status,
        "kind": task.kind,
        "reason": task.reason,
        "command": list(task.argv),
        "metrics": dict(task.metrics),
        "warnings": list(task.warnings),
        "units": [
            {
                "unit": unit.name,
                "status": unit.status,
                "reason": unit.reason,
                "duration": unit.duration,
                "metrics": dict(unit.metrics),
            }
            for unit in task.units
        ],
        "files": [_file(record) for record in task.files],
        "process": None if task.process is None else _process(task.process),
    }


def _file(record: FileRecord) -> dict[str, Any]:
    values = {
        "verb": record.verb,
        "path": record.path,
        "fingerprint": record.fingerprint,
        "unit": record.unit,
        "reason": record.reason,
        "sources": None if record.sources is None else list(record.sources),
        "complete": record.complete,
    }
    return {key: value for key, value in values.items() if value not in (None, "", True)}


def _process(result: ProcessResult) -> dict[str, Any]:
    import attrs  # not needed to read reports

    return {
        "outcome": result.outcome,
        "returncode": result.returncode,
        "signal": result.signal,
        "reason": result.reason,
        "duration": round(result.duration, 3),
        "peak_rss": result.peak_rss,
        "cpu_seconds": result.cpu_seconds,
        "usage_source": result.usage_source,
        "signals": [{"name": s.name, "at": s.at, "count": s.count} for s in result.signals],
        "survivors": result.survivors,
        "escaped": list(result.escaped),
        "snapshot": [attrs.asdict(seen) for seen in result.snapshot],
        "warnings": list(result.warnings),
        **{
            name: {
                "spool": str(stream.spool) if stream.spool else None,
                "bytes": stream.size,
                "lines": stream.lines,
                "dropped": stream.dropped,
                "tail": stream.tail[-_TAIL:],
            }
            for name, stream in (("stdout", result.stdout), ("stderr", result.stderr))
        },
    }


def _masked(value: Any, secrets: list[str]) -> Any:
    """A copy of a JSON value in which all secrets are masked."""
    if not secrets:
        return value
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, SECRET)
        return value
    if isinstance(value, dict):
        return {_masked(key, secrets): _masked(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item, secrets) for item in value]
    return value
