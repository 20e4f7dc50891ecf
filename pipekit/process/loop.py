"""One loop for one command: read, look, decide, until nothing of it is left; starts nothing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping

from pipekit.model.command import Command, Outcome, ProcessSnapshot
from pipekit.process.cancel import Cancel
from pipekit.process.child import Child, Exit, Force
from pipekit.process.hang import Vigil
from pipekit.process.output.listener import DoneSigns, Listener, OnLines
from pipekit.process.output.stream import OutputStream
from pipekit.process.stop import INSIST, Ladder
from pipekit.process.tree import Member

NAP = 0.02  # seconds after a small read: 50 wakes a second are enough, 10,000 cost a core
_FIRST_NAP, _SHORTEST_NAP = 0.001, 0.0001
_LITTLE = 16 * 1024  # bytes of one read: less was all that waited
_TURN = 4 * 1024 * 1024  # bytes read of a stream before time is looked at again
_HURRIED = 0.02  # seconds between two looks at the caller's wish to stop now
_SOON, _LATER = 0.002, 0.1  # seconds between two looks at what outlives the leader
_EOF_PATIENCE = 0.1  # seconds for streams to end once the last known process is gone


class Run:
    """The supervision of a started command. Times are seconds after its start.

    `outcome` is decided once. A leader whose exit was seen before a signal was sent has exited by
    itself, whatever else happened at that moment.
    """

    def __init__(
        self,
        command: Command,
        child: Child,
        streams: Mapping[str, OutputStream],
        on_lines: OnLines | None,
        cancel: Cancel | None,
    ) -> None:
        self._command = command
        self._child = child
        self._streams = streams
        self._listener = Listener(on_lines)
        self._signs = DoneSigns(command.done_pattern, command.done)
        self._cancel = cancel
        self._deadline = [] if command.timeout is None else [command.timeout]
        self._start = time.monotonic()
        self._done_at: float | None = None
        self._gone_at: float | None = None
        self._empty_at: float | None = None
        self._look_at = 0.0
        self._look_interval = _SOON
        self._nap = _FIRST_NAP
        self._finished = False
        self.pid = child.pid
        self.exit: Exit | None = None
        self.outcome: Outcome | None = None
        self.stopped = False
        self.left: list[Member] = []
        self.held_open: list[str] = []
        self.blind: OSError | None = None
        self.snapshot: list[ProcessSnapshot] = []
        self.ladder = Ladder(child, command.grace)
        self.vigil = Vigil(child, command.hang_timeout, command.activity)

    def supervise(self) -> None:
        """Return when the tree is gone and its output read, or when nothing more can be done."""
        while not self._over(self.now()):
            ready = self._wait()
            size = sum(self._read(stream) for stream in ready)
            self._look_around(self.now())
            self._decide(self.now())
            self._rest(size)
        self._finish()

    def _wait(self) -> list[str]:
        """Wait for something to do; with a callback far behind, let the child wait with writing."""
        patience = self._patience(self.now())
        if not self._held():
            return self._child.wait(patience)
        self.vigil.output(self._listener.returned - self._start)  # it is not the child that hangs
        self._child.wait(min(patience, _HURRIED), output=False)
        return []

    def _held(self) -> bool:
        return self._listener.full and not self.ladder.begun and self._empty_at is None

    def close(self) -> None:
        """Give back what is held; end the tree at once if `supervise` was interrupted."""
        try:
            if not self._finished:
                self._abandon()
        finally:
            self._child.close()
            for stream in self._streams.values():
                stream.spool.close()

    def _abandon(self) -> None:
        self._listener.abandon()
        deadline = self.now() + INSIST
        while self.now() < deadline:
            self._child.send(Force.HARD, self._members())
            if self._child.exited() and self._child.told_empty is not False and not self._members():
                break
            self._child.wait(0.005, output=False)
        self._child.reap()

    def now(self) -> float:
        """Seconds since the start; no clock change and no suspension counts."""
        return time.monotonic() - self._start

    # Reading

    def _read(self, stream: str) -> int:
        size, taker = 0, self._streams[stream]
        while size < _TURN and not self._held():
            data = self._child.read(stream, taker.bite)
            if not data:
                break
            size += len(data)
            self._hear(stream, taker.feed(data, self.now()))
            if len(data) < _LITTLE:
                break  # that was all; where it was not, we are woken again
        if size:
            self.vigil.output(self.now())
        return size

    def _hear(self, stream: str, lines: list[str]) -> None:
        if self._done_at is None and self.outcome is None and self._signs.seen_in(lines):
            self._done_at = self.now()
            self.outcome = Outcome.COMPLETED
        self._listener.hear(stream, lines)

    def _rest(self, size: int) -> None:
        """Nap after a small read, so that much comes at once; shorter where the pipe gets full."""
        if size == 0 or self._gone_at is not None:
            return
        if size > self._child.capacity // 2:
            self._nap = max(self._nap / 2, _SHORTEST_NAP)
        else:
            self._child.wait(self._nap, output=False)
            self._nap = min(2 * self._nap, NAP)

    # Looking

    def _look_around(self, now: float) -> None:
        if self._gone_at is None:
            if self._child.exited():
                self._gone_at = self._look_at = now
            else:
                self.vigil.look(now)
        told = self._child.told_empty
        if self._gone_at is not None and (told or now >= self._look_at):
            self.left = self._members()
            seen = not self.left and not self.blind
            if self._empty_at is None and (seen if told is None else told):
                self._empty_at = now
            self._look_at = now + self._look_interval
            self._look_interval = min(2 * self._look_interval, _LATER)

    def _members(self) -> list[Member]:
        try:
            members = self._child.members()
        except OSError as error:
            self.blind = error
            return self.left
        self.blind = None
        return members

    def _over(self, now: float) -> bool:
        if self._gone_at is None or self._empty_at is None:
            return self.ladder.given_up(now)
        if not self._child.streams():
            return True
        waited = now >= self._empty_at + _EOF_PATIENCE
        return waited and (self.ladder.begun or self._reason_to_stop(now) is not None)

    # Deciding

    def _decide(self, now: float) -> None:
        if self.ladder.begun:
            if self._child.lost or (self._cancel is not None and self._cancel.now):
                self.ladder.hurry(now)
            self.ladder.climb(now)
            return
        reason = self._reason_to_stop(now)
        if reason is None or self._empty_at is not None:
            return
        runs = self._gone_at is None
        if runs and reason in (Outcome.HUNG, Outcome.TIMED_OUT):
            self._look_closely()
        asked = self.ladder.begin(now, leader=runs)
        self._look_at, self._look_interval = now, _SOON
        if runs and asked:
            self.outcome, self.stopped = self.outcome or reason, True

    def _look_closely(self) -> None:
        with contextlib.suppress(OSError):  # nobody can look now
            self.snapshot = self._child.snapshot()

    def _reason_to_stop(self, now: float) -> Outcome | None:
        """What the tree is to be stopped for now, as the outcome of a leader that still runs."""
        if self._child.lost:
            return Outcome.LOST
        if self._cancel is not None and self._cancel.is_set():
            return Outcome.CANCELLED
        if now >= self._linger_ends():
            return Outcome.COMPLETED
        if any(now >= deadline for deadline in self._deadline):
            return Outcome.TIMED_OUT
        if self._done_at is None and self._gone_at is None and self.vigil.hung(now):
            return Outcome.HUNG
        return None

    def _linger_ends(self) -> float:
        """When what is left after the work was done has had its time."""
        since = min(t for t in (self._done_at, self._gone_at, float("inf")) if t is not None)
        return since + self._command.linger

    def _patience(self, now: float) -> float:
        """How long there is nothing to do unless something happens."""
        due = [self.vigil.due() if self._gone_at is None else self._look_at]
        if self.ladder.begun:
            due += [self.ladder.due, now + _HURRIED]
        else:
            due += [self._linger_ends(), *self._deadline]
        return max(min(due) - now, 0.0)

    def warnings(self) -> list[str]:
        """What the caller's own code raised, in words."""
        return [*self._listener.warnings(), *self._signs.troubles.warnings()]

    # Ending

    def _finish(self) -> None:
        """Nobody within reach can write any more: let all out, and take the leader's status."""
        for name, stream in self._streams.items():
            self._hear(name, stream.finish())
        self.held_open = self._child.streams()
        self.exit = self._child.reap()
        self._finished = True
        self._listener.finish(self._latest())

    def _latest(self) -> float | None:
        """When the call has to return: the monotonic time of deadline, grace and half a second.

        A tree that is being stopped has had its deadline, whatever it is stopped for.
        """
        deadlines = [*self._deadline, *self.ladder.begun_at]
        if not deadlines:
            return None
        return self._start + min(deadlines) + self._command.grace + INSIST
