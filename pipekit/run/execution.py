"""Executes the tasks of a plan on the cores of a run. Another engine could take this place."""

from __future__ import annotations

import queue
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipekit.model.event import EventKind
from pipekit.model.status import FailureKind, StageStatus, satisfies
from pipekit.model.task import Task, TaskResult
from pipekit.process import Cancel, ProcessSupervisor
from pipekit.run.running_task import RunningTask, StageEmit, StageOrders
from pipekit.run.verdict import last_lines
from pipekit.storage.files import FileManager

POLL_SECONDS = 0.2  # between two looks at the reports of running tasks
_PROCESSES = 20  # of a command that hung, in its last event; the report has all


class TaskExecutor:
    """Runs tasks in parallel, on `workers` cores at most.

    Events are emitted in the calling thread only. `hold_fds`: descriptors that stay open as long as
    any process of a task lives (the run's lock).
    """

    def __init__(
        self,
        files: FileManager,
        *,
        workers: int,
        cancel: Cancel,
        hold_fds: tuple[int, ...] = (),
    ) -> None:
        self._files = files
        self._workers = max(workers, 1)
        self._cancel = cancel
        self._hold_fds = hold_fds
        self._supervisors: list[ProcessSupervisor] = []  # kept: they share a spawner process

    def run(
        self, tasks: Sequence[Task], orders: StageOrders, emit: StageEmit
    ) -> tuple[TaskResult, ...]:
        """Run the tasks of one stage; returns their results in the order of the plan."""
        try:
            orders.spool_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return tuple(_no_folder(task, orders.spool_dir, error) for task in tasks)
        supervisor = ProcessSupervisor(orders.spool_dir, self._hold_fds, cookie=orders.run_id)
        self._supervisors.append(supervisor)
        ended: queue.Queue[RunningTask] = queue.Queue()
        results: dict[str, TaskResult] = {}
        waiting, running = list(tasks), list[RunningTask]()
        try:
            while waiting or running:
                for task in self._ready(waiting, running, results):
                    waiting.remove(task)
                    job = RunningTask(
                        task,
                        orders,
                        self._files,
                        supervisor=supervisor,
                        cancel=self._cancel,
                        ended=ended,
                    )
                    emit(EventKind.TASK_START, task.name, task=task.name, units=list(task.units))
                    running.append(job)
                    job.start()
                _settle(waiting, results, self._cancel.is_set(), emit)
                done = _next_ended(ended) if running else None
                for job in running:
                    job.update(emit)
                if done is not None:
                    running.remove(done)
                    results[done.task.name] = done.result()
                    _emit_end(results[done.task.name], emit)
        except BaseException:  # an internal error: leave no process behind
            self._cancel.set()
            for job in running:
                job.join()
            raise
        return tuple(results[task.name] for task in tasks)

    def _ready(
        self, waiting: list[Task], running: list[RunningTask], results: Mapping[str, TaskResult]
    ) -> list[Task]:
        """The waiting tasks that can start now: their predecessors succeeded, cores are free."""
        if self._cancel.is_set():
            return []
        free = self._workers - sum(min(job.task.cores, self._workers) for job in running)
        ready = []
        for task in waiting:
            cores = min(task.cores, self._workers)
            if cores <= free and all(
                name in results and satisfies(results[name].status, "partial")
                for name in task.after
            ):
                ready.append(task)
                free -= cores
        return ready


def _next_ended(ended: queue.Queue[RunningTask]) -> RunningTask | None:
    try:
        return ended.get(timeout=POLL_SECONDS)
    except queue.Empty:
        return None


def _no_folder(task: Task, folder: Path, error: OSError) -> TaskResult:
    return TaskResult(
        name=task.name,
        status=StageStatus.FAILURE,
        kind=FailureKind.SPAWN,
        reason=f"cannot create the folder for its output, {folder}: {error.strerror}",
    )


def _settle(
    waiting: list[Task], results: dict[str, TaskResult], cancelled: bool, emit: StageEmit
) -> None:
    """Give results to the waiting tasks that will never start."""
    for task in list(waiting):
        bad = [
            name
            for name in task.after
            if name in results and not satisfies(results[name].status, "partial")
        ]
        if cancelled:
            reason = "the run was cancelled before it started"
            result = TaskResult(name=task.name, status=StageStatus.CANCELLED, reason=reason)
        elif bad:
            reason = f"depends on task {bad[0]!r}, which ended with {results[bad[0]].status}"
            result = TaskResult(name=task.name, status=StageStatus.BLOCKED, reason=reason)
        else:
            continue
        waiting.remove(task)
        results[task.name] = result
        _emit_end(result, emit)


def _emit_end(result: TaskResult, emit: StageEmit) -> None:
    data: dict[str, Any] = {"task": result.name, "status": result.status, "kind": result.kind}
    if result.metrics:
        data["metrics"] = dict(result.metrics)
    if not result and result.process is not None:
        data["last_lines"] = last_lines(result.process)
        if result.process.snapshot:
            data["processes"] = [str(seen) for seen in result.process.snapshot[:_PROCESSES]]
    emit(EventKind.TASK_END, str(result), **data)
