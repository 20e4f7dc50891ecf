"""How a run ended whose end the ledger could not take: from its journal, or the lock's record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipekit.errors import (
    EXIT_HANGUP,
    EXIT_INTERRUPTED,
    EXIT_PARTIAL,
    EXIT_SUCCESS,
    EXIT_TERMINATED,
)
from pipekit.model.run import Paths, PipelineState
from pipekit.model.status import PipelineStatus
from pipekit.storage.holder import Holder
from pipekit.storage.lock import RunLock
from pipekit.storage.tail import Tail, read_tail

_STATUSES = {
    EXIT_SUCCESS: PipelineStatus.SUCCESS,
    EXIT_PARTIAL: PipelineStatus.PARTIAL,
    **dict.fromkeys((EXIT_HANGUP, EXIT_INTERRUPTED, EXIT_TERMINATED), PipelineStatus.CANCELLED),
}
_LARGEST_CODE = 255
_ENTRY = ("status", "kind", "reason", "error", "sentence", "duration")  # see `ledger_entry`


def outcome(end: Mapping[str, Any]) -> tuple[PipelineStatus, int]:
    """The status and the exit code in the last event of a run."""
    status = PipelineStatus(end["event"])
    data = end.get("data")
    code = data.get("exit_code") if isinstance(data, dict) else None
    if type(code) is int and 0 <= code <= _LARGEST_CODE:
        return status, code
    return status, status.exit_code


def noted_code(run_id: str, last: Holder | None) -> int | None:
    """The exit code that a run noted when it gave the lock back. `last`: who had it last."""
    return last.exit_code if last and last.run_id == run_id else None


def status_of(code: int) -> PipelineStatus:
    """The status of a run of which only the exit code is known."""
    return _STATUSES.get(code, PipelineStatus.FAILURE)


def stage_entries(tail: Tail) -> dict[str, dict[str, Any]]:
    """The stages that have ended, as the ledger has them."""
    return {
        stage: {name: data[name] for name in _ENTRY if name in data}
        for stage, data in tail.ended.items()
    }


def with_end(run: PipelineState, paths: Paths) -> PipelineState:
    """A run as the ledger will have it, if it has ended and the ledger could not be written."""
    if run.status is not None:
        return run
    tail = read_tail(paths.journal(run.run_id))
    code = noted_code(run.run_id, RunLock(paths.state, "").holder())
    if tail.end is not None:
        status, code = outcome(tail.end)
    elif code is not None:
        status = status_of(code)
    else:
        return run
    return run._replace(
        status=status, exit_code=code, stages=stage_entries(tail) | dict(run.stages)
    )
