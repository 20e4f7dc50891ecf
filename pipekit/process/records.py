"""The result of a supervised command as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipekit.model.command import (
    Outcome,
    ProcessResult,
    ProcessSnapshot,
    SentSignal,
    StreamResult,
)

_STREAMS = ("stdout", "stderr")


def result_record(result: ProcessResult) -> dict[str, Any]:
    """The result as JSON values, apart from paths, for which `str` is meant."""
    return result._asdict() | {
        "stdout": result.stdout._asdict(),
        "stderr": result.stderr._asdict(),
        "signals": [sent._asdict() for sent in result.signals],
        "snapshot": [seen._asdict() for seen in result.snapshot],
    }


def result_of(record: Mapping[str, Any]) -> ProcessResult:
    """The result that a record stands for. Raises TypeError, ValueError, KeyError."""
    known = {name: record[name] for name in ProcessResult._fields if name in record}
    return ProcessResult(
        **known
        | {
            "outcome": Outcome(record["outcome"]),
            "success": record.get("success") is True,
            "signals": tuple(SentSignal(**each) for each in record.get("signals", ())),
            "snapshot": tuple(ProcessSnapshot(**each) for each in record.get("snapshot", ())),
            "escaped": tuple(record.get("escaped", ())),
            "warnings": tuple(record.get("warnings", ())),
            **{name: _stream(record.get(name, {})) for name in _STREAMS},
        }
    )


def _stream(record: Mapping[str, Any]) -> StreamResult:
    spool = record.get("spool")
    return StreamResult(**{**record, "spool": Path(spool) if spool else None})
