"""How runs, stages, tasks and units end, and why they fail (docs/reference/statuses.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from pipekit import errors


class StageStatus(StrEnum):
    """How a stage of a run ended; also used for tasks and units."""

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
    CONTRACT = "contract"  # an output is missing, or a unit did not finish
    PLUGIN = "plugin"  # the plugin's own code raised, or a unit failed
    LOST = "lost"  # its end is unknown: pipekit, a guardian or a node died, or an internal error


RUNNING = "running"
DIED = "died"  # killed before it could end
REFUSED = "refused"  # a run that did not begin
HELD = "held"  # a run that was not to begin: see `pipekit hold`

RAN = frozenset({StageStatus.SUCCESS, StageStatus.PARTIAL, StageStatus.FAILURE})
_RANK = {StageStatus.SUCCESS: 2, StageStatus.SKIPPED: 2, StageStatus.PARTIAL: 1}


NEVER_BEGAN = "not started: the run was cancelled"
"""The reason of a stage or a task that a cancelled run did not get to."""


STOPPED = "stopped: the run was cancelled"
"""The reason of a unit that a cancelled run interrupted."""


def failure_output(status: str, kind: str | None, stderr: str, stdout: str) -> list[str]:
    """The lines that a failed task printed, but empty ones: on stderr, or else on stdout.

    Empty if the plugin's own code failed: the reason already says so.
    """
    if status != StageStatus.FAILURE or kind == FailureKind.PLUGIN:
        return []
    printed = ([line for line in text.splitlines() if line.strip()] for text in (stderr, stdout))
    return next(filter(None, printed), [])


def satisfies(status: StageStatus, least: str) -> bool:
    """Whether `status` will do for a later stage that needs `least` or better.

    `least` is `success`, `partial` or `any`; `skipped` always does.
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
        """Of `pipekit run`; an interrupted run exits with 129, 130 or 143 instead."""
        codes = {
            PipelineStatus.PARTIAL: errors.EXIT_PARTIAL,
            PipelineStatus.FAILURE: errors.EXIT_FAILURE,
            PipelineStatus.CANCELLED: errors.EXIT_INTERRUPTED,
        }
        return codes.get(self, errors.EXIT_SUCCESS)


def pipeline_status(stages: Iterable[StageStatus]) -> PipelineStatus:
    """The status of a run from those of its stages."""
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


def first_to_resume(statuses: Mapping[str, str]) -> str:
    """The first stage that has to run again; a partial one, if another is blocked. Or nothing."""
    again = {StageStatus.FAILURE, StageStatus.BLOCKED, StageStatus.CANCELLED}
    if StageStatus.BLOCKED in statuses.values():
        again.add(StageStatus.PARTIAL)
    return next((stage for stage, status in statuses.items() if status in again), "")
