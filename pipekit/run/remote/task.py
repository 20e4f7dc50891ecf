"""One task of a stage that another machine carries out.

Everything that is known of it comes from the files of its attempt. What the engine says only leads
to a look at them: an engine may lose a result, repeat an order, or take a node for dead that works.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from enum import Enum

from pipekit.errors import DefinitionError
from pipekit.model.command import Outcome, ProcessResult, StreamResult
from pipekit.model.event import EventKind
from pipekit.model.executor import Order, OrderState, OrderStatus, Placement
from pipekit.model.quantity import duration_text
from pipekit.model.status import NEVER_BEGAN
from pipekit.model.task import Task, TaskResult
from pipekit.process.remote.folder import AttemptFolder, begin, begun_by, read_json
from pipekit.process.remote.outcome import TaskOutcome, read_outcome
from pipekit.process.remote.spec import TaskSpec
from pipekit.run.remote.engine import EngineError, RemoteEngine
from pipekit.run.remote.order import write_order
from pipekit.run.remote.settle import SETTLE_SECONDS, ContractError, publish_files, wait_for_files
from pipekit.run.report_file import TaskReport
from pipekit.run.running_task import RunningTask, TaskContext
from pipekit.storage.attempts import Attempt
from pipekit.worker._files import make_folder

_PULSE_LEASES = 2  # times the lease without a sign of life, then a node is given up
_NAP = 0.05


class Phase(Enum):
    """How far an attempt is, as far as the run knows."""

    WAITING = "waiting"  # for a node to begin
    RUNNING = "running"
    GIVEN_UP = "given up"  # its node may still work, until its lease is over
    SETTLING = "settling"  # its outcome is known, its files are awaited
    ENDED = "ended"


class RemoteTask(RunningTask):
    """An attempt at a task, from its submission to its verdict."""

    def __init__(
        self, task: Task, context: TaskContext, engine: RemoteEngine, attempt: Attempt
    ) -> None:
        self.folder = AttemptFolder(context.folder / task.name / str(attempt.number))
        super().__init__(task, context, self.folder.report)
        self.placement: Placement = Placement(attempt.executor, attempt.number)
        self.phase = Phase.WAITING
        self._engine = engine
        self._attempt = attempt
        self._outcome: TaskOutcome | None = None
        self._problem = ""  # with the files of the outcome
        self._begun_at = self._unknown_at = 0.0
        self._deadline = float("inf")  # then no node can be at it any more
        self._why = ""  # it was given up
        self._pulse: tuple[bytes, float] = (b"", 0.0)
        self._stopping = False

    @property
    def id(self) -> str:
        """What the engine calls it; empty if it has not taken it."""
        return self.placement.engine_id

    # Beginning

    def start(self) -> None:
        """Write what a node needs, and submit it."""
        self._begun_at = time.monotonic()
        try:
            order = self._prepared()
            id = self._engine.submit(order)
        except (OSError, DefinitionError, EngineError) as error:
            if isinstance(error, OSError):
                reason = f"cannot write {error.filename or self.folder.path}: {error.strerror}"
            else:
                reason = str(error)
            if not self._forbid(Outcome.SPAWN_FAILED, reason):
                self._give_up(reason)  # the engine may have taken it before it failed
            return
        self.placement = self.placement._replace(engine_id=id)
        data = {"units": list(self.task.units), "attempt": self._context.attempt}
        data |= {"executor": self._attempt.executor, "order": self._attempt.number, "engine_id": id}
        text = f"{self.task.name}: queued by {self._attempt.executor}"
        self._context.emit(EventKind.TASK_QUEUED, text, task=self.task.name, **data)

    def _prepared(self) -> Order:
        """Make the attempt's folder. Raises OSError, DefinitionError."""
        if not self.task.reports:
            raise DefinitionError(
                f"{self.task.name}: a program that does not use pipekit.worker cannot publish from "
                'another machine: write executor = "local" for its stage'
            )
        run, mode = self._context.run, self._context.run.project.paths.file_mode
        make_folder(self.folder.path, mode)
        self.reader.create(mode)
        self.reader.close()
        spec = TaskSpec(
            command=self._command,
            attempt=self._attempt.number,
            name=f"{self._context.stage.name}/{self.task.name}",
            cookie=f"{run.run_id}.order{self._attempt.number}",
            mode=mode,
            lease=self._engine.terms,
            promise=self._engine.promise(self._context.stage),
        )
        return write_order(self.folder, spec, self.task, run.run_id)

    def _forbid(self, outcome: Outcome, reason: str) -> bool:
        """End it as one that never began, if no node has begun it: from now on, none can.

        False if one has. If that cannot be told, it is given up.
        """
        try:
            if not begin(self.folder, "the run, which does not want it any more"):
                return False
        except FileNotFoundError:  # not even its folder could be made
            pass
        except OSError as error:
            self._give_up(f"{reason} ({self.folder.started}: {error.strerror})")
            return True
        self._engine.cancel(self.id)
        self._process = ProcessResult(outcome=outcome, reason=reason, started=time.time())
        self._end()
        return True

    # Looking

    def look(self, status: OrderStatus) -> None:
        """Find out what has become of it; `status`: what the engine says."""
        if self._has_ended():
            return
        with contextlib.suppress(OSError):  # a share that is away: the next look may see more
            names = os.listdir(self.folder.path)  # asks the server, unlike a stat
            if self.folder.outcome.name in names and self._take_outcome():
                return
            self._notice_begin(status)
        self._notice_end(status)
        if self._context.cancel.is_set() and self.phase in (Phase.WAITING, Phase.RUNNING):
            self._stop()
        if time.monotonic() >= self._deadline and not self._has_ended():
            self._engine.cancel(self.id)
            self._process = ProcessResult(outcome=Outcome.LOST, reason=self._why)
            self._end()

    def _has_ended(self) -> bool:
        return self.phase in (Phase.SETTLING, Phase.ENDED)

    def _take_outcome(self) -> bool:
        try:
            outcome = read_outcome(read_json(self.folder.outcome)[0])
        except (ValueError, DefinitionError) as error:
            self._give_up(f"{self.folder.outcome} cannot be used: {error}")
            return False
        self._note_node(outcome.node)
        self._outcome, self.phase = outcome, Phase.SETTLING
        self._engine.settlers.submit(self._settle)
        return True

    def _settle(self) -> None:
        """Wait for the files of the outcome; in a thread of its own."""
        assert self._outcome is not None
        self._problem = "its files could not be looked at"
        try:
            seconds = min(SETTLE_SECONDS, self._engine.terms.seconds)
            self._problem = wait_for_files(self.folder, self._outcome.files, seconds)
        finally:
            self._context.ended.put(self)

    def _notice_begin(self, status: OrderStatus) -> None:
        now = time.monotonic()
        if self.phase is Phase.WAITING:
            who = begun_by(self.folder)
            if who is None:
                return
            self.phase, self._pulse = Phase.RUNNING, (b"", now)
            self._note_node(status.node or who.partition(" process ")[0])
        with contextlib.suppress(FileNotFoundError):
            pulse = self.folder.pulse.read_bytes()
            if pulse != self._pulse[0]:
                self._pulse = pulse, now

    def _note_node(self, node: str) -> None:
        """A node has begun: say so, once."""
        if self.placement.queued is not None:
            return
        queued = round(time.monotonic() - self._begun_at, 3)
        self.placement = self.placement._replace(node=node, queued=queued)
        data = {"units": list(self.task.units), "attempt": self._context.attempt}
        text = f"{self.task.name} {self.placement}"
        self._context.emit(
            EventKind.TASK_START, text, task=self.task.name, **data, **self.placement.record()
        )

    def _notice_end(self, status: OrderStatus) -> None:
        """Draw conclusions from what the engine says, and from a long silence."""
        now, patience = time.monotonic(), self._engine.terms.seconds
        reason = status.reason or f"{self._attempt.executor} ended it without a result"
        if self.phase is Phase.WAITING:
            unknown = status.state is OrderState.UNKNOWN
            self._unknown_at = (self._unknown_at or now) if unknown else 0
            lost_sight = self._unknown_at and now - self._unknown_at > patience
            limit = self._context.run.project.configuration.stages[self._context.stage.name]
            if status.state is OrderState.ENDED:
                self._forbid(Outcome.SPAWN_FAILED, f"it did not begin: {reason}")
            elif lost_sight:
                text = f"it did not begin, and {self._attempt.executor} does not know of it"
                self._forbid(Outcome.SPAWN_FAILED, text)
            elif limit.queue_timeout is not None and now - self._begun_at > limit.queue_timeout:
                text = f"no node began it within {duration_text(limit.queue_timeout)}"
                self._forbid(Outcome.SPAWN_FAILED, text)
        elif self.phase is Phase.RUNNING:
            silent = now - self._pulse[1]
            if status.state is OrderState.ENDED:
                self._give_up(f"lost on {self.placement.node}: {reason}")
            elif silent > _PULSE_LEASES * patience:
                text = f"no sign of life for {silent:.0f} s"
                self._give_up(f"lost on {self.placement.node}: {text}")

    def _give_up(self, reason: str) -> None:
        """Take it for dead; its node has until the end of its lease to hear of that."""
        if self.phase is Phase.GIVEN_UP:
            return
        self.phase, self._why = Phase.GIVEN_UP, reason
        self._engine.keeper.revoke(self._attempt.number)
        self._set_deadline()

    def _set_deadline(self) -> None:
        wait = self._engine.terms.dead_after(self._command.grace)
        self._deadline = min(self._deadline, time.monotonic() + wait)

    def _stop(self) -> None:
        """The run was cancelled: do not begin, or stop by the lease."""
        self._engine.keeper.stop_all(now=self._context.cancel.now)
        if self._stopping or self._forbid(Outcome.CANCELLED, NEVER_BEGAN):
            return
        if self.phase is Phase.RUNNING:
            self._stopping = True
            self._why = f"stopped on {self.placement.node}, which has not said how that went"
            self._set_deadline()

    # Ending

    def _end(self) -> None:
        self.phase = Phase.ENDED
        self._context.ended.put(self)

    def join(self) -> None:
        """Wait until no node can be at it any more, after an internal error has ended the run."""
        while self.phase not in (Phase.SETTLING, Phase.ENDED):
            self.look(OrderStatus(OrderState.RUNNING))
            time.sleep(_NAP)
        self._engine.settle(self._attempt)
        self._engine.flush()

    def update(self) -> None:
        """Its lane decides when its report is worth a look."""

    def read_report(self) -> None:
        """Read what was reported since the last look, and emit events for it."""
        if self.phase is Phase.RUNNING:
            super().update()
            self.reader.close()

    def result(self) -> TaskResult:
        """The verdict; what counts is published by now."""
        if self._outcome is not None:
            self._process = self._judged(self._outcome.process)
            super().update()
            self._publish(self._outcome)
        else:
            self._report = TaskReport()
            self.reader.poll()  # it may have secrets, which are masked at the end
        self._engine.settle(self._attempt)
        with contextlib.suppress(OSError):
            self.folder.spec.unlink()  # it may hold secrets
        return super().result()

    def _judged(self, process: ProcessResult) -> ProcessResult:
        """The process as its node has seen it, if the run has not meanwhile changed its mind."""
        cancelled, outcome = self._context.cancel.is_set(), process.outcome
        if outcome is Outcome.CANCELLED and not cancelled:
            text = f"it was stopped on {self.placement.node} by its engine"
            process = process._replace(outcome=Outcome.LOST, reason=text)
        elif outcome is Outcome.LOST and cancelled:
            process = process._replace(outcome=Outcome.CANCELLED)
        return process._replace(
            stdout=self._stream(process.stdout), stderr=self._stream(process.stderr)
        )

    def _stream(self, stream: StreamResult) -> StreamResult:
        """The same, with the path that its file has here."""
        return stream._replace(spool=stream.spool and self.folder.path / stream.spool.name)

    def _publish(self, outcome: TaskOutcome) -> None:
        problem = self._problem or self._self_published()
        if outcome.attempt != self._attempt.number:
            problem = f"{self.folder.outcome} is of attempt {outcome.attempt}"
        if self._process.outcome is Outcome.LOST:
            self._report = TaskReport()
        elif not problem:
            self._search_output()
            problem = self._put_in_place(outcome)
        if problem:
            self._report = TaskReport()
            self._report.damage = problem

    def _put_in_place(self, outcome: TaskOutcome) -> str:
        """Publish; why not, if that fails."""
        run = self._context.run
        if not self._engine.attempts.is_latest(self._attempt):
            return "a later attempt has begun"
        try:
            publish_files(self.folder, outcome.files, self._report, self._files, run.run_id)
        except ContractError as error:
            return str(error)
        except OSError as error:
            return f"{error.filename} cannot be published: {error.strerror}"
        shutil.rmtree(self.folder.files, ignore_errors=True)
        return ""

    def _self_published(self) -> str:
        """A clause if a declared output changed in the project, where only the run may write."""
        for path, before in self._before.items():
            if self._files.stat(path) != before:
                return f"{path} was written in the project itself: a node may only use `publish`"
        return ""

    def _search_output(self) -> None:
        """What the stage's patterns find in the output, which only its node has seen so far."""
        if not self._watch:
            return
        for stream in (self._process.stdout, self._process.stderr):
            if stream.spool is None:
                continue
            with open(stream.spool, encoding=self._command.encoding, errors="replace") as lines:
                self._search_lines("", (line.rstrip("\r\n") for line in lines))
        super().update()

    def _clean_up(self) -> None:
        """Temporary files are in the folder of the attempt, and go with it."""
