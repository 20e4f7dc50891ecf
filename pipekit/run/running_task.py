"""One task of a stage while it runs: its supervised process, its report and its verdict."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from attrs import evolve, frozen

from pipekit.config.tables import StageConfig
from pipekit.model.command import Command, Outcome, ProcessResult
from pipekit.model.event import EventKind
from pipekit.model.task import Task, TaskResult, Watch
from pipekit.process import Cancel, ProcessSupervisor
from pipekit.run.report_file import ReportReader, TaskReport, Watcher
from pipekit.run.temporaries import remove_temporaries
from pipekit.run.verdict import judge_task, outputs_before
from pipekit.storage.files import FileManager
from pipekit.worker import REPORT_VARIABLE

PROGRESS_SECONDS = 1.0  # between two progress events of a unit


class StageEmit(Protocol):
    """Emits events of one stage."""

    def __call__(self, event: EventKind, msg: str, /, **data: Any) -> None:
        """Emit one event."""


@frozen(kw_only=True)
class StageOrders:
    """What applies to all tasks of a stage in a run.

    `config`: the stage's table in the configuration. `spool_dir`: the folder for the output and
    reports of its processes. `redact`: strings to mask. `published`: see OutputsBefore.
    """

    stage: str
    config: StageConfig
    run_id: str
    root: Path
    spool_dir: Path
    watch: tuple[Watch, ...]
    redact: tuple[str, ...]
    published: Mapping[str, str]

    def command_of(self, task: Task, report: Path) -> Command:
        """The task's command, completed by the stage's settings and the variables of the run."""
        command, config = task.command, self.config
        return evolve(
            command,
            cwd=command.cwd or self.root,
            timeout=config.timeout if command.timeout is None else command.timeout,
            hang_timeout=config.hang_timeout
            if command.hang_timeout is None
            else command.hang_timeout,
            grace=command.grace if config.grace is None else config.grace,
            max_memory=config.max_memory if command.max_memory is None else command.max_memory,
            nice=command.nice or config.nice,
            activity=command.activity or report,
            redact=(*command.redact, *self.redact),
            env={
                **command.env,
                REPORT_VARIABLE: str(report),
                "PIPEKIT_RUN_ID": self.run_id,
                "PIPEKIT_STAGE": self.stage,
                "PIPEKIT_TASK": task.name,
            },
        )


class RunningTask(threading.Thread):
    """Runs one task in a thread, which puts itself into the queue `ended` at the end.

    `update` and `result` are called by the thread that started it.
    """

    def __init__(
        self,
        task: Task,
        orders: StageOrders,
        files: FileManager,
        *,
        supervisor: ProcessSupervisor,
        cancel: Cancel,
        ended: queue.Queue[RunningTask],
    ) -> None:
        super().__init__(name=f"{orders.stage}.{task.name}")
        self.task = task
        self._orders = orders
        self._files = files
        self._supervisor = supervisor
        self._cancel = cancel
        self._ended = ended
        self._reader = ReportReader(orders.spool_dir / f"{task.name}.report")
        self._command = orders.command_of(task, self._reader.path)
        self._before = outputs_before(files, task, orders.published)
        self._report = TaskReport()
        self._watcher = Watcher(orders.watch) if orders.watch else None
        self._watched: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._process = ProcessResult(
            outcome=Outcome.LOST, reason="an internal error of the supervisor; see the log"
        )
        self._progress: dict[str | None, float] = {}

    def run(self) -> None:
        """Supervise the process until it has ended."""
        try:
            on_lines = self._search_lines if self._watcher else None
            self._process = self._supervisor.execute(
                self._command, name=self.task.name, on_lines=on_lines, cancel=self._cancel
            )
        finally:
            self._ended.put(self)

    def update(self, emit: StageEmit) -> None:
        """Read what was reported since the last call, and emit events for it."""
        records = self._reader.poll()
        while not self._watched.empty():
            records.append(self._watched.get())
        self._report.damage = self._reader.damage
        for record in records:
            if self._report.add(record):
                self._emit(record, emit)

    def result(self) -> TaskResult:
        """The verdict, after the process has ended and a last `update`."""
        orders, environment = self._orders, {**os.environ, **self._command.env}
        remove_temporaries(self._report.temporaries, orders.run_id, orders.root, environment)
        return judge_task(self.task, self._process, self._report, self._before, self._files)

    def _search_lines(self, _stream: str, lines: Sequence[str]) -> None:
        assert self._watcher is not None
        for line in lines:
            for record in self._watcher.records(line):
                self._watched.put(record)

    def _emit(self, record: Mapping[str, Any], emit: StageEmit) -> None:
        verb, unit = record["verb"], record.get("unit")
        data = {"task": self.task.name, **({"unit": unit} if unit else {})}
        if verb == "progress":
            if self._is_due(unit):
                done, total = record.get("done"), record.get("total")
                emit(EventKind.PROGRESS, "", **data, done=done, total=total)
        elif verb == "unit_start":
            emit(EventKind.UNIT_START, str(unit), **data)
        elif verb == "unit_end":
            status, reason = record.get("status"), record.get("reason", "")
            msg = f"{unit}: {status}{f' ({reason})' if reason else ''}"
            emit(EventKind.UNIT_END, msg, **data, status=status, reason=reason)
        elif verb == "metric":
            name, value = record.get("name"), record.get("value")
            emit(EventKind.METRIC, "", **data, name=name, value=value)
        elif verb == "warning":
            more = record.get("data")
            more = more if isinstance(more, dict) else {}
            emit(EventKind.WARNING, record["msg"], **{**more, **data})
        elif verb == "rejected":
            path, reason = str(record.get("path")), str(record.get("reason"))
            msg = f"{path} was rejected: {reason.removeprefix(f'{path}: ')}"
            emit(EventKind.WARNING, msg, **data, path=record.get("path"))

    def _is_due(self, unit: str | None) -> bool:
        """Whether the last progress event of the unit is long enough ago for another."""
        now = time.monotonic()
        if now - self._progress.get(unit, -PROGRESS_SECONDS) < PROGRESS_SECONDS:
            return False
        self._progress[unit] = now
        return True
