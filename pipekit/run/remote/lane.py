"""Carries the tasks of a stage on other machines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from pipekit.model.executor import OrderState, OrderStatus
from pipekit.model.task import Task, TaskResult
from pipekit.run.lanes import Lane, are_ready
from pipekit.run.remote.engine import RemoteEngine
from pipekit.run.remote.task import Phase, RemoteTask
from pipekit.run.running_task import RunningTask, TaskContext
from pipekit.storage.attempts import Attempt

MOST_IN_FLIGHT = 2_000  # submitted and not ended; the others wait here
_MOST_LOOKS = 100  # at folders of attempts, before the run does something else
_LOOK_SECONDS = 0.2  # between two looks at one attempt, if there are few
_UNKNOWN = OrderStatus(OrderState.UNKNOWN)


class RemoteLane(Lane):
    """The lane of one attempt at a stage; `engine` may be shared with other stages."""

    def __init__(self, context: TaskContext, engine: RemoteEngine) -> None:
        super().__init__(context)
        self._engine = engine
        self._looked: dict[int, float] = {}  # at an attempt, by its number

    def ready(
        self,
        waiting: Sequence[Task],
        running: Sequence[RunningTask],
        results: Mapping[str, TaskResult],
    ) -> list[Task]:
        """All of them: the engine queues what has no room. Not more than it can be asked about."""
        room = MOST_IN_FLIGHT - len(running)
        return list(islice(are_ready(waiting, results), max(room, 0)))

    def start(self, tasks: Sequence[Task]) -> Iterator[RunningTask]:
        """Number all attempts in the ledger, then submit them one after the other."""
        if not tasks:
            return
        context, engine = self.context, self._engine
        config = context.run.project.configuration.stages[context.stage.name]
        wanted = [
            Attempt(
                0,
                context.run.run_id,
                context.stage.name,
                task.name,
                engine.name,
                engine.terms.seconds,
                task.command.grace if config.grace is None else config.grace,
            )
            for task in tasks
        ]
        for task, attempt in zip(tasks, engine.attempts.begin(wanted), strict=True):
            job = RemoteTask(task, context, engine, attempt)
            yield job
            job.start()

    def look(self, running: Sequence[RunningTask]) -> None:
        """Ask the engine, and look at the attempts that it says have ended, and at some others."""
        self._engine.flush()
        self._engine.tell_problems()
        jobs = [job for job in running if isinstance(job, RemoteTask)]
        jobs = [job for job in jobs if job.phase not in (Phase.SETTLING, Phase.ENDED)]
        if not jobs:
            return
        said = self._engine.poll([job.id for job in jobs if job.id])
        now = time.monotonic()
        jobs.sort(key=lambda job: self._looked.get(job.placement.order, 0.0))
        for number, job in enumerate(jobs):
            status = said.get(job.id, _UNKNOWN)
            since = now - self._looked.get(job.placement.order, 0.0)
            ended = status.state is OrderState.ENDED or self.context.cancel.is_set()
            if ended or (number < _MOST_LOOKS and since >= _LOOK_SECONDS):
                self._looked[job.placement.order] = now
                job.look(status)
                job.read_report()
