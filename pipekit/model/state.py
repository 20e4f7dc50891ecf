"""A run as the ledger remembers it; apart, since commands that only look need no other noun."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pipekit import errors


class PipelineStatus(StrEnum):
    """How a run ended."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILURE = "failure"
    CANCELLED = "cancelled"
    IDLE = "idle"

    @property
    def exit_code(self) -> int:
        """Of the command that made the run (an interrupted one has its own: 130 or 143)."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    PipelineStatus.SUCCESS: errors.EXIT_SUCCESS,
    PipelineStatus.IDLE: errors.EXIT_SUCCESS,
    PipelineStatus.PARTIAL: errors.EXIT_PARTIAL,
    PipelineStatus.FAILURE: errors.EXIT_FAILURE,
    PipelineStatus.CANCELLED: errors.EXIT_INTERRUPTED,
}


class PipelineState(NamedTuple):
    """A run as the ledger remembers it; `status` is None while it has not ended.

    Times are Unix times; `stages` has the facts of each stage's part by its name.
    """

    run_id: str
    number: int
    started: float
    ended: float | None = None
    status: PipelineStatus | None = None
    exit_code: int | None = None
    stages: Mapping[str, Any] = MappingProxyType({})

    def __bool__(self) -> bool:
        return self.status in (PipelineStatus.SUCCESS, PipelineStatus.IDLE)


class Rejection(NamedTuple):
    """A file that a stage rejected: why, and in which run (its number)."""

    path: str
    reason: str
    run: int


class Paths(NamedTuple):
    """Where a project keeps what, as absolute paths."""

    root: Path
    data: Path
    logs: Path
    state: Path

    @property
    def quarantine(self) -> Path:
        """Rows and files that were set aside, one folder a run."""
        return self.data / "quarantine"

    @property
    def runs(self) -> Path:
        """Spools and reports of stage processes, one folder a run."""
        return self.logs / "runs"

    @property
    def events(self) -> Path:
        """The journals, one file a run."""
        return self.logs / "events"

    @property
    def trash(self) -> Path:
        """What the lifecycle took away and can still give back."""
        return self.root / ".pipekit-trash"
