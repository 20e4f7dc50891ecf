"""A command to supervise, and the result of supervising it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from attrs import field, frozen

from pipekit.errors import DefinitionError
from pipekit.model.validators import as_strings
from pipekit.worker._request import request_bytes


class Outcome(StrEnum):
    """How the supervision of one command ended."""

    EXITED = "exited"  # on its own, with any exit code, or by a signal that we did not send
    TIMED_OUT = "timed_out"
    HUNG = "hung"
    COMPLETED = "completed"  # `done_pattern` or `done` matched
    CANCELLED = "cancelled"
    SPAWN_FAILED = "spawn_failed"
    LOST = "lost"  # its exit status is unknown; never a success


def _seconds(_instance: object, attribute: Any, value: float | None) -> None:
    if value is not None and not value >= 0:
        raise DefinitionError(
            f"{attribute.name} must be a number of seconds (0 or more), not {value!r}"
        )


def _limit(_instance: object, attribute: Any, value: int | None) -> None:
    if value is not None and (not isinstance(value, int) or value <= 0):
        raise DefinitionError(
            f"{attribute.name} must be a whole number greater than 0, not {value!r}"
        )


@frozen(kw_only=True)
class Command:
    """One program to run under supervision.

    `argv`: the program and its arguments. `cwd`: its working directory (default: the caller's).
    `env`: variables added to the few that every child inherits. `stdin`: bytes to read, or a file
    descriptor to inherit; empty by default.

    Times are in seconds. `timeout`: the maximum duration. `hang_timeout`: the maximum time without
    output, without growth of the `activity` file and with an idle process tree. `grace`: the time
    between SIGTERM and SIGKILL. `linger`: the time to exit after the work is done.

    `done_pattern` (a regular expression, searched in each line of output) or `done` (a predicate
    on a line) declare the work done before the program exits; with `completed_ok` that counts as
    success. `redact`: strings replaced by `***` in all stored output and messages.

    `encoding`: of its output (bytes that are invalid in it are counted and shown as U+FFFD); Python
    programs are told to use it. `merge_stderr`: stderr goes into stdout, in the order of writing,
    and the result has no stderr of its own.

    Limits, enforced by the system on each process of the command: `max_memory` (bytes of private
    memory; further allocations fail), `max_cpu` (seconds; then SIGXCPU), `max_open_files`. `nice`:
    how much to lower the priority, 0 to 19.

    Raises DefinitionError for an empty argv, a NUL character, a negative time, a limit that is not
    a positive whole number, an invalid regular expression, or an unknown encoding.
    """

    argv: tuple[str, ...] = field(converter=as_strings)
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
    redact: tuple[str, ...] = field(default=(), converter=as_strings, repr=False)
    merge_stderr: bool = False
    max_memory: int | None = field(default=None, validator=_limit)
    max_cpu: int | None = field(default=None, validator=_limit)
    max_open_files: int | None = field(default=None, validator=_limit)
    nice: int = field(default=0)

    @classmethod
    def python(cls, module: str, *words: str, request: object = None, **more: Any) -> Command:
        """Run a Python module of this environment: `python -P -m module words...`.

        It imports nothing from its working directory, which is full of other people's files.
        `request`, an attrs object or any JSON value, is passed on standard input. The worker reads
        it with `pipekit.worker.request(Request)` or `request()`.
        """
        stdin = None if request is None else request_bytes(request)
        return cls(argv=(sys.executable, "-P", "-m", module, *words), stdin=stdin, **more)

    @argv.validator
    def _check_argv(self, _attribute: object, value: tuple[str, ...]) -> None:
        if not value or not value[0]:
            raise DefinitionError("argv is empty: name the program to run")
        if any("\0" in word for word in value):
            raise DefinitionError(
                "argv contains a NUL character, which cannot be passed to a program"
            )

    @env.validator
    def _check_env(self, _attribute: object, value: Mapping[str, str]) -> None:
        for name, text in value.items():
            if not name or "=" in name or "\0" in name or "\0" in text:
                raise DefinitionError(f"env: {name!r} is not a valid environment variable")

    @cwd.validator
    def _check_cwd(self, _attribute: object, value: Path | None) -> None:
        if value is not None and "\0" in str(value):
            raise DefinitionError("cwd contains a NUL character, which is not allowed in a path")

    @nice.validator
    def _check_nice(self, _attribute: object, value: int) -> None:
        if value not in range(20):
            raise DefinitionError(f"nice must be a whole number from 0 to 19, not {value!r}")

    @done_pattern.validator
    def _check_pattern(self, _attribute: object, value: str | None) -> None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise DefinitionError(
                f"done_pattern {value!r} is not a valid regular expression: {error}"
            ) from None

    @encoding.validator
    def _check_encoding(self, _attribute: object, value: str) -> None:
        try:
            " ".encode(value)
        except (LookupError, UnicodeError):
            raise DefinitionError(
                f"unknown encoding {value!r}; use for example utf-8 or cp1252"
            ) from None


class StreamResult(NamedTuple):
    """What a command wrote to stdout or stderr.

    `spool`: the file that holds it (None if there is none). `size`: bytes written. `lines`: line
    ends. `tail`: the last 64 KiB as text. `dropped`: bytes missing from the spool. `decode_errors`:
    bytes that are not valid in the encoding. `last_output`: seconds since the start.
    """

    spool: Path | None = None
    size: int = 0
    lines: int = 0
    tail: str = ""
    dropped: int = 0
    decode_errors: int = 0
    last_output: float | None = None


class SentSignal(NamedTuple):
    """A signal sent to stop a command: its name, when (seconds since the start), to how many."""

    name: str
    at: float
    count: int  # type: ignore[assignment]  # nobody counts the items of this tuple


class ProcessSnapshot(NamedTuple):
    """What one process of a command was doing just before it was stopped.

    `state`: running, sleeping, waiting for a device, stopped, ... `waits_in`: the kernel function
    that it sleeps in, empty if unknown. `cpu`: seconds. `rss`: bytes. `command`: its
    command line, at most 200 characters, with secrets masked.
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


class ProcessResult(NamedTuple):
    """The result of one supervised command; true exactly when it succeeded.

    `returncode`: of the command itself (negative: the signal that ended it), None if unknown.
    `started`: Unix time. `duration`: seconds. `peak_rss` (bytes) and `cpu_seconds`: of the whole
    process tree; `usage_source` says how they were measured. `survivors`: descendants that were
    still running when the command exited, and were killed. `escaped`: process ids that could not
    be killed. `undelivered`: lines or bytes of output that a callback did not get. `out_of_memory`:
    it was killed while the kernel's out-of-memory killer was active. `snapshot`: the processes of a
    command that hung or timed out, just before it was stopped. `reason`: one clause that says how
    it ended.
    """

    outcome: Outcome
    returncode: int | None = None
    signal: str | None = None
    stdout: StreamResult = StreamResult()
    stderr: StreamResult = StreamResult()
    started: float = 0.0
    duration: float = 0.0
    peak_rss: int | None = None
    cpu_seconds: float | None = None
    usage_source: str = ""
    signals: tuple[SentSignal, ...] = ()
    survivors: int = 0
    escaped: tuple[int, ...] = ()
    undelivered: int = 0
    out_of_memory: bool = False
    snapshot: tuple[ProcessSnapshot, ...] = ()
    success: bool = False
    reason: str = ""
    warnings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.success
