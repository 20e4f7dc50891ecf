"""Tasks on the run's own machine: below its supervisor, carried by the executor `local`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence

from pipekit.model.command import Outcome, ProcessResult
from pipekit.model.event import EventKind
from pipekit.model.executor import Engine, Order
from pipekit.model.system import limits_hint
from pipekit.model.task import Task, TaskResult
from pipekit.process import ProcessSupervisor
from pipekit.run.declared import DeclaredFiles, Together
from pipekit.run.lanes import Lane, are_ready
from pipekit.run.running_task import RunningTask, TaskContext


class LocalTask(RunningTask):
    """A task that a thread of this process supervises."""

    def __init__(self, task: Task, context: TaskContext, lane: LocalLane) -> None:
        self._name = context.file_name(task.name)
        super().__init__(task, context, context.folder / f"{self._name}.report")
        self._lane = lane
        self._over = threading.Event()
        self._no_report: OSError | None = None
        try:
            self.reader.create(context.run.project.paths.file_mode)
        except OSError as error:
            self._no_report = error

    def start(self) -> None:
        """Have it supervised; without a thread, it ends as one that could not be started."""
        names = self._context.stage.name, self.task.name
        order = Order(f"{names[0]}.{self._name}", self._context.run.run_id, *names)
        self._lane.jobs[order.key] = self
        try:
            self._lane.engine.submit(order)
        except (RuntimeError, MemoryError) as error:
            del self._lane.jobs[order.key]
            self._process = ProcessResult(
                outcome=Outcome.SPAWN_FAILED,
                reason=f"no thread could be started to supervise it ({error}): the system is out "
                f"of processes or memory ({limits_hint('-u', '-v')})",
            )
            self._end()
        except BaseException:  # then nobody would end what waits for it
            self._over.set()
            raise

    def supervise(self) -> None:
        """Supervise the process until it has ended; called in a thread of its own."""
        try:
            if self._no_report is not None:
                reason = f"cannot create {self.reader.path}: {self._no_report.strerror}"
                self._process = ProcessResult(outcome=Outcome.SPAWN_FAILED, reason=reason)
                return
            declared = None if self.task.reports else self._declare()
            try:
                self._process = self._lane.supervisor.execute(
                    self._command,
                    name=self._name,
                    on_lines=self._search_lines if self._watch else None,
                    cancel=self._context.cancel,
                )
            finally:
                if declared:
                    declared.end()
            if declared and self._process.success:
                self._declared = declared.handled()
        except Exception as error:  # the last boundary of this thread; the task is lost
            import traceback  # only here

            lines = traceback.format_exc().splitlines()
            what = f"internal error of the supervisor: {type(error).__name__}: {error}"
            self._process = ProcessResult(outcome=Outcome.LOST, reason=what)
            self._context.emit(EventKind.WARNING, what, task=self.task.name, traceback=lines)
        finally:
            self._end()

    def _declare(self) -> DeclaredFiles:
        return DeclaredFiles(self.task, self._files, self._lane.together)

    def join(self) -> None:
        """Wait for the thread."""
        self._over.wait()

    def _end(self) -> None:
        self._over.set()
        self._context.ended.put(self)


class LocalLane(Lane):
    """Carries the tasks of a stage on this machine, on as many cores as the run may use.

    `engine`: of the executor `local`. `jobs`: the tasks that it may have supervised, by the keys of
    their orders.
    """

    def __init__(
        self,
        context: TaskContext,
        engine: Engine,
        jobs: dict[str, LocalTask],
        supervisor: ProcessSupervisor,
    ) -> None:
        super().__init__(context)
        self.engine = engine
        self.jobs = jobs
        self.supervisor = supervisor
        self.together = Together()
        self._cores = context.run.project.configuration.pipeline.cores

    def ready(
        self,
        waiting: Sequence[Task],
        running: Sequence[RunningTask],
        results: Mapping[str, TaskResult],
    ) -> list[Task]:
        """Those for which cores are free."""
        free = self._cores - sum(min(job.task.cores, self._cores) for job in running)
        ready = []
        for task in are_ready(waiting, results):
            cores = min(task.cores, self._cores)
            if cores <= free:
                ready.append(task)
                free -= cores
        return ready

    def start(self, tasks: Sequence[Task]) -> Iterator[RunningTask]:
        """Start these tasks, one after the other."""
        for task in tasks:
            job = LocalTask(task, self.context, self)
            begun = {"units": list(task.units), "attempt": self.context.attempt}
            self.context.emit(EventKind.TASK_START, task.name, task=task.name, **begun)
            yield job
            job.start()
