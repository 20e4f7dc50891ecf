"""Programs that are hard to end, for the benchmark; the standard library alone.

    trees.py NAME READY

Each makes the file READY when all of its processes are up, and ends by itself after a minute,
whatever becomes of the benchmark.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

LIFETIME = 60.0  # seconds
HOP = 0.003  # seconds that one process of the hopper lives


def ready() -> None:
    """Say that all processes are up."""
    with open(sys.argv[2], "x", encoding="ascii"):
        pass


def sleep() -> None:
    """Until the end of the lifetime."""
    time.sleep(LIFETIME)


def stubborn() -> None:
    """One process that ignores SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready()
    sleep()


def holder() -> None:
    """The leader ends with 0; its child lives on and keeps standard output open."""
    if os.fork() == 0:
        sleep()
        os._exit(0)
    ready()


def daemon() -> None:
    """A second process, forked twice, in a session of its own; the leader stays."""

    def work() -> None:
        os.closerange(3, 64)
        sleep()

    daemonize(work)
    ready()
    sleep()


def hidden() -> None:
    """The same, and it ignores SIGTERM and has emptied its environment."""

    def work() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.execve(sys.executable, [sys.executable, __file__, "sleep"], {})

    daemonize(work)
    ready()
    sleep()


def hopper() -> None:
    """A second process that forks and ends every few milliseconds; the leader stays."""
    if os.fork() == 0:
        end = time.monotonic() + LIFETIME
        while time.monotonic() < end:
            time.sleep(HOP)
            if os.fork():
                break
        os._exit(0)
    ready()
    sleep()


def stopped() -> None:
    """One process, stopped with SIGSTOP."""
    ready()
    os.kill(os.getpid(), signal.SIGSTOP)
    sleep()


def daemonize(work: Callable[[], None]) -> None:
    """Do `work` in a process that has left session, group, parent and standard streams.

    Returns when that has closed what it inherited, as exec does.
    """
    ours, theirs = os.pipe()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os.close(theirs)
        os.read(ours, 1)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    work()
    os._exit(0)


if __name__ == "__main__":
    trees = (stubborn, holder, daemon, hidden, hopper, stopped, sleep)
    {tree.__name__: tree for tree in trees}[sys.argv[1]]()
