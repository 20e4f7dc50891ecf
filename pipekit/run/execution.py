"""Executes the plan of a stage: its tasks on the run's cores, then verdict and ledger."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pipekit.config.digest import output_digest
from pipekit.model.command import ProcessResult
from pipekit.model.event import EventKind
from pipekit.model.stage import StagePlan, StageResult
from pipekit.model.status import NEVER_BEGAN, FailureKind, StageStatus, satisfies
from pipekit.model.task import Task, TaskResult, UnitResult
from pipekit.process import Cancel
from pipekit.run.backing_off import note_failures
from pipekit.run.current_run import CurrentRun
from pipekit.run.executors import OpenExecutors
from pipekit.run.project import Stage
from pipekit.run.retries import left_to_do, next_attempt, superseded, wait, with_inputs, work
from pipekit.run.running_task import RunningTask, TaskContext
from pipekit.run.shrunk import ShrunkFiles
from pipekit.run.stage_verdict import emptied_files, judge_stage, last_lines
from pipekit.storage.lock import RunLock
from pipekit.storage.modes import make_private
from pipekit.worker._files import make_folder

POLL_SECONDS = 0.2  # between two polls of the running tasks' reports
_PROCESSES = 20  # of a command that hung, listed in its task_end event; the report lists all


class StageRunner:
    """Executes the stages of one run. Their tasks run in parallel; events come from this thread.

    The processes of a task hold the run's lock until the last of them has exited; of tasks
    elsewhere, this one does. `prepared`: what `pipekit.process.prepare` has returned. To be closed.
    """

    def __init__(self, run: CurrentRun, lock: RunLock, cancel: Cancel, prepared: object) -> None:
        self._run = run
        self._cancel = cancel
        self._executors = OpenExecutors(run, lock, cancel)
        self._prepared = prepared  # kept for all supervisors, since they share a spawner process

    def close(self) -> None:
        """End what was started for this run alone, such as a cluster."""
        self._executors.close()

    def execute(
        self, stage: Stage, plan: StagePlan, plan_again: Callable[[], StagePlan | None]
    ) -> StageResult:
        """Run the tasks of a plan, and record in the ledger what they consumed and published.

        Those that fail are tried again as the stage's settings say. `plan_again` then asks for a
        new plan, without what is done; None if there is nothing left, or no plan.
        """
        run = self._run
        config = run.project.configuration.stages[stage.name]
        names = [task.name for task in plan.tasks]
        run.events.emit(stage.name, EventKind.START, plan.reason, tasks=names)
        shrunk = ShrunkFiles(run, stage.name, plan)
        latest = self._attempt(stage, plan, plan.tasks)
        ended = {work(task): result for task, result in zip(plan.tasks, latest, strict=True)}
        executed = {task.name: task for task in plan.tasks}
        results, notes = list(latest), emptied_files(plan, latest)
        while (retry := next_attempt(config, latest)) and not self._cancel.is_set():
            data = {"attempt": retry.attempt, "of": retry.attempts, "delay": retry.delay}
            tasks = [task.name for task in retry.failed]
            run.events.emit(stage.name, EventKind.RETRY, str(retry), **data, tasks=tasks)
            if not wait(retry.delay, self._cancel):
                notes.append(f"stopped before attempt {retry.attempt} of {retry.attempts}")
                break
            again = plan_again()
            left = left_to_do(again, ended, retry) if again else []
            if again is None or not left:
                break
            results = superseded(results, retry)
            before = {result.name: result for result in results if not result.retried}
            latest = self._attempt(stage, again, left, retry.attempt, before)
            ended |= {work(task): result for task, result in zip(left, latest, strict=True)}
            executed |= {task.name: task for task in left}
            results += latest
            notes += emptied_files(again, latest)
            plan = with_inputs(plan, again)
        notes += shrunk.note(results, run.number)
        result = judge_stage(stage.name, plan, results)
        for text in notes:
            run.events.emit(stage.name, EventKind.WARNING, text)
        backing_off = note_failures(run, stage, plan, results, executed)
        return result._replace(warnings=(*result.warnings, *notes), backing_off=backing_off)

    def _attempt(
        self,
        stage: Stage,
        plan: StagePlan,
        tasks: Sequence[Task],
        number: int = 1,
        before: Mapping[str, TaskResult] = MappingProxyType({}),
    ) -> list[TaskResult]:
        """Run these tasks of a plan once, and commit what they did; `before`: the other tasks."""
        run = self._run
        context = self._context(stage, number)
        run.check_place()
        try:
            make_folder(context.folder, run.project.paths.file_mode)
        except OSError as error:
            results = [_no_folder(task, context, error) for task in tasks]
        else:
            results = self._run_tasks(context, tasks, before)
            if not run.project.paths.shared:
                make_private(context.folder)
        run.check_place()
        for task in results:
            if task.process is not None:
                name = f"{stage.name}/{context.file_name(task.name)}"
                run.events.log.output(name, "stdout", task.process.stdout.spool)
                run.events.log.output(name, "stderr", task.process.stderr.spool)
        state = {key: value for task in results for key, value in task.state.items()}
        if state or any(task.files for task in results):
            run.ledger.commit(
                stage.name,
                stage.version,
                run.number,
                (record for task in results for record in task.files),
                settings_digests={item.path: item.settings_digest for item in plan.inputs},
                default_digest=output_digest(stage.settings),
                forget=run.forget,
                state=state,
            )
        return results

    def _context(self, stage: Stage, attempt: int) -> TaskContext:
        run = self._run
        return TaskContext(
            run=run,
            stage=stage,
            folder=run.project.paths.runs / run.run_id / stage.name,
            cancel=self._cancel,
            published=run.ledger.published_signatures(stage.name),
            ended=queue.Queue(),
            attempt=attempt,
        )

    def _run_tasks(
        self, context: TaskContext, tasks: Sequence[Task], before: Mapping[str, TaskResult]
    ) -> list[TaskResult]:
        """The results of the tasks, in the order of the plan; `before`: of those done by now."""
        names = {task.name for task in tasks}
        results = {name: result for name, result in before.items() if name not in names}
        waiting, running = list(tasks), list[RunningTask]()
        lane = self._executors.lane(context)
        try:
            while waiting or running:
                ready = [] if self._cancel.is_set() else lane.ready(waiting, running, results)
                for job in lane.start(ready):
                    waiting.remove(job.task)
                    running.append(job)
                _give_up(waiting, results, self._cancel.is_set(), context)
                done = _next_ended(context) if running else []
                lane.look(running)
                for job in running:
                    job.update()
                for job in done:
                    running.remove(job)
                    results[job.task.name] = job.result()
                    _emit_end(results[job.task.name], context)
        except BaseException:  # an internal error: leave no process behind
            self._cancel.set()
            for job in running:
                job.join()
            raise
        return [results[task.name] for task in tasks]


def _next_ended(context: TaskContext) -> list[RunningTask]:
    """Wait for a moment; the tasks that have ended meanwhile."""
    found = []
    with contextlib.suppress(queue.Empty):
        found.append(context.ended.get(timeout=POLL_SECONDS))
        while True:
            found.append(context.ended.get_nowait())
    return [job for job in found if job is not None]


def _no_folder(task: Task, context: TaskContext, error: OSError) -> TaskResult:
    return TaskResult(
        name=task.name,
        status=StageStatus.FAILURE,
        kind=FailureKind.SPAWN,
        reason=f"cannot create the folder for its output, {context.folder}: {error.strerror}",
        attempt=context.attempt,
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
                name=task.name,
                status=status,
                reason=NEVER_BEGAN,
                units=tuple(units),
                attempt=context.attempt,
            )
        elif bad:
            reason = f"depends on task {bad[0]!r}, which ended with {results[bad[0]].status}"
            result = TaskResult(
                name=task.name,
                status=StageStatus.BLOCKED,
                reason=reason,
                attempt=context.attempt,
            )
        else:
            continue
        waiting.remove(task)
        results[task.name] = result
        _emit_end(result, context)


def _emit_end(result: TaskResult, context: TaskContext) -> None:
    data: dict[str, Any] = {"task": result.name, "status": result.status, "kind": result.kind}
    data["attempt"] = result.attempt
    if result.placement is not None:
        data |= result.placement.record()
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
