"""Searches the output for the line that says that the work is done, for a limited time.

A regular expression may take for ever on a line, and Python runs no other thread meanwhile. It is
therefore searched by a process of its own, which the system ends when its time is up.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pipekit.process.output.listener import CallbackErrors

if TYPE_CHECKING:
    import subprocess

LIMIT = 2.0  # seconds for the lines of one read
_SIZE = 8  # bytes of the number in front of each message
_SEARCHER = f"""
import re, signal, sys

def message():
    size = int.from_bytes(sys.stdin.buffer.read({_SIZE}), "big")
    return sys.stdin.buffer.read(size).decode("utf-8", "surrogatepass")

def limit(seconds):
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)  # then the system ends us

search = re.compile(message()).search
while lines := message():
    limit({LIMIT})
    found = any(map(search, lines.split("\\n")[:-1]))
    limit(0)
    sys.stdout.buffer.write(b"y" if found else b"n")
    sys.stdout.buffer.flush()
"""


class DoneDetector:
    """Detects lines of output that say that the work is done; `close` it at the end.

    A pattern or a predicate that takes longer than LIMIT is not asked again.
    """

    def __init__(self, pattern: str | None, predicate: Callable[[str], bool] | None) -> None:
        self._pattern = pattern
        self._predicate = predicate
        self._searcher: subprocess.Popen[bytes] | None = None
        self._errors = CallbackErrors("the done predicate")
        self._given_up: list[str] = []

    def found_in(self, lines: Sequence[str]) -> bool:
        """Whether one of these lines says so. Raises OSError if no process can be started."""
        if not lines:
            return False
        return (self._pattern is not None and self._matches(self._pattern, lines)) or (
            self._predicate is not None and self._agrees(self._predicate, lines)
        )

    def warnings(self) -> list[str]:
        """What the predicate raised, and what took too long."""
        return self._errors.warnings() + self._given_up

    def close(self) -> None:
        """End the process that searches."""
        if self._searcher is not None:
            self._searcher.kill()
            with contextlib.suppress(BrokenPipeError):  # of what it did not read
                self._searcher.communicate()

    def _matches(self, pattern: str, lines: Sequence[str]) -> bool:
        try:
            searcher = self._searcher = self._searcher or _start(pattern)
            assert searcher.stdin is not None
            assert searcher.stdout is not None
            _send(searcher, "".join(f"{line}\n" for line in lines))
            answer = searcher.stdout.read(1)
        except BrokenPipeError:
            answer = b""
        if not answer:
            self._pattern = None
            self._given_up.append(
                f"the output is no longer searched for done_pattern {pattern!r}, which took longer "
                f"than {LIMIT:g} s for a piece of it; repetitions within repetitions do that"
            )
        return answer == b"y"

    def _agrees(self, predicate: Callable[[str], bool], lines: Sequence[str]) -> bool:
        answers: list[bool] = []

        def ask() -> None:
            answers.append(any(self._says_done(predicate, line) for line in lines))

        thread = threading.Thread(target=ask, name="done", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # too many threads of this process or user
            self._errors.add(error)
            return False
        thread.join(LIMIT)
        if not answers:
            self._predicate = None
            self._errors.add(
                TimeoutError(f"it took longer than {LIMIT:g} s; it is not asked again")
            )
        return answers == [True]

    def _says_done(self, predicate: Callable[[str], bool], line: str) -> bool:
        try:
            return bool(predicate(line))
        except BaseException as error:  # the isolation boundary of predicates
            self._errors.add(error)
            return False


def _start(pattern: str) -> subprocess.Popen[bytes]:
    import subprocess  # few commands have such a pattern

    searcher = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _SEARCHER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/" if sys.platform != "win32" else None,  # ours may have been removed
        start_new_session=True,  # so that Ctrl-C does not reach it
    )
    _send(searcher, pattern)
    return searcher


def _send(searcher: subprocess.Popen[bytes], text: str) -> None:
    assert searcher.stdin is not None
    data = text.encode("utf-8", "surrogatepass")
    searcher.stdin.write(len(data).to_bytes(_SIZE, "big") + data)
    searcher.stdin.flush()
