"""A command to supervise and what came of it; knows neither stages nor runs."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from attrs import field, frozen

from pipekit.errors import DefinitionError
from pipekit.worker._request import request_bytes


class Outcome(StrEnum):
    """How the supervision of one command ended."""

    EXITED = "exited"  # by itself, whatever the code, or by a signal that was not ours
    TIMED_OUT = "timed_out"
    HUNG = "hung"
    COMPLETED = "completed"  # the done pattern or predicate was met
    CANCELLED = "cancelled"
    SPAWN_FAILED = "spawn_failed"
    LOST = "lost"  # its status cannot be known; never a success


def _argv(value: object) -> tuple[str, ...]:
    if isinstance(value, str | bytes):
        raise DefinitionError(f"argv is a sequence of words, not one string: {value!r}")
    return tuple(str(word) for word in value)  # type: ignore[attr-defined]  # any iterable


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str | bytes):
        raise DefinitionError("redact is a sequence of texts, not one string")
    return tuple(str(text) for text in value)  # type: ignore[attr-defined]  # any iterable


def _seconds(_instance: object, attribute: object, value: float | None) -> None:
    if value is not None and not value >= 0:
        name = getattr(attribute, "name", "value")
        raise DefinitionError(f"{name} is a number of seconds, 0 or more, not {value!r}")


def _limit(_instance: object, attribute: object, value: int | None) -> None:
    if value is not None and (not isinstance(value, int) or value <= 0):
        name = getattr(attribute, "name", "value")
        raise DefinitionError(f"{name} is a whole number above zero, not {value!r}")


@frozen(kw_only=True)
class Command:
    """One program to run under supervision.

    `argv`: the words; `cwd`: its folder (default: ours). `env`: added to the allow-list that
    every child gets. `stdin`: bytes given to it as a file, or a descriptor of ours that it gets (a
    number); nothing (end of file) by default.

    Times are in seconds. `timeout`: at most so long in all. `hang_timeout`: at most so long
    without output, without growth of the `activity` file and with an idle process tree. `grace`:
    between the polite and the hard signal. `linger`: to exit by itself after it is done.

    `done_pattern` (a regular expression, searched in each whole line of output) or `done` (a
    predicate on such a line) declare the work complete before the exit; `completed_ok` says that
    this counts as success. `redact`: texts replaced by `***` in everything that is kept.

    Limits, each for every process of the command by itself, and kept by the system: `max_memory`
    (bytes of private memory; beyond, an allocation fails), `max_cpu` (seconds; then SIGXCPU),
    `max_open_files`. `nice`: so much lower is its priority, 0 to 19.

    Raises DefinitionError for an empty argv, a NUL character, a negative time, a limit that is no
    whole number above zero, a pattern that is no regular expression, or an unknown encoding.
    """

    argv: tuple[str, ...] = field(converter=_argv)
    cwd: Path | None = field(default=None)
    env: Mapping[str, str] = field(factory=dict)
    stdin: bytes | int | None = field(default=None, repr=False)
    timeout: float | None = field(default=None, validator=_seconds)
    hang_timeout: float | None = field(default=None, validator=_seconds)
    grace: float = field(default=10.0, validator=_seconds)
    linger: float = field(default=5.0, validator=_seconds)
    done_pattern: str | None = field(default=None)
    done: Callable[[str], bool] | None = None
    completed_ok: bool = False
    activity: Path | None = None
    encoding: str = field(default="utf-8")
    redact: tuple[str, ...] = field(default=(), converter=_texts, repr=False)
    merge_stderr: bool = False
    max_memory: int | None = field(default=None, validator=_limit)
    max_cpu: int | None = field(default=None, validator=_limit)
    max_open_files: int | None = field(default=None, validator=_limit)
    nice: int = field(default=0)

    @classmethod
    def python(cls, module: str, *words: str, request: object = None, **more: Any) -> Command:
        """A command that runs a Python module of this environment: a stage's worker.

        `request`, an attrs object or any JSON value, is given to it on standard input. The worker
        reads it with `pipekit.worker.request(Request)` or `request()`.
        """
        stdin = None if request is None else request_bytes(request)
        return cls(argv=(sys.executable, "-m", module, *words), stdin=stdin, **more)

    @argv.validator
    def _check_argv(self, _attribute: object, value: tuple[str, ...]) -> None:
        if not value or not value[0]:
            raise DefinitionError("argv is empty: name the program to run")
        if any("\0" in word for word in value):
            raise DefinitionError("argv holds a NUL character, which no program can be given")

    @env.validator
    def _check_env(self, _attribute: object, value: Mapping[str, str]) -> None:
        for name, text in value.items():
            if not name or "=" in name or "\0" in name or "\0" in text:
                raise DefinitionError(f"env: {name!r} cannot be an environment variable")

    @cwd.validator
    def _check_cwd(self, _attribute: object, value: Path | None) -> None:
        if value is not None and "\0" in str(value):
            raise DefinitionError("cwd holds a NUL character, which no folder's name can")

    @nice.validator
    def _check_nice(self, _attribute: object, value: int) -> None:
        if value not in range(20):
            raise DefinitionError(f"nice is a whole number from 0 to 19, not {value!r}")

    @done_pattern.validator
    def _check_pattern(self, _attribute: object, value: str | None) -> None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise DefinitionError(
                f"done_pattern {value!r} is no regular expression: {error}"
            ) from None

    @encoding.validator
    def _check_encoding(self, _attribute: object, value: str) -> None:
        try:
            " ".encode(value)
        except (LookupError, UnicodeError):
            raise DefinitionError(
                f"encoding {value!r} is not known; for example utf-8 or cp1252"
            ) from None


@frozen(kw_only=True)
class StreamResult:
    """What one output stream of a command left behind.

    `spool`: the file with the bytes (None where none could be kept); `size`: bytes written by the
    child; `lines`: line ends seen; `tail`: the last 64 KiB as text; `dropped`: bytes not in the
    spool; `decode_errors`: bytes that were no text; `last_output`: seconds after the start.
    """

    spool: Path | None = None
    size: int = 0
    lines: int = 0
    tail: str = ""
    dropped: int = 0
    decode_errors: int = 0
    last_output: float | None = None


@frozen(kw_only=True)
class SentSignal:
    """A signal of the stop ladder: its name, seconds after the start, how many processes."""

    name: str
    at: float
    count: int


@frozen(kw_only=True)
class ProcessSnapshot:
    """What one process of a tree was doing in the moment before the tree was stopped.

    `state`: one word (running, sleeping, waiting for a disk, stopped, ...); `waits_in`: the kernel
    function that it sleeps in, or empty where that cannot be told; `cpu`: seconds used; `rss`:
    bytes; `command`: its words, at most 200 characters, secrets masked.
    """

    pid: int
    parent: int
    state: str
    waits_in: str = ""
    cpu: float = 0.0
    rss: int = 0
    command: str = ""

    def __str__(self) -> str:
        where = f" in {self.waits_in}" if self.waits_in else ""
        return f"{self.pid} {self.state}{where}, {self.cpu:.1f} s of CPU: {self.command}"


@frozen(kw_only=True)
class ProcessResult:
    """What came of one supervised command; true exactly when it was a success.

    `returncode`: the leader's (negative: ended by that signal), None where there is none.
    `started`: Unix time; `duration`: seconds. `peak_rss` (bytes) and `cpu_seconds` of the tree,
    with `usage_source` naming where they come from. `survivors`: processes that outlived their
    leader and were killed; `escaped`: those that could not be ended. `out_of_memory`: the leader
    was killed while the kernel's out-of-memory killer was at work. `snapshot`: of a command that
    hung or took too long, each of its processes before it was stopped. `reason`: one clause.
    """

    outcome: Outcome
    returncode: int | None = None
    signal: str | None = None
    stdout: StreamResult = field(factory=StreamResult)
    stderr: StreamResult = field(factory=StreamResult)
    started: float = 0.0
    duration: float = 0.0
    peak_rss: int | None = None
    cpu_seconds: float | None = None
    usage_source: str = ""
    signals: tuple[SentSignal, ...] = ()
    survivors: int = 0
    escaped: tuple[int, ...] = ()
    out_of_memory: bool = False
    snapshot: tuple[ProcessSnapshot, ...] = ()
    success: bool = False
    reason: str = ""
    warnings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.success
