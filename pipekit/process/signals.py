"""Signals to the process groups of a tree, never to our own, and late reaping (POSIX)."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterable

from pipekit.process.child import Force, Member

assert sys.platform != "win32"  # tells the type checker that process groups exist

# a stopped process reacts to SIGTERM only after SIGCONT
SIGNALS = {Force.POLITE: (signal.SIGTERM, signal.SIGCONT), Force.HARD: (signal.SIGKILL,)}


def signal_members(
    force: Force, members: Iterable[Member], group_of: Callable[[int, float], int | None]
) -> None:
    """Signal the groups of these processes: a group cannot fork away from a signal.

    `group_of(pid, started)`: the group of that live process, or None when it has exited.
    A member that has exited by now is skipped, since its group id may belong to another program.
    """
    for member in {member.group: member for member in members}.values():
        with contextlib.suppress(OSError):  # cannot be looked up: rather signal nobody
            group = group_of(member.pid, member.started)
            if group is not None:
                signal_group(force, group)


def signal_group(force: Force, group: int) -> None:
    """Signal one process group, unless it is ours."""
    if group <= 1 or group == os.getpgrp():
        return
    for number in SIGNALS[force]:
        # PermissionError: nobody in the group may be signalled by us
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def reap(children: list[int]) -> None:
    """Reap those of these children that have exited, and take them off the list."""
    for pid in children[:]:
        try:
            done = os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:  # somebody else reaped it, or this process ignores SIGCHLD
            done = True
        if done:
            with contextlib.suppress(ValueError):  # another thread was quicker
                children.remove(pid)
