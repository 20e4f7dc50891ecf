"""What to do with a stage, and why: what planning decides, and `pipekit plan` shows."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from pipekit.model.stage import StagePlan, StageResult
from pipekit.model.status import FailureKind, StageStatus


@frozen(kw_only=True)
class Decision:
    """What to do with a stage, and why.

    `action`: `run` or `later`, else the StageStatus that the stage ends with, without tasks.
    `missing`: folders in which its plan looked for files, and which do not exist; none if it comes
    after other stages, which may still make them. `patterns`: of the files that it looked for.
    `traceback`: of an error in its plan. `backing_off`: what it leaves out since that has failed
    again and again.
    """

    action: ClassVar[str]
    stage: str
    reason: str
    plan: StagePlan | None = None
    missing: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    kind: FailureKind = FailureKind.PLUGIN  # only of a stage that cannot be planned
    traceback: str = ""
    backing_off: tuple[str, ...] = ()


class Execute(Decision):
    """Run the tasks of its plan."""

    action = "run"
    plan: StagePlan


class Skip(Decision):
    """There is nothing to do."""

    action = "skipped"
    plan: StagePlan


class Later(Decision):
    """Only in `pipekit plan`: it depends on files that an earlier stage would change."""

    action = "later"


class Blocked(Decision):
    """A stage it depends on did not reach the required status."""

    action = "blocked"


class Cancelled(Decision):
    """The run was cancelled before its turn."""

    action = "cancelled"


class CannotPlan(Decision):
    """Its plugin cannot be loaded, its plan raised an error, or took too long."""

    action = "failure"


def result_without_tasks(decision: Decision) -> StageResult:
    """The result of a stage that is not executed."""
    if isinstance(decision, CannotPlan):
        return StageResult(
            stage=decision.stage,
            status=StageStatus.FAILURE,
            kind=decision.kind,
            error=decision.reason,
            traceback=decision.traceback,
        )
    return StageResult(
        stage=decision.stage,
        status=StageStatus(decision.action),
        reason=decision.reason,
        plan=decision.plan if isinstance(decision, Skip) else None,
    )
