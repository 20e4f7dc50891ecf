"""Runs a plan's tasks on the core budget, each in a supervised process; knows no stage by name.

This is the seam at which another engine can stand later.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from attrs import evolve

from pipekit.model.command import Command, Outcome, ProcessResult
from pipekit.model.status import FailureKind, StageStatus, satisfies
from pipekit.model.task import Task, TaskResult, Watch
from pipekit.process import Cancel, ProcessSupervisor
from pipekit.run.facts import last_lines
from pipekit.run.report_file import Facts, ReportReader, Watcher
from pipekit.run.verdict import Before, judge_task, look_before
from pipekit.storage.files import FileManager
from pipekit.worker import REPORT_VARIABLE

POLL_SECONDS = 0.2  # between two looks at what the running tasks report
PROGRESS_SECONDS = 1.0  # at most one progress event a unit in this time

_PROCESSES = 20  # of a command that hung, told in its last event; the report has all

Emit = Callable[..., None]


class StageOrders(NamedTuple):
    """What applies to all tasks of a stage: its name, patterns, times, limits, folder."""

    stage: str
    run_id: str
    root: Path
    spool_dir: Path
    watch: tuple[Watch, ...] = ()
    timeout: float | None = None
    hang_timeout: float | None = None
    grace: float | None = None
    max_memory: int | None = None
    nice: int = 0
    redact: tuple[str, ...] = ()
    published: Mapping[str, str] = MappingProxyType({})


class TaskExecutor:
    """Runs tasks at most `workers` cores' worth at a time.

    `emit(event, msg, **data)` gets the stage's events, in the calling thread alone. `hold_fds`:
    descriptors that live as long as the processes of the tasks do (the run's lock). `meanwhile` is
    called once, in the calling thread, when a first task runs: the time is free then.
    """

    def __init__(
        self,
        files: FileManager,
        *,
        workers: int,
        cancel: Cancel,
        hold_fds: tuple[int, ...] = (),
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        self._files = files
        self._workers = max(workers, 1)
        self._cancel = cancel
        self._hold_fds = hold_fds
        self._supervisors: list[ProcessSupervisor] = []  # kept: they share a spawner process
        self._meanwhile = meanwhile

    def run(self, tasks: Sequence[Task], orders: StageOrders, emit: Emit) -> tuple[TaskResult, ...]:
        """Run the tasks of one stage; returns their results in the order of the plan."""
        try:
            orders.spool_dir.mkdir(parents=True, exist_ok=True)  # the reports lie there, too
        except OSError as error:
            return tuple(_not_started(task, orders.spool_dir, error) for task in tasks)
        supervisor = ProcessSupervisor(orders.spool_dir, self._hold_fds, cookie=orders.run_id)
        self._supervisors.append(supervisor)
        ended: queue.Queue[_Running] = queue.Queue()
        results: dict[str, TaskResult] = {}
        waiting, running = list(tasks), list[_Running]()
        try:
            while waiting or running:
                for task in self._ready(waiting, running, results):
                    waiting.remove(task)
                    job = _Running(task, orders, supervisor, self._cancel, self._files, ended)
                    emit("task_start", task.name, task=task.name, units=list(task.units))
                    running.append(job)
                    job.start()
                _settle(waiting, results, self._cancel.is_set(), emit)
                if running and self._meanwhile is not None:
                    self._meanwhile()
                    self._meanwhile = None
                try:
                    done = ended.get(timeout=POLL_SECONDS) if running else None
                except queue.Empty:
                    done = None
                for job in running:
                    job.tell(emit)
                if done is not None:
                    running.remove(done)
                    results[done.task.name] = done.result()
                    _tell_end(results[done.task.name], emit)
        except BaseException:  # an error of our own: leave nothing running behind it
            self._cancel.set()
            for job in running:
                job.join()
            raise
        return tuple(results[task.name] for task in tasks)

    def _ready(
        self, waiting: list[Task], running: list[_Running], results: Mapping[str, TaskResult]
    ) -> list[Task]:
        """The waiting tasks that may start now: their predecessors ended well, cores are free."""
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


class _Running(threading.Thread):
    """One task under supervision in a thread of its own."""

    def __init__(
        self,
        task: Task,
        orders: StageOrders,
        supervisor: ProcessSupervisor,
        cancel: Cancel,
        files: FileManager,
        ended: queue.Queue[_Running],
    ) -> None:
        super().__init__(name=f"{orders.stage}.{task.name}")
        self.task = task
        self._supervisor = supervisor
        self._cancel = cancel
        self._files = files
        self._ended = ended
        self._report = orders.spool_dir / f"{task.name}.report"
        self._command = _completed(task.command, orders, task.name, self._report)
        self._before: Before = look_before(files, task, orders.published)
        self._facts = Facts()
        self._reader = ReportReader(self._report)
        self._watched: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._watcher = Watcher(orders.watch) if orders.watch else None
        self._process: ProcessResult | None = None
        self._progress: dict[str | None, float] = {}

    def run(self) -> None:
        try:
            on_lines = self._lines if self._watcher else None
            self._process = self._supervisor.execute(
                self._command, name=self.task.name, on_lines=on_lines, cancel=self._cancel
            )
        finally:
            self._ended.put(self)

    def tell(self, emit: Emit) -> None:
        """Take in what was reported since the last call, and emit what people want to see."""
        records = self._reader.poll()
        while not self._watched.empty():
            records.append(self._watched.get())
        self._facts.damage = self._reader.damage
        for record in records:
            if self._facts.add(record):
                self._emit(record, emit)

    def result(self) -> TaskResult:
        """The verdict, once the process has ended and all was told."""
        process = (
            self._process
            if self._process is not None
            else ProcessResult(
                outcome=Outcome.LOST, reason="the supervisor itself failed; see the log"
            )
        )
        return judge_task(self.task, process, self._facts, self._before, self._files)

    def _lines(self, _stream: str, lines: Sequence[str]) -> None:
        assert self._watcher is not None
        for line in lines:
            for record in self._watcher.records(line):
                self._watched.put(record)

    def _emit(self, record: Mapping[str, Any], emit: Emit) -> None:
        verb, unit = record["verb"], record.get("unit")
        data = {"task": self.task.name, **({"unit": unit} if unit else {})}
        if verb == "progress":
            now = time.monotonic()
            if now - self._progress.get(unit, -PROGRESS_SECONDS) < PROGRESS_SECONDS:
                return
            self._progress[unit] = now
            emit("progress", "", **data, done=record.get("done"), total=record.get("total"))
        elif verb == "unit_start":
            emit("unit_start", str(unit), **data)
        elif verb == "unit_end":
            reason = record.get("reason", "")
            said = f"{unit}: {record.get('status')}{f' ({reason})' if reason else ''}"
            emit("unit_end", said, **data, status=record.get("status"), reason=reason)
        elif verb == "metric":
            emit("metric", "", **data, name=record.get("name"), value=record.get("value"))
        elif verb == "warning":
            more = record.get("data")
            emit("warning", record["msg"], **{**(more if isinstance(more, dict) else {}), **data})
        elif verb == "rejected":
            path, reason = str(record.get("path")), str(record.get("reason"))
            said = f"{path} was rejected: {reason.removeprefix(f'{path}: ')}"
            emit("warning", said, **data, path=record.get("path"))


def _not_started(task: Task, folder: Path, error: OSError) -> TaskResult:
    return TaskResult(
        name=task.name,
        status=StageStatus.FAILURE,
        kind=FailureKind.SPAWN,
        reason=f"there is no place for its output: {folder}: {error.strerror}",
    )


def _completed(command: Command, orders: StageOrders, task: str, report: Path) -> Command:
    """The command with what the stage's configuration and the run add to it."""
    return evolve(
        command,
        cwd=command.cwd or orders.root,
        timeout=orders.timeout if command.timeout is None else command.timeout,
        hang_timeout=orders.hang_timeout if command.hang_timeout is None else command.hang_timeout,
        grace=command.grace if orders.grace is None else orders.grace,
        max_memory=orders.max_memory if command.max_memory is None else command.max_memory,
        nice=command.nice or orders.nice,
        activity=command.activity or report,
        redact=(*command.redact, *orders.redact),
        env={
            **command.env,
            REPORT_VARIABLE: str(report),
            "PIPEKIT_RUN_ID": orders.run_id,
            "PIPEKIT_STAGE": orders.stage,
            "PIPEKIT_TASK": task,
        },
    )


def _settle(
    waiting: list[Task], results: dict[str, TaskResult], cancelled: bool, emit: Emit
) -> None:
    """Give those their result that will never start."""
    for task in list(waiting):
        bad = [
            name
            for name in task.after
            if name in results and not satisfies(results[name].status, "partial")
        ]
        if cancelled:
            result = TaskResult(name=task.name, status=StageStatus.CANCELLED, reason="not started")
        elif bad:
            reason = f"needs task {bad[0]!r}, which ended in {results[bad[0]].status}"
            result = TaskResult(name=task.name, status=StageStatus.BLOCKED, reason=reason)
        else:
            continue
        waiting.remove(task)
        results[task.name] = result
        _tell_end(result, emit)


def _tell_end(result: TaskResult, emit: Emit) -> None:
    data: dict[str, Any] = {"task": result.name, "status": result.status, "kind": result.kind}
    if result.metrics:
        data["metrics"] = dict(result.metrics)
    if not result and result.process is not None:
        data["last_lines"] = last_lines(result.process)
        if result.process.snapshot:
            data["processes"] = [str(seen) for seen in result.process.snapshot[:_PROCESSES]]
    emit("task_end", str(result), **data)
