"""AuditReporter: writes the report of a run, and reads it again; derives it, never decides it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipekit.errors import StorageError
from pipekit.model.run import Paths

if TYPE_CHECKING:
    from pipekit.model.command import ProcessResult
    from pipekit.model.run import PipelineReport
    from pipekit.model.stage import StageResult
    from pipekit.model.task import FileRecord, TaskResult

SECRET = "***"  # noqa: S105  # what stands in the place of a secret
_TAIL = 2000  # characters of a task's last output that the report repeats


class AuditReporter:
    """Reports are `pipeline_report_{YYYYMMDD_HHMMSS}_{run_id}.json` in the project's logs."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def path(self, run_id: str, started: float) -> Path:
        """Where the report of a run lies, local time of its start in the name."""
        return self._paths.logs / f"pipeline_report_{stamp(started)}_{run_id}.json"

    def find(self, run_id: str) -> Path | None:
        """The report of a run, or None when it was never written or is gone."""
        return next(iter(self._paths.logs.glob(f"pipeline_report_*_{run_id}.json")), None)

    def read(self, run_id: str) -> dict[str, Any]:
        """The report of a run. Raises StorageError when there is none to read."""
        path = self.find(run_id)
        if path is None:
            raise StorageError(f"run {run_id} has no report in {self._paths.logs}")
        try:
            report: dict[str, Any] = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise StorageError(f"cannot read {path}: {error}") from error
        return report

    def write(
        self, report: PipelineReport, context: Mapping[str, Any], secrets: Iterable[str] = ()
    ) -> Path:
        """Write the report: what came of the run, and the context it ran in. Raises OSError."""
        from pipekit.storage.files import write_atomically  # who only reads needs no files

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
        # Names of files need not be text; JSON has an escape for what is left of them then.
        write_atomically(path, text.encode("utf-8", "backslashreplace"))
        return path


def stamp(moment: float) -> str:
    """Local time for a file's name, `YYYYMMDD_HHMMSS`."""
    return time.strftime("%Y%m%d_%H%M%S", time.localtime(moment))


def iso(moment: float) -> str:
    """Local time with the zone's offset, ISO 8601, milliseconds."""
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
    facts = {
        "verb": record.verb,
        "path": record.path,
        "fingerprint": record.fingerprint,
        "unit": record.unit,
        "reason": record.reason,
        "sources": None if record.sources is None else list(record.sources),
        "complete": record.complete,
    }
    return {key: value for key, value in facts.items() if value not in (None, "", True)}


def _process(result: ProcessResult) -> dict[str, Any]:
    import attrs  # only to write: who reads a report starts without it

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
    """The same JSON value with every secret in it replaced."""
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
