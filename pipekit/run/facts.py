"""What is remembered and told of a stage's result; judges nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipekit.model.stage import StageResult
from pipekit.model.status import StageStatus

if TYPE_CHECKING:
    from pipekit.model.command import ProcessResult


def last_lines(process: ProcessResult | None, count: int = 10) -> list[str]:
    """The last lines of stderr (of stdout where that is silent), for the failure event."""
    if process is None:
        return []
    return (process.stderr.tail or process.stdout.tail).splitlines()[-count:]


def facts_of(result: StageResult) -> dict[str, Any]:
    """What the ledger remembers of a stage's part in a run."""
    facts = {
        "status": result.status,
        "kind": result.kind,
        "reason": result.reason,
        "error": result.error,
        "sentence": str(result),
        "duration": round(result.duration, 3),
    }
    return {key: value for key, value in facts.items() if value not in (None, "")}


def end_data(result: StageResult) -> dict[str, Any]:
    """What the last event of a stage tells beside its sentence."""
    data = {**facts_of(result), "warnings": len(result.warnings)}
    if result.status is StageStatus.FAILURE:
        bad = next((task for task in result.tasks if not task), None)
        data["last_lines"] = list(result.warnings) if bad is None else last_lines(bad.process)
    return data
