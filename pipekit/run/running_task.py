"""One task of a stage while it runs: its report, its events and its verdict."""

from __future__ import annotations

import itertools
import os
import queue
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from attrs import evolve

from pipekit.model.command import Command, Outcome, ProcessResult
from pipekit.model.event import EventKind
from pipekit.model.executor import Placement
from pipekit.model.task import Task, TaskResult
from pipekit.process import Cancel
from pipekit.run.current_run import CurrentRun
from pipekit.run.declared import Declared, exact_outputs
from pipekit.run.project import Stage
from pipekit.run.report_file import ReportReader, TaskReport, watched
from pipekit.run.safe_path import python_path
from pipekit.run.temporaries import remove_temporaries
from pipekit.run.verdict import judge_task
from pipekit.worker import REPORT_VARIABLE, Verb

PROGRESS_SECONDS = 1.0  # between two progress events of a unit


class TaskContext(NamedTuple):
    """What applies to all tasks of a stage in a run.

    `folder`: for the output and reports of its processes. `published`: see `judge_task`. `ended`:
    receives each task at its end, and None to wake whoever waits for one. `attempt`: counts from 1.
    """

    run: CurrentRun
    stage: Stage
    folder: Path
    cancel: Cancel
    published: Mapping[str, str]
    ended: queue.Queue[RunningTask | None]
    attempt: int = 1

    def file_name(self, task: str) -> str:
        """What the files of a task are named after; no task's name has a `~`."""
        return task if self.attempt == 1 else f"{task}~{self.attempt}"

    def emit(self, event: EventKind, msg: str, /, **data: Any) -> None:
        """Emit an event of the stage."""
        self.run.events.emit(self.stage.name, event, msg, **data)

    def command_of(self, task: Task, report: Path) -> Command:
        """The task's command, completed by the stage's settings and the variables of the run."""
        command, project = task.command, self.run.project
        config = project.configuration.stages[self.stage.name]
        return evolve(
            command,
            cwd=command.cwd or project.paths.root,
            timeout=config.timeout if command.timeout is None else command.timeout,
            hang_timeout=config.hang_timeout
            if command.hang_timeout is None
            else command.hang_timeout,
            grace=command.grace if config.grace is None else config.grace,
            max_memory=config.max_memory if command.max_memory is None else command.max_memory,
            nice=command.nice or config.nice,
            activity=command.activity or report,
            redact=(*command.redact, *self.run.mask.forms),
            env={
                **python_path(project.paths.root),
                **command.env,
                REPORT_VARIABLE: str(report),
                "PIPEKIT_RUN_ID": self.run.run_id,
                "PIPEKIT_STAGE": self.stage.name,
                "PIPEKIT_TASK": task.name,
                "PIPEKIT_ATTEMPT": str(self.attempt),
            },
        )


class RunningTask:
    """One task from its start to its verdict; what carries it out is up to the subclasses.

    At its end it puts itself into the queue `ended`. The methods here are called by the thread that
    made it. What other threads do in the subclasses (supervise, search lines of output, settle
    files) reaches it through queues and at its end. `reader`: of its report.
    """

    placement: Placement | None = None  # of one that is carried out elsewhere

    def __init__(self, task: Task, context: TaskContext, report: Path) -> None:
        assert context.stage.spec is not None
        self.task = task
        self.reader = ReportReader(report, mask=context.run.mask)
        self._context = context
        self._files = context.run.project.files
        self._command = context.command_of(task, report)
        self._before = {path: self._files.stat(path) for path in exact_outputs(task)}
        self._declared = Declared()
        self._report = TaskReport()
        self._watch = (*context.stage.spec.watch, *task.watch)
        self._watched: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._process = ProcessResult(outcome=Outcome.LOST, reason="its supervision was broken off")
        self._progress: dict[str | None, float] = {}

    def start(self) -> None:
        """Begin; what goes wrong here ends the task as one that could not be started."""
        raise NotImplementedError

    def join(self) -> None:
        """Wait until nothing of it is running any more, after the run was cancelled."""
        raise NotImplementedError

    def update(self) -> None:
        """Read what was reported since the last call, and emit events for it."""
        for record in itertools.chain(self.reader.records(), self._found()):
            if self._report.add(record):
                self._emit(record)

    def result(self) -> TaskResult:
        """The verdict, after the process has ended and a last `update`."""
        warning = self.reader.check()
        if warning:
            self._report.warnings.append(warning)
            self._context.emit(EventKind.WARNING, warning, task=self.task.name)
        self._report.damage = self.reader.damage or self._report.damage
        self._report.torn = self.reader.torn
        self._add_declared()
        self.reader.conceal()
        self.reader.close()
        self._clean_up()
        return judge_task(
            self.task,
            self._process,
            self._report,
            before=self._before,
            published=self._context.published,
            files=self._files,
        )._replace(attempt=self._context.attempt, placement=self.placement)

    def _clean_up(self) -> None:
        """Remove the temporary files that its processes have left."""
        run, environment = self._context.run, {**os.environ, **self._command.env}
        paths = run.project.paths
        remove_temporaries(
            self._report.temporaries,
            run.run_id,
            paths.root,
            environment,
            leftovers=paths.leftovers,
        )

    def _add_declared(self) -> None:
        """Add what the task did without reporting it, unless one of its units has failed."""
        units = self._report.units
        if not all(units.get(name) for name in (*self.task.units, *units)):
            return
        reported = {self._files.relative(record.path) for record in self._report.files}
        for record in self._declared.records:
            if record.path not in reported:
                self._report.files.append(record)
        for text in self._declared.warnings:
            self._report.warnings.append(text)
            self._context.emit(EventKind.WARNING, text, task=self.task.name)

    def _found(self) -> Iterator[dict[str, Any]]:
        """What was found in the output since the last call."""
        while not self._watched.empty():
            yield self._watched.get()

    def _search_lines(self, _stream: str, lines: Iterable[str]) -> None:
        """Look for what `watch` describes; called by the thread that reads the output."""
        for line in lines:
            for record in watched(self._watch, line):
                self._watched.put(record)

    def _emit(self, record: Mapping[str, Any]) -> None:
        emit, verb, unit = self._context.emit, record["verb"], record.get("unit")
        data = {"task": self.task.name, **({"unit": unit} if unit else {})}
        if verb == Verb.PROGRESS:
            if self._is_due(unit):
                done, total = record.get("done"), record.get("total")
                emit(EventKind.PROGRESS, "", **data, done=done, total=total)
        elif verb == Verb.UNIT_START:
            emit(EventKind.UNIT_START, str(unit), **data)
        elif verb == Verb.UNIT_END:
            status, reason = record.get("status"), record.get("reason", "")
            msg = f"{unit}: {status}{f' ({reason})' if reason else ''}"
            emit(EventKind.UNIT_END, msg, **data, status=status, reason=reason)
        elif verb == Verb.METRIC:
            name, value = record.get("name"), record.get("value")
            emit(EventKind.METRIC, "", **data, name=name, value=value)
        elif verb == Verb.WARNING:
            more = record.get("data")
            more = more if isinstance(more, dict) else {}
            emit(EventKind.WARNING, record["msg"], **{**more, **data})
        elif verb == Verb.REJECTED:
            path, reason = str(record.get("path")), str(record.get("reason"))
            msg = f"{path} was rejected: {reason.removeprefix(f'{path}: ')}"
            emit(EventKind.WARNING, msg, **data, path=record.get("path"))

    def _is_due(self, unit: str | None) -> bool:
        """Whether enough time has passed since the unit's last progress event."""
        now = time.monotonic()
        if now - self._progress.get(unit, -PROGRESS_SECONDS) < PROGRESS_SECONDS:
            return False
        self._progress[unit] = now
        return True
