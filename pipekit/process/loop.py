"""The loop of one command: read its output, watch its tree, decide, until all has ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping

from pipekit.model.command import Command, Outcome, ProcessSnapshot
from pipekit.process.cancel import Cancel
from pipekit.process.child import Child, Exit, Force, Member
from pipekit.process.hang import HangWatch
from pipekit.process.output.done import DoneDetector
from pipekit.process.output.listener import Listener, OnLines, OnOutput
from pipekit.process.output.stream import Fed, OutputStream
from pipekit.process.stop import KILL_TIMEOUT, Stop

_LONGEST_NAP = 0.02  # seconds after a small read: waking 10,000 times a second would cost a core
_FIRST_NAP, _SHORTEST_NAP = 0.001, 0.0001
_SMALL_READ = 16 * 1024  # bytes; a shorter read took all there was
_READ_LIMIT = 4 * 1024 * 1024  # bytes of a stream before the clock is looked at again
_POLL_INTERVAL = 0.02  # seconds; for events without a descriptor: `cancel.now`, a callback
_FIRST_SCAN, _LONGEST_SCAN = 0.002, 0.1  # seconds between scans for what outlives the leader
_EOF_TIMEOUT = 0.1  # seconds for streams to end after the last known process


class Supervision:
    """The supervision of one started command. Times are seconds after its start.

    `outcome` is decided once. If the leader's exit was seen before a signal was sent, it exited by
    itself, whatever else happened at that moment.
    """

    def __init__(
        self,
        command: Command,
        child: Child,
        streams: Mapping[str, OutputStream],
        *,
        on_lines: OnLines | None,
        cancel: Cancel | None,
        on_output: OnOutput | None = None,
    ) -> None:
        self._command = command
        self._child = child
        self._streams = streams
        self._lines: Listener[str] = Listener(on_lines)
        self._bytes: Listener[bytes] = Listener(
            on_output and (lambda stream, pieces: on_output(stream, b"".join(pieces))),
            "on_output",
            call_timeout=float("inf"),  # it may be a slow reader, who wants everything
        )
        self._done = DoneDetector(command.done_pattern, command.done)
        self._cancel = cancel
        self._deadline = float("inf") if command.timeout is None else command.timeout
        self._start = time.monotonic()
        self._done_at: float | None = None
        self._exited_at: float | None = None
        self._empty_at: float | None = None
        self._cancelled_at = float("inf")  # when a cancellation was seen after the end
        self._next_scan = 0.0
        self._scan_interval = _FIRST_SCAN
        self._nap = _FIRST_NAP
        self._finished = False
        self.pid = child.pid
        self.exit: Exit | None = None
        self.outcome: Outcome | None = None
        self.stopped = False
        self.remaining: list[Member] = []
        self.open_streams: list[str] = []
        self.scan_error: OSError | None = None
        self.snapshot: list[ProcessSnapshot] = []
        self.stop = Stop(child, command.grace, self._members)
        self.hang_watch = HangWatch(child, command.hang_timeout, command.activity)

    def run(self) -> None:
        """Return when the tree has ended and its output is read, or when killing has failed."""
        while not self._over(self.now()):
            ready = self._wait()
            size = sum(self._read(stream) for stream in ready)
            self._look(self.now())
            self._decide(self.now())
            self._nap_after(size)
        self._finish()

    def close(self) -> None:
        """Release everything; kill the tree first if `run` was interrupted."""
        try:
            if not self._finished:
                self._abort()
        finally:
            self._done.close()
            self._child.close()
            for stream in self._streams.values():
                stream.spool.close()

    def now(self) -> float:
        """Seconds since the start, by a clock that is never set."""
        return time.monotonic() - self._start

    def warnings(self) -> list[str]:
        """Errors in the caller's own code, as sentences."""
        listeners = [*self._lines.warnings(), *self._bytes.warnings()]
        return [*listeners, *self._done.warnings()]

    @property
    def undelivered(self) -> int:
        """How many lines or bytes the caller's callbacks did not get."""
        return self._lines.dropped + self._bytes.dropped

    # Reading

    def _wait(self) -> list[str]:
        """Wait for something to do; the streams with output.

        While the callback lags far behind, output is not read, so that the child has to wait.
        """
        patience = self._patience(self.now())
        if not self._paused():
            return self._child.wait(patience)
        slow = self._lines if self._lines.full else self._bytes
        self.hang_watch.output(slow.returned - self._start)  # not the child hangs
        self._child.wait(min(patience, _POLL_INTERVAL), output=False)
        return []

    def _paused(self) -> bool:
        full = self._lines.full or self._bytes.full
        return full and self.stop.begun_at is None and self._empty_at is None

    def _read(self, name: str) -> int:
        size, stream = 0, self._streams[name]
        while size < _READ_LIMIT and not self._paused():
            data = self._child.read(name)
            if not data:
                break
            size += len(data)
            self._deliver(name, stream.feed(data, self.now()))
            if len(data) < _SMALL_READ:
                break  # probably all there was; if not, we are woken again
        if size:
            self.hang_watch.output(self.now())
        return size

    def _deliver(self, stream: str, fed: Fed) -> None:
        if self._done_at is None and self.outcome is None and self._done.found_in(fed.lines):
            self._done_at = self.now()
            self.outcome = Outcome.COMPLETED
        self._lines.add(stream, fed.lines)
        if fed.data:
            self._bytes.add(stream, [fed.data])

    def _nap_after(self, size: int) -> None:
        """Nap after a small read, so that the next one is larger; shorter if the pipe fills up."""
        if size == 0 or self._exited_at is not None:
            return
        if size > self._child.capacity // 2:
            self._nap = max(self._nap / 2, _SHORTEST_NAP)
        else:
            self._child.wait(self._nap, output=False)
            self._nap = min(2 * self._nap, _LONGEST_NAP)

    # Looking

    def _look(self, now: float) -> None:
        if self._exited_at is None:
            if self._child.exited():
                self._exited_at = self._next_scan = now
            else:
                self.hang_watch.sample(now)
        known_empty = self._child.tree_empty
        if self._exited_at is not None and (known_empty or now >= self._next_scan):
            self.remaining = self._members()
            nobody_seen = not self.remaining and not self.scan_error
            if self._empty_at is None and (nobody_seen if known_empty is None else known_empty):
                self._empty_at = now
            self._next_scan = now + self._scan_interval
            self._scan_interval = min(2 * self._scan_interval, _LONGEST_SCAN)

    def _members(self) -> list[Member]:
        try:
            members = self._child.members()
        except OSError as error:
            self.scan_error = error
            return self.remaining
        self.scan_error = None
        return members

    def _over(self, now: float) -> bool:
        if self._exited_at is None or self._empty_at is None:
            return self.stop.given_up(now)
        if not self._child.streams():
            return True
        waited = now >= self._empty_at + _EOF_TIMEOUT
        return waited and (self.stop.begun_at is not None or self._reason_to_stop(now) is not None)

    # Deciding

    def _decide(self, now: float) -> None:
        if self.stop.begun_at is not None:
            if self._child.lost or (self._cancel is not None and self._cancel.now):
                self.stop.end_grace(now)
            self.stop.kill_if_due(now)
            return
        reason = self._reason_to_stop(now)
        if reason is None or self._empty_at is not None:
            return
        running = self._exited_at is None
        if running and reason in (Outcome.HUNG, Outcome.TIMED_OUT):
            with contextlib.suppress(OSError):  # cannot look now
                self.snapshot = self._child.snapshot()
        signalled = self.stop.begin(now, leader=running)
        self._next_scan, self._scan_interval = now, _FIRST_SCAN
        if running and signalled:
            self.outcome, self.stopped = self.outcome or reason, True

    def _reason_to_stop(self, now: float) -> Outcome | None:
        """Why the tree has to be stopped now: the outcome of a leader that still runs."""
        if self._child.lost:
            return Outcome.LOST
        if self._cancel is not None and self._cancel.is_set():
            return Outcome.CANCELLED
        if now >= self._linger_ends():
            return Outcome.COMPLETED
        if now >= self._deadline:
            return Outcome.TIMED_OUT
        if self._done_at is None and self._exited_at is None and self.hang_watch.hung(now):
            return Outcome.HUNG
        return None

    def _linger_ends(self) -> float:
        """The time at which processes that still run after the work was done are stopped."""
        since = min(t for t in (self._done_at, self._exited_at, float("inf")) if t is not None)
        return since + self._command.linger

    def _patience(self, now: float) -> float:
        """Seconds until the next action that needs no event."""
        due = [self.hang_watch.due() if self._exited_at is None else self._next_scan]
        if self.stop.begun_at is not None:
            due += [self.stop.next_kill, now + _POLL_INTERVAL]
        else:
            due += [self._linger_ends(), self._deadline]
        return max(min(due) - now, 0.0)

    # Ending

    def _finish(self) -> None:
        """No writer is left: flush the streams and take the leader's status."""
        for name, stream in self._streams.items():
            self._deliver(name, stream.finish())
        self.open_streams = self._child.streams()
        self.exit = self._child.reap()
        self._finished = True
        self._lines.finish(self._return_by)
        self._bytes.finish(self._return_by)

    def _return_by(self) -> float:
        """The monotonic time by which the call returns, whatever a callback does.

        The deadline (or the moment when the tree was stopped for another reason), the grace and
        half a second. A cancellation after the end, or without grace, leaves half a second.
        """
        stopped_at = self.stop.begun_at
        end = self._deadline if stopped_at is None else min(self._deadline, stopped_at)
        end += self._command.grace
        if self._cancel is not None and self._cancel.is_set():
            self._cancelled_at = min(self._cancelled_at, self.now())
            if stopped_at is None or self._cancel.now:
                end = min(end, self._cancelled_at)
        return self._start + end + KILL_TIMEOUT

    def _abort(self) -> None:
        self._lines.finish(lambda: 0.0)  # long past: drop what waits
        self._bytes.finish(lambda: 0.0)
        deadline = self.now() + KILL_TIMEOUT
        while self.now() < deadline:
            self._child.send(Force.HARD, self._members())
            if self._child.exited() and self._child.tree_empty is not False and not self._members():
                break
            self._child.wait(0.005, output=False)
        self._child.reap()
