"""Calls the caller's code with the output: the `on_lines` callback and the done predicate.

Their errors become warnings and stop nothing.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable

OnLines = Callable[[str, list[str]], None]
"""`on_lines(stream, lines)`: `stream` is `stdout` or `stderr`; lines have no line ends."""

BACKLOG = 4 * 1024 * 1024  # bytes of lines, about, that may wait for a slow callback
_CALL_TIMEOUT = 5.0  # seconds that one call may take once the command is over
_MAX_BACKLOG = 8 * BACKLOG  # while the command is being stopped and output cannot wait
_LINE_OVERHEAD = 64  # bytes that a line takes besides its characters


class CallbackErrors:
    """What a piece of the caller's code raised: the first error, and how many there were."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._first = ""
        self._times = 0

    def add(self, error: BaseException) -> None:
        """Note an error."""
        self._first = self._first or f"{self._what} raised {type(error).__name__}: {error}"
        self._times += 1

    def warnings(self) -> list[str]:
        """At most one sentence."""
        if not self._times:
            return []
        return [self._first + (f" ({self._times} times)" if self._times > 1 else "")]


class Listener:
    """Calls the callback with batches of lines, in a thread of its own.

    At `BACKLOG` waiting bytes it is `full`: its user then stops reading, to bound memory. While the
    command is being stopped, reading continues; lines beyond `_MAX_BACKLOG` are dropped and
    counted.
    """

    def __init__(self, on_lines: OnLines | None) -> None:
        self._on_lines = on_lines
        self._waiting: dict[str, list[str]] = {}
        self._size = 0
        self._ended = False
        self.returned = 0.0  # monotonic: when the last call returned, or the thread began
        self._dropped = 0
        self._thread_error = ""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self.errors = CallbackErrors("on_lines")

    @property
    def full(self) -> bool:
        """Whether so many lines wait that reading should pause."""
        return self._size >= BACKLOG

    def add(self, stream: str, lines: list[str]) -> None:
        """Queue lines of a stream for the callback."""
        if not lines or self._on_lines is None:
            return
        if self._size >= _MAX_BACKLOG or not self._started():
            self._dropped += len(lines)
            return
        with self._changed:
            self._waiting.setdefault(stream, []).extend(lines)
            self._size += sum(map(len, lines)) + _LINE_OVERHEAD * len(lines)
            self._changed.notify()

    def _started(self) -> bool:
        """Whether the thread runs; if it could not be started, each call tries again."""
        if self._thread is None:
            thread = threading.Thread(target=self._deliver, name="on_lines", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # too many threads of this process or user
                self._thread_error = str(error)
                return False
            self.returned = time.monotonic()
            self._thread = thread
        return True

    def finish(self, until: float | None = None) -> None:
        """Wait until everything is delivered, but not beyond `until` (monotonic).

        A call that takes more than 5 s is given up; its thread keeps running.
        """
        if self._thread is None:
            return
        with self._changed:
            self._ended = True
            self._changed.notify()
        while self._thread.is_alive():
            now = time.monotonic()
            end = self.returned + _CALL_TIMEOUT
            end = end if until is None else min(end, until)
            if now >= end:
                self._give_up()
                return
            self._thread.join(end - now)

    def warnings(self) -> list[str]:
        """What the callback raised, and how many lines it did not get."""
        why = f"had no thread ({self._thread_error})" if self._thread_error else "was too slow"
        dropped = f"on_lines {why}; lines not delivered to it: {self._dropped}"
        return self.errors.warnings() + ([dropped] if self._dropped else [])

    def _give_up(self) -> None:
        with self._changed:
            self._dropped += sum(map(len, self._waiting.values()))
            self._waiting = {}
            self._on_lines = None
        self.errors.add(TimeoutError("it did not return; its thread keeps running"))

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
        except BaseException as error:  # the isolation boundary of callbacks
            self.errors.add(error)


class DoneDetector:
    """Detects lines of output that say that the work is done."""

    def __init__(self, pattern: str | None, predicate: Callable[[str], bool] | None) -> None:
        self._search = re.compile(pattern).search if pattern is not None else None
        self._predicate = predicate
        self.errors = CallbackErrors("the done predicate")

    def found_in(self, lines: Iterable[str]) -> bool:
        """Whether one of these lines says so."""
        return any(self._says_done(line) for line in lines)

    def _says_done(self, line: str) -> bool:
        if self._search is not None and self._search(line):
            return True
        try:
            return self._predicate is not None and bool(self._predicate(line))
        except (Exception, SystemExit) as error:  # the isolation boundary of predicates
            self.errors.add(error)
            return False
