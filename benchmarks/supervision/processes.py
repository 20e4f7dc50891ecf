"""Processes as /proc shows them, looked at from outside; knows no tool and no tree."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from dataclasses import dataclass

_SET_CHILD_SUBREAPER = 36  # prctl(2)


@dataclass(frozen=True)
class Process:
    """One process that is not a zombie: its parent, and the words that it was started with."""

    pid: int
    parent: int
    words: tuple[str, ...]


def adopt() -> None:
    """Become the parent of every descendant that loses its own. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def descendants(root: int) -> list[Process]:
    """All live processes below `root`, whatever session, group or environment they have.

    A walk from parent to child, each looked at as soon as it is found: a list of all of /proc is
    so slow that a process which lives for milliseconds is gone when its turn comes.
    """
    found = []
    for pid in children(root):
        with contextlib.suppress(OSError, ValueError):
            state, parent = _status(pid)
            if state not in "ZX":
                found.append(Process(pid, parent, _words(pid)))
        found += descendants(pid)
    return found


def children(parent: int) -> list[int]:
    """The numbers of a process's own children, zombies among them; none if it is gone."""
    found = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{parent}/task"):
            with open(f"/proc/{parent}/task/{thread}/children", encoding="ascii") as file:
                found += [int(pid) for pid in file.read().split()]
    return found


def _status(pid: int) -> tuple[str, int]:
    """Its state's letter and its parent."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        after_name = file.read().rpartition(")")[2].split()
    return after_name[0], int(after_name[1])


def _words(pid: int) -> tuple[str, ...]:
    with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
        return tuple(file.read().split("\0")[:-1])


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads that a process has, to the nanosecond; 0 for one that is gone."""
    total = 0
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                total += int(file.read().split()[0])
    return total / 1e9


def reap(keep: int = 0) -> None:
    """Take the status of dead children, but for `keep`, whose own waiter needs it."""
    for pid in children(os.getpid()):
        if pid != keep:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def end_all(patience: float) -> list[Process]:
    """Kill everything below this process, each by its number; what is still there in the end.

    A process that forks all the time can be missed by a look, so its line is caught at the place
    where each of its members lands that lost its parent: among our own children.
    """
    end = time.monotonic() + patience
    while True:
        left = descendants(os.getpid())
        for process in left:
            _kill(process.pid)
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
