"""Executes the plan of a stage: its tasks on the run's cores, then verdict and ledger."""

from __future__ import annotations

import contextlib
import queue
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipekit.config.digest import output_digest
from pipekit.model.command import ProcessResult
from pipekit.model.event import EventKind
from pipekit.model.stage import StagePlan, StageResult
from pipekit.model.status import NEVER_BEGAN, FailureKind, StageStatus, satisfies
from pipekit.model.task import Task, TaskResult, UnitResult
from pipekit.process import Cancel, ProcessSupervisor
from pipekit.run.current_run import CurrentRun
from pipekit.run.project import Stage
from pipekit.run.running_task import RunningTask, TaskContext
from pipekit.run.verdict import emptied_files, judge_stage, last_lines
from pipekit.storage.lock import RunLock
from pipekit.storage.modes import make_private
from pipekit.worker._files import make_folder

POLL_SECONDS = 0.2  # between two polls of the running tasks' reports
_PROCESSES = 20  # of a command that hung, listed in its task_end event; the report lists all


class StageExecutor:
    """Executes the stages of one run. Their tasks run in parallel; events come from this thread.

    The processes of a task hold the run's lock until the last of them has exited. `prepared`: what
    `pipekit.process.prepare` has returned.
    """

    def __init__(self, run: CurrentRun, lock: RunLock, cancel: Cancel, prepared: object) -> None:
        self._run = run
        self._lock = lock
        self._cancel = cancel
        self._prepared = prepared  # kept for all supervisors, since they share a spawner process

    def execute(self, stage: Stage, plan: StagePlan) -> StageResult:
        """Run the tasks of a plan, and record in the ledger what they consumed and published."""
        run = self._run
        names = [task.name for task in plan.tasks]
        for item in plan.inputs:
            sys.intern(item.path)  # what is reported of it names the same text
        run.events.emit(stage.name, EventKind.START, plan.reason, tasks=names)
        context = self._context(stage)
        run.check_place()
        try:
            make_folder(context.folder, run.project.paths.file_mode)
        except OSError as error:
            tasks = [_no_folder(task, context.folder, error) for task in plan.tasks]
        else:
            tasks = self._run_tasks(context, plan.tasks)
            if not run.project.paths.shared:
                make_private(context.folder)
        run.check_place()
        for task in tasks:
            if task.process is not None:
                name = f"{stage.name}/{task.name}"
                run.events.log.output(name, "stdout", task.process.stdout.spool)
                run.events.log.output(name, "stderr", task.process.stderr.spool)
        result = judge_stage(stage.name, plan, tasks)
        for text in emptied_files(plan, tasks):
            run.events.emit(stage.name, EventKind.WARNING, text)
            result = result._replace(warnings=(*result.warnings, text))
        if result.files:
            run.ledger.commit(
                stage.name,
                stage.version,
                run.number,
                result.files,
                settings_digests={item.path: item.settings_digest for item in plan.inputs},
                default_digest=output_digest(stage.settings),
            )
        return result

    def _context(self, stage: Stage) -> TaskContext:
        run = self._run
        folder = run.project.paths.runs / run.run_id / stage.name
        supervisor = ProcessSupervisor(
            folder,
            (self._lock.descriptor,),
            cookie=run.run_id,
            spool_mode=run.project.paths.file_mode,
            within=run.place,
        )
        return TaskContext(
            run=run,
            stage=stage,
            folder=folder,
            supervisor=supervisor,
            cancel=self._cancel,
            published=run.ledger.published_signatures(stage.name),
            ended=queue.Queue(),
        )

    def _run_tasks(self, context: TaskContext, tasks: Sequence[Task]) -> list[TaskResult]:
        """The results of the tasks, in the order of the plan."""
        results: dict[str, TaskResult] = {}
        waiting, running = list(tasks), list[RunningTask]()
        try:
            while waiting or running:
                for task in self._ready(waiting, running, results):
                    waiting.remove(task)
                    job = RunningTask(task, context)
                    units = list(task.units)
                    context.emit(EventKind.TASK_START, task.name, task=task.name, units=units)
                    running.append(job)
                    job.start()
                _give_up(waiting, results, self._cancel.is_set(), context)
                done = None
                with contextlib.suppress(queue.Empty):
                    done = context.ended.get(timeout=POLL_SECONDS) if running else None
                for job in running:
                    job.update()
                if done is not None:
                    running.remove(done)
                    results[done.task.name] = done.result()
                    _emit_end(results[done.task.name], context)
        except BaseException:  # an internal error: leave no process behind
            self._cancel.set()
            for job in running:
                job.join()
            raise
        return [results[task.name] for task in tasks]

    def _ready(
        self, waiting: list[Task], running: list[RunningTask], results: Mapping[str, TaskResult]
    ) -> list[Task]:
        """The waiting tasks that can start now: their predecessors succeeded, cores are free."""
        if self._cancel.is_set():
            return []
        all_cores = self._run.project.configuration.pipeline.cores
        free = all_cores - sum(min(job.task.cores, all_cores) for job in running)
        ready = []
        for task in waiting:
            cores = min(task.cores, all_cores)
            if cores <= free and all(
                name in results and satisfies(results[name].status, "partial")
                for name in task.after
            ):
                ready.append(task)
                free -= cores
        return ready


def _no_folder(task: Task, folder: Path, error: OSError) -> TaskResult:
    return TaskResult(
        name=task.name,
        status=StageStatus.FAILURE,
        kind=FailureKind.SPAWN,
        reason=f"cannot create the folder for its output, {folder}: {error.strerror}",
    )


def _give_up(
    waiting: list[Task], results: dict[str, TaskResult], cancelled: bool, context: TaskContext
) -> None:
    """End the waiting tasks that will never start: as cancelled, or blocked by a predecessor."""
    for task in list(waiting):
        bad = [
            name
            for name in task.after
            if name in results and not satisfies(results[name].status, "partial")
        ]
        if cancelled:
            status = StageStatus.CANCELLED
            units = [UnitResult(name=u, status=status, reason=NEVER_BEGAN) for u in task.units]
            result = TaskResult(
                name=task.name, status=status, reason=NEVER_BEGAN, units=tuple(units)
            )
        elif bad:
            reason = f"depends on task {bad[0]!r}, which ended with {results[bad[0]].status}"
            result = TaskResult(name=task.name, status=StageStatus.BLOCKED, reason=reason)
        else:
            continue
        waiting.remove(task)
        results[task.name] = result
        _emit_end(result, context)


def _emit_end(result: TaskResult, context: TaskContext) -> None:
    data: dict[str, Any] = {"task": result.name, "status": result.status, "kind": result.kind}
    if result.metrics:
        data["metrics"] = dict(result.metrics)
    if not result and result.process is not None:
        data["last_lines"] = last_lines(result.process)
        if result.process.snapshot:
            data["processes"] = [str(seen) for seen in result.process.snapshot[:_PROCESSES]]
    if result.process is not None:
        _emit_warnings(result.name, result.process, context)
    context.emit(EventKind.TASK_END, str(result), **data)


def _emit_warnings(task: str, process: ProcessResult, context: TaskContext) -> None:
    """An event for everything that a person should know of the supervision of a command."""
    streams = {"stdout": process.stdout, "stderr": process.stderr}
    data = {
        "survivors": process.survivors,
        "escaped": list(process.escaped),
        "dropped": {name: stream.dropped for name, stream in streams.items() if stream.dropped},
    }
    data = {key: value for key, value in data.items() if value}
    for text in process.warnings:
        context.emit(EventKind.WARNING, f"{task}: {text}", task=task, **data)
