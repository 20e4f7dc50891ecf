"""How runs, stages, tasks and units end, and why they fail."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pipekit import errors


class StageStatus(StrEnum):
    """How a stage of a run ended; also used for tasks and units (spec: operation, §1.2)."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILURE = "failure"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"


class FailureKind(StrEnum):
    """Why something failed."""

    EXIT = "exit"
    SIGNAL = "signal"
    OOM = "oom"
    TIMEOUT = "timeout"
    HANG = "hang"
    SPAWN = "spawn"
    CONTRACT = "contract"  # an output missing, a unit never finished
    PLUGIN = "plugin"  # the plugin's own code raised
    LOST = "lost"


RAN = frozenset({StageStatus.SUCCESS, StageStatus.PARTIAL, StageStatus.FAILURE})
_RANK = {StageStatus.SUCCESS: 2, StageStatus.SKIPPED: 2, StageStatus.PARTIAL: 1}


def satisfies(status: StageStatus, least: str) -> bool:
    """Whether a stage that ended with `status` is good enough for one that asks for `least`.

    `least` is `success`, `partial` or `any`; a skipped stage satisfies all of them.
    """
    return least == "any" or _RANK.get(status, 0) >= _RANK[StageStatus(least)]


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


def pipeline_status(stages: Iterable[StageStatus]) -> PipelineStatus:
    """The status of a run whose stages ended so (spec: operation, §1.2)."""
    statuses = set(stages)
    if StageStatus.CANCELLED in statuses:
        return PipelineStatus.CANCELLED
    counted = statuses & (RAN | {StageStatus.BLOCKED})
    if not counted:
        return PipelineStatus.IDLE
    if counted == {StageStatus.SUCCESS}:
        return PipelineStatus.SUCCESS
    if not counted & {StageStatus.SUCCESS, StageStatus.PARTIAL}:
        return PipelineStatus.FAILURE
    return PipelineStatus.PARTIAL
