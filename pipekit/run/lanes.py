"""Lanes: how the tasks of a stage are carried, here or elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipekit.model.status import satisfies
from pipekit.model.task import Task, TaskResult
from pipekit.run.running_task import RunningTask, TaskContext


class Lane:
    """Carries the tasks of one attempt at a stage; its methods are called by one thread."""

    def __init__(self, context: TaskContext) -> None:
        self.context = context

    def ready(
        self,
        waiting: Sequence[Task],
        running: Sequence[RunningTask],
        results: Mapping[str, TaskResult],
    ) -> list[Task]:
        """The waiting tasks that there is room for now."""
        raise NotImplementedError

    def start(self, tasks: Sequence[Task]) -> Iterator[RunningTask]:
        """Start these tasks, and emit the events for it; each is yielded before it starts."""
        raise NotImplementedError

    def look(self, running: Sequence[RunningTask]) -> None:
        """Find out what has become of the running tasks; those that ended go into the queue."""


def are_ready(waiting: Sequence[Task], results: Mapping[str, TaskResult]) -> Iterator[Task]:
    """The tasks whose predecessors have succeeded, at least in part."""
    for task in waiting:
        if all(
            name in results and satisfies(results[name].status, "partial") for name in task.after
        ):
            yield task
