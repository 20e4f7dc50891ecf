"""Processes as /proc shows them, looked at from outside."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time

_SET_CHILD_SUBREAPER = 36  # prctl(2)


def adopt() -> None:
    """Become the parent of every descendant that loses its own. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def descendants(root: int) -> dict[int, tuple[str, ...]]:
    """The words of all live processes below `root`, by pid, whatever session or group they are in.

    A walk from parent to child, each looked at as soon as it is found: a list of all of /proc is
    so slow that a process which lives for milliseconds is gone when its turn comes.
    """
    found = {}
    for pid in children(root):
        with contextlib.suppress(OSError, ValueError):
            if _read(pid, "stat").rpartition(")")[2].split()[0] not in "ZX":
                found[pid] = tuple(_read(pid, "cmdline").split("\0")[:-1])
        found |= descendants(pid)
    return found


def children(parent: int) -> list[int]:
    """The numbers of a process's own children, zombies among them; none if it is gone."""
    found = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{parent}/task"):
            found += map(int, _read(parent, f"task/{thread}/children").split())
    return found


def _read(pid: int, name: str) -> str:
    with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
        return file.read()


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads that a process has, to the nanosecond; 0 for one that is gone."""
    total = 0
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                total += int(_read(pid, f"task/{thread}/schedstat").split()[0])
    return total / 1e9


def reap(keep: int = 0) -> None:
    """Take the status of dead children, but for `keep`, whose own waiter needs it."""
    for pid in children(os.getpid()):
        if pid != keep:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def end_all(patience: float = 10) -> dict[int, tuple[str, ...]]:
    """Kill everything below this process, each by its number; what is still there in the end.

    A process that forks all the time can be missed by a look, so its line is caught at the place
    where each of its members lands that lost its parent: among our own children.
    """
    end = time.monotonic() + patience
    while True:
        left = descendants(os.getpid())
        for pid in left:
            _kill(pid)
        until = time.monotonic() + 0.05
        while time.monotonic() < until:
            for pid in children(os.getpid()):
                _kill(pid)
            reap()
        if not left or time.monotonic() > end:
            return left


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
