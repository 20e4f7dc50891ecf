"""Who hears the output of a command: the caller's callback and the signs that the work is done.

Both are code of others: what they raise becomes a warning and stops nothing.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable

OnLines = Callable[[str, list[str]], None]
"""`on_lines(stream, lines)`: `stream` is `stdout` or `stderr`; lines come without their ends."""

BACKLOG = 4 * 1024 * 1024  # bytes, about, of lines that may wait for a slow callback
PATIENCE = 5.0  # seconds that one call may take once the command is over
_MOST = 8 * BACKLOG  # where nobody can wait any more: the command is being stopped
_OVERHEAD = 64  # bytes that a line takes besides its characters


class Troubles:
    """What a piece of foreign code raised: the first of it in words, and how often."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._first = ""
        self._times = 0

    def note(self, error: BaseException) -> None:
        """One more."""
        self._first = self._first or f"{self._what} raised {type(error).__name__}: {error}"
        self._times += 1

    def warnings(self) -> list[str]:
        """Nothing, or one sentence."""
        if not self._times:
            return []
        return [self._first + (f" ({self._times} times)" if self._times > 1 else "")]


class Listener:
    """Hands lines to the callback in batches, in a thread of its own, off the supervisor's loop.

    Meanwhile lines wait. At `BACKLOG` the listener is `full`: whoever feeds it waits with reading,
    so that memory stays bounded, or goes on when it must and lets go of what is beyond.
    """

    def __init__(self, on_lines: OnLines | None) -> None:
        self._on_lines = on_lines
        self._waiting: dict[str, list[str]] = {}
        self._size = 0
        self._ended = False
        self.returned = 0.0  # monotonic: when a call of the callback was over, or its thread began
        self._unheard = 0
        self._refused = ""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self.troubles = Troubles("on_lines")

    @property
    def full(self) -> bool:
        """Whether more lines wait than there is room for."""
        return self._size >= BACKLOG

    def hear(self, stream: str, lines: list[str]) -> None:
        """Take lines of a stream, to be handed on."""
        if not lines or self._on_lines is None:
            return
        if self._size >= _MOST:
            self._unheard += len(lines)
            return
        if not self._started():
            self._unheard += len(lines)
            return
        with self._changed:
            self._waiting.setdefault(stream, []).extend(lines)
            self._size += sum(map(len, lines)) + _OVERHEAD * len(lines)
            self._changed.notify()

    def _started(self) -> bool:
        """Whether there is a thread to call from; where none can be had it is tried again."""
        if self._thread is None:
            thread = threading.Thread(target=self._deliver, name="on_lines", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # this process, or its user, has too many
                self._refused = str(error)
                return False
            self.returned = time.monotonic()
            self._thread = thread
        return True

    def finish(self, until: float | None = None) -> None:
        """Wait until all is delivered; not beyond `until` (monotonic), nor for a call that hangs.

        A call is given up after `PATIENCE`; its thread can only be left behind.
        """
        if self._thread is None:
            return
        with self._changed:
            self._ended = True
            self._changed.notify()
        while self._thread.is_alive():
            now = time.monotonic()
            end = self.returned + PATIENCE
            end = end if until is None else min(end, until)
            if now >= end:
                self._give_up()
                return
            self._thread.join(end - now)

    def abandon(self) -> None:
        """Let go of what waits, and let the thread end when its call returns."""
        with self._changed:
            self._waiting = {}
            self._ended = True
            self._changed.notify()

    def warnings(self) -> list[str]:
        """What the callback raised, and what it did not hear, in words."""
        why = f"had no thread ({self._refused})" if self._refused else "was too slow"
        lost = f"on_lines {why}: lines that were not given to it: {self._unheard}"
        return self.troubles.warnings() + ([lost] if self._unheard else [])

    def _give_up(self) -> None:
        with self._changed:
            self._unheard += sum(map(len, self._waiting.values()))
            self._waiting = {}
            self._on_lines = None
        self.troubles.note(TimeoutError("it did not return; its thread is left behind"))

    def _deliver(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._ended:
                    self._changed.wait()
                batches, self._waiting, self._size = self._waiting, {}, 0
            if not batches:
                return
            for stream, lines in batches.items():
                self._call(stream, lines)
                self.returned = time.monotonic()

    def _call(self, stream: str, lines: list[str]) -> None:
        on_lines = self._on_lines
        try:
            if on_lines is not None:
                on_lines(stream, lines)
        except BaseException as error:  # the isolation boundary of callbacks, here a thread's end
            self.troubles.note(error)


class DoneSigns:
    """Whether a line of output says that the work is complete."""

    def __init__(self, pattern: str | None, predicate: Callable[[str], bool] | None) -> None:
        self._search = re.compile(pattern).search if pattern is not None else None
        self._predicate = predicate
        self.troubles = Troubles("the done predicate")

    def __bool__(self) -> bool:
        return self._search is not None or self._predicate is not None

    def seen_in(self, lines: Iterable[str]) -> bool:
        """Whether one of these lines says so."""
        return any(self._says_done(line) for line in lines)

    def _says_done(self, line: str) -> bool:
        if self._search is not None and self._search(line):
            return True
        try:
            return self._predicate is not None and bool(self._predicate(line))
        except (Exception, SystemExit) as error:  # the isolation boundary of predicates
            self.troubles.note(error)
            return False
