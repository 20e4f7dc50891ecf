"""What `pipekit file` has found, for programs: JSON."""

from __future__ import annotations

from typing import Any

from pipekit.model.file import Published
from pipekit.read.file import Answer
from pipekit.run.trace import Relatives, StageTrace


def record(answer: Answer) -> dict[str, Any]:
    """The answer as JSON."""
    found, file = answer.trace, answer.trace.file
    return {
        "path": found.path,
        "exists": file is not None,
        "known": found.is_known,
        "removed": answer.removed._asdict() if answer.removed else None,
        "size": file.size if file else None,
        "modified": file.mtime_ns / 1e9 if file else None,
        "stages": [_stage(each, answer) for each in found.stages],
        "written": [
            {"stage": stage, **_published(each), "as_written": found.is_as_published}
            for stage, each in found.published.items()
        ],
        "came_of_it": _relatives(found.made),
        "came_from": _relatives(found.sources),
        "patterns": [each._asdict() for each in found.near],
        "may_go": answer.permission._asdict() if answer.permission else None,
    }


def _stage(found: StageTrace, answer: Answer) -> dict[str, Any]:
    last, rows = found.last, answer.set_aside.get(found.stage)
    run = answer.runs.get(last.run_number) if last else None
    return {
        "stage": found.stage,
        "state": found.state,
        "why": found.why,
        "problem": found.problem,
        "warnings": list(found.warnings),
        "last": last
        and {
            "state": last.state,
            "run": last.run_number,
            "run_id": run.run_id if run else None,
            "started": run.started if run else None,
            "reason": last.reason,
            "fingerprint": last.fingerprint,
            "detail": dict(last.detail),
        },
        "notes": list(answer.notes.get(found.stage, ())),
        "set_aside": rows._asdict() if rows else None,
    }


def _published(each: Published) -> dict[str, Any]:
    return {
        "run": each.run_number,
        "run_id": each.run_id or None,
        "present": each.present,
        "fingerprint": each.fingerprint,
        "detail": dict(each.detail),
    }


def _relatives(found: Relatives) -> dict[str, Any]:
    return {
        "steps": [
            [
                {
                    "stage": each.stage or None,
                    "path": each.path,
                    "run": each.published.run_number if each.published else None,
                }
                for each in step
            ]
            for step in found.steps
        ],
        "further": dict(found.further),
    }
