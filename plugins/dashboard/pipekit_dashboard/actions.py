"""What `--actions` allows: each starts the `pipekit` command as a process of its own, and is noted.

Nothing of it happens in the server, so that it goes on when the server stops.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from pipekit import PipekitError

FILE = "dashboard_actions.jsonl"  # in the logs folder
_SHOWN = 20
_TAIL = 256 * 1024
_DURATION = re.compile(r"[0-9]{1,5}[mhdw]")
_LONGEST_REASON = 200
_NO_REASON = "asked for in the browser"


class WrongActionError(PipekitError):
    """An action that there is not, or with a field that says nothing."""


class Done(NamedTuple):
    """An action as it was noted. `exit_code`: None while it goes on, or if nobody waited for it."""

    at: float
    who: str
    words: tuple[str, ...]
    pid: int
    exit_code: int | None = None


def _hold(fields: Mapping[str, str]) -> list[str]:
    how_long, reason = fields.get("for", ""), " ".join(fields.get("reason", "").split())
    if not _DURATION.fullmatch(how_long):
        raise WrongActionError("write how long as 30m, 2h or 1d")
    return [
        "hold",
        "--for",
        how_long,
        "--reason",
        reason[:_LONGEST_REASON] or _NO_REASON,
    ]


def _restore(fields: Mapping[str, str]) -> list[str]:
    run = fields.get("run", "")
    if not run.isascii() or not run.isdecimal() or len(run) > 12:
        raise WrongActionError("say which run by its number")
    return ["lifecycle", "restore", run]


_COMMANDS: Mapping[str, Callable[[Mapping[str, str]], list[str]]] = {
    "run": lambda _: ["run"],
    "stop": lambda _: ["stop"],
    "hold": _hold,
    "release": lambda _: ["release"],
    "restore": _restore,
}


class Actions:
    """Starts commands, and waits for them so that their exit code is noted."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Task[None]] = set()

    async def start(
        self, name: str, root: Path, logs: Path, fields: Mapping[str, str], peer: str
    ) -> Done:
        """Start a command. Raises WrongActionError, or PipekitError if it cannot be started."""
        if name not in _COMMANDS:
            raise WrongActionError("there is no such action")
        words = _COMMANDS[name](fields)
        argv = [sys.executable, "-P", "-m", "pipekit", "-C", str(root), *words]
        try:
            process = subprocess.Popen(
                argv,
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise PipekitError(f"cannot start pipekit: {error.strerror}") from error
        done = Done(time.time(), f"{getpass.getuser()} from {peer}", tuple(words), process.pid)
        _note(logs, done)
        task = asyncio.create_task(self._wait(process, logs, done))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)
        return done

    async def _wait(self, process: subprocess.Popen[bytes], logs: Path, done: Done) -> None:
        while process.poll() is None:  # nobody else tells when it has ended
            await asyncio.sleep(0.2)
        _note(logs, done._replace(exit_code=process.returncode))


def latest(logs: Path) -> list[Done]:
    """The latest actions, the newest first."""
    found: dict[tuple[float, int], Done] = {}
    try:
        with (logs / FILE).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            for line in file.read().splitlines():
                done = _done(line)
                if done is not None:
                    found[done.at, done.pid] = done
    except OSError:
        return []
    return list(found.values())[-_SHOWN:][::-1]


def _done(line: bytes) -> Done | None:
    try:
        values = json.loads(line)
        at, pid, code = float(values["at"]), int(values["pid"]), values.get("exit_code")
        words = tuple(map(str, values["words"]))
        return Done(at, str(values["who"]), words, pid, code if isinstance(code, int) else None)
    except (ValueError, KeyError, TypeError):
        return None


def _note(logs: Path, done: Done) -> None:
    """Append a line to the file of actions. Raises PipekitError."""
    try:
        logs.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(logs / FILE, flags, 0o600)
        with open(descriptor, "wb") as file:
            file.write(json.dumps(done._asdict()).encode() + b"\n")
    except OSError as error:
        raise PipekitError(f"cannot write {logs / FILE}: {error.strerror}") from error
