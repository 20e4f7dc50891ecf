"""Retries: which tasks of a stage are tried again within a run, and when."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from attrs import evolve

from pipekit.config.tables import StageConfig
from pipekit.model.quantity import duration_text
from pipekit.model.stage import StagePlan
from pipekit.model.status import StageStatus
from pipekit.model.task import Task, TaskResult
from pipekit.process import Cancel

_NAP = 0.1

Work = tuple[object, ...]


class Retry(NamedTuple):
    """A further attempt: its number, of how many, after how many seconds, at which tasks."""

    attempt: int
    attempts: int
    delay: float
    failed: tuple[TaskResult, ...]

    def __str__(self) -> str:
        """For example `attempt 2 of 3 in 10s: analyze: was killed by SIGKILL`."""
        first = self.failed[0]
        more = f" and {len(self.failed) - 1} more" if len(self.failed) > 1 else ""
        why = f"{first.name}: {first.reason or first.kind}{more}"
        return f"attempt {self.attempt} of {self.attempts} in {duration_text(self.delay)}: {why}"


def next_attempt(config: StageConfig, latest: Sequence[TaskResult]) -> Retry | None:
    """The attempt that follows one with these results; None if there is to be none."""
    failed = tuple(task for task in latest if task.kind in config.retry_on)
    number = max((task.attempt for task in latest), default=1) + 1
    if not failed or number > config.retries + 1:
        return None
    return Retry(number, config.retries + 1, config.delay_before(number), failed)


def wait(seconds: float, cancel: Cancel) -> bool:
    """Wait for the next attempt; False, at once, when the run is cancelled."""
    deadline = time.monotonic() + seconds
    while not cancel.is_set() and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(_NAP, left))
    return not cancel.is_set()


def left_to_do(plan: StagePlan, ended: Mapping[Work, TaskResult], retry: Retry) -> list[Task]:
    """The tasks of a new plan that are part of the attempt.

    `ended`: how the same work ended last. Work that has succeeded or failed in another way is left
    out; it comes up again if the plan cannot know.
    """
    return [
        task
        for task in plan.tasks
        if (result := ended.get(work(task))) is None or _is_open(result, retry)
    ]


def superseded(results: Sequence[TaskResult], retry: Retry) -> list[TaskResult]:
    """The results, those marked that a further attempt makes up for."""
    return [
        result._replace(retried=True) if _is_open(result, retry) else result for result in results
    ]


def with_inputs(plan: StagePlan, later: StagePlan) -> StagePlan:
    """The first plan, with the inputs of a later one."""
    inputs = {item.path: item for item in (*plan.inputs, *later.inputs)}
    return evolve(plan, inputs=tuple(inputs.values()))


def work(task: Task) -> Work:
    """What a task is about; tasks of two plans that agree in it do the same."""
    return task.name, task.units, task.inputs, task.outputs


def _is_open(result: TaskResult, retry: Retry) -> bool:
    return result in retry.failed or result.status is StageStatus.BLOCKED
