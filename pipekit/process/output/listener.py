"""Calls the caller's code with the output: `on_lines` and `on_output`.

Their errors become warnings and stop nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

OnLines = Callable[[str, list[str]], None]
"""`on_lines(stream, lines)`: `stream` is `stdout` or `stderr`; lines have no line ends."""

OnOutput = Callable[[str, bytes], None]
"""`on_output(stream, data)`: the output byte for byte, but with secrets masked."""

Item = TypeVar("Item", str, bytes)

BACKLOG = 4 * 1024 * 1024  # bytes of lines, about, that may wait for a slow callback
_CALL_TIMEOUT = 5.0  # seconds that one call may take once the command is over
_MAX_BACKLOG = 8 * BACKLOG  # while the command is being stopped and output cannot wait
_LOOK_INTERVAL = 0.05  # seconds between two looks whether to wait on, at the end
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


class Listener(Generic[Item]):
    """Calls the callback with batches of lines or of bytes, in a thread of its own.

    At `BACKLOG` waiting bytes it is `full`: its user then stops reading, to bound memory. While the
    command is being stopped, reading continues; what exceeds `_MAX_BACKLOG` is dropped and counted.
    `call_timeout`: seconds that one call may take once the command is over.
    """

    def __init__(
        self,
        callback: Callable[[str, list[Item]], None] | None,
        name: str = "on_lines",
        *,
        call_timeout: float = _CALL_TIMEOUT,
    ) -> None:
        self._callback: Callable[[str, list[Item]], None] | None = callback
        self._name = name
        self._call_timeout = call_timeout
        self._waiting: dict[str, list[Item]] = {}
        self._size = 0
        self._ended = False
        self.returned = 0.0  # monotonic: when the last call returned, or the thread began
        self.dropped = 0  # lines or bytes
        self._thread_error = ""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self.errors = CallbackErrors(name)

    @property
    def full(self) -> bool:
        """Whether so much waits that reading should pause."""
        return self._size >= BACKLOG

    def add(self, stream: str, items: Sequence[Item]) -> None:
        """Queue lines or bytes of a stream for the callback."""
        if not items or self._callback is None:
            return
        if self._size >= _MAX_BACKLOG or not self._started():
            self._drop(items)
            return
        with self._changed:
            self._waiting.setdefault(stream, []).extend(items)
            self._size += sum(map(len, items)) + _LINE_OVERHEAD * len(items)
            self._changed.notify()

    def _drop(self, items: Sequence[Item]) -> None:
        self.dropped += sum(1 if isinstance(item, str) else len(item) for item in items)

    def _started(self) -> bool:
        """Whether the thread runs; if it could not be started, each call tries again."""
        if self._thread is None:
            thread = threading.Thread(target=self._deliver, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # too many threads of this process or user
                self._thread_error = str(error)
                return False
            self.returned = time.monotonic()
            self._thread = thread
        return True

    def finish(self, until: Callable[[], float] = lambda: float("inf")) -> None:
        """Wait until everything is delivered, but not beyond `until()` (monotonic).

        A call that takes longer than `call_timeout` is given up; its thread keeps running.
        """
        if self._thread is None:
            return
        with self._changed:
            self._ended = True
            self._changed.notify()
        begun = time.monotonic()  # the last call may have returned long ago
        while self._thread.is_alive():
            now = time.monotonic()
            end = min(max(self.returned, begun) + self._call_timeout, until())
            if now >= end:
                self._give_up()
                return
            self._thread.join(min(end - now, _LOOK_INTERVAL))

    def warnings(self) -> list[str]:
        """What the callback raised, and how much it did not get."""
        why = f"had no thread ({self._thread_error})" if self._thread_error else "was too slow"
        what = "bytes" if self._name == "on_output" else "lines"
        dropped = f"{self._name} {why}; {what} not delivered to it: {self.dropped}"
        return self.errors.warnings() + ([dropped] if self.dropped else [])

    def _give_up(self) -> None:
        with self._changed:
            for items in self._waiting.values():
                self._drop(items)
            self._waiting = {}
            self._callback = None
        self.errors.add(TimeoutError("it did not return; its thread keeps running"))

    def _deliver(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._ended:
                    self._changed.wait()
                batches, self._waiting, self._size = self._waiting, {}, 0
            if not batches:
                return
            for stream, items in batches.items():
                self._call(stream, items)
                self.returned = time.monotonic()

    def _call(self, stream: str, items: list[Item]) -> None:
        callback = self._callback
        try:
            if callback is not None:
                callback(stream, items)
        except BaseException as error:  # the isolation boundary of callbacks
            self.errors.add(error)
