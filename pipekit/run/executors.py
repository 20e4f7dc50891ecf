"""The executors that a run has opened, each once, and the lanes that they give to stages."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from pipekit.model.executor import Engine, ExecutorContext, Order
from pipekit.model.names import LOCAL
from pipekit.process import Cancel, ProcessSupervisor
from pipekit.run.current_run import CurrentRun
from pipekit.run.lanes import Lane
from pipekit.run.local_tasks import LocalLane, LocalTask
from pipekit.run.running_task import RunningTask, TaskContext
from pipekit.storage.lock import RunLock

if TYPE_CHECKING:
    import queue

    from pipekit.run.remote.engine import RemoteEngine


class OpenExecutors:
    """Opens an executor when the first stage needs it. To be closed at the end of the run."""

    def __init__(self, run: CurrentRun, lock: RunLock, cancel: Cancel) -> None:
        self._run = run
        self._lock = lock
        self._cancel = cancel
        self._open = ExitStack()
        self._local: Engine | None = None
        self._remote: dict[str, RemoteEngine] = {}
        self._jobs: dict[str, LocalTask] = {}
        self._ended: queue.Queue[RunningTask | None] | None = None  # of the stage at work

    def lane(self, context: TaskContext) -> Lane:
        """The lane for an attempt at a stage, by the executor that its configuration names."""
        self._ended = context.ended
        name = self._run.project.configuration.executor_of(context.stage.name)
        if name != LOCAL:
            from pipekit.run.remote.lane import RemoteLane  # only for tasks elsewhere

            return RemoteLane(context, self._remote_engine(name))
        if self._local is None:
            executor, settings = self._run.project.executors[LOCAL]
            self._local = self._open.enter_context(executor.open(self._context(), settings))
        supervisor = ProcessSupervisor(
            context.folder,
            (self._lock.descriptor,),
            cookie=self._run.run_id,
            spool_mode=self._run.project.paths.file_mode,
            within=self._run.place,
        )
        return LocalLane(context, self._local, self._jobs, supervisor)

    def close(self) -> None:
        """Close all of them; nothing of their tasks is running any more."""
        self._open.close()

    def _remote_engine(self, name: str) -> RemoteEngine:
        if name not in self._remote:
            from pipekit.run.remote.engine import RemoteEngine  # only for tasks elsewhere

            executor, settings = self._run.project.executors[name]
            engine = RemoteEngine(self._run, executor, settings, self._context())
            self._remote[name] = self._open.enter_context(engine)
        return self._remote[name]

    def _context(self) -> ExecutorContext:
        run, paths = self._run, self._run.project.paths
        return ExecutorContext(
            run_id=run.run_id,
            root=paths.root,
            logs=paths.logs,
            state=paths.state,
            cores=run.project.configuration.pipeline.cores,
            supervise=self._supervise,
            wake=self._wake,
        )

    def _supervise(self, order: Order) -> None:
        self._jobs.pop(order.key).supervise()

    def _wake(self) -> None:
        if self._ended is not None:
            self._ended.put(None)
