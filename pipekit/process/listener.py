"""Who hears the output of a command: the caller's callback and the signs that the work is done.

Both are code of others: what they raise becomes a warning and stops nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable

OnLines = Callable[[str, list[str]], None]
"""`on_lines(stream, lines)`: `stream` is `stdout` or `stderr`; lines come without their ends."""

BACKLOG = 4 * 1024 * 1024  # characters that may wait for a slow callback


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
    """Hands lines to the callback in batches, and rests after a call for as long as it took.

    Meanwhile lines wait (at most `BACKLOG`; beyond, the callback is called all the same), so that a
    callback which is slow for each call, however few lines it gets, does not slow the child.
    """

    def __init__(self, on_lines: OnLines | None) -> None:
        self._on_lines = on_lines
        self._waiting: dict[str, list[str]] = {}
        self._size = 0
        self._rest_until = 0.0
        self.troubles = Troubles("on_lines")

    def hear(self, stream: str, lines: list[str]) -> None:
        """Take lines of a stream, to be handed on by `deliver`."""
        if lines and self._on_lines is not None:
            self._waiting.setdefault(stream, []).extend(lines)
            self._size += sum(map(len, lines))

    def due(self) -> float | None:
        """The monotonic time at which `deliver` has something to do."""
        return self._rest_until if self._waiting else None

    def deliver(self, *, last: bool = False) -> None:
        """Call the callback if it is time, or if this is the last occasion."""
        now = time.monotonic()
        if not self._waiting or (now < self._rest_until and self._size < BACKLOG and not last):
            return
        batches, self._waiting, self._size = self._waiting, {}, 0
        for stream, lines in batches.items():
            self._call(stream, lines)
        after = time.monotonic()
        self._rest_until = after + (after - now)

    def _call(self, stream: str, lines: list[str]) -> None:
        assert self._on_lines is not None
        try:
            self._on_lines(stream, lines)
        except (Exception, SystemExit) as error:  # the isolation boundary of callbacks
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
