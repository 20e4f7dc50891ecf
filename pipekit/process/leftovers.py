"""Kills leftover processes: those whose environment names a given tree or supervisor."""

from __future__ import annotations

import os
import sys
import time

from pipekit.errors import DefinitionError
from pipekit.process.child import Force
from pipekit.process.stop import KILL_TIMEOUT


def kill_leftovers(cookie: str) -> tuple[int, int]:
    """Kill the remaining processes of the supervisors with this cookie, which must be dead.

    For processes that outlived even their guardian, because both were killed. Returns their number,
    and the number of those still alive half a second later. A process that has dropped
    its environment is not found. Raises DefinitionError for an empty cookie.

    On Windows there is never anything to find: a job ends with its last handle.
    """
    if not cookie:
        raise DefinitionError("kill_leftovers: the cookie is empty, so every process would match")
    if sys.platform == "win32":
        return 0, 0
    if sys.platform == "linux":
        from pipekit.process.linux import procfs as system  # the back end of this system
    else:
        from pipekit.process.macos import child as system  # the back end of this system
    from pipekit.process import signals  # not importable on Windows

    deadline = time.monotonic() + KILL_TIMEOUT
    found: set[tuple[int, float]] = set()
    while members := [
        member for member in system.members_by_name(cookie) if member.pid != os.getpid()
    ]:
        for member in members:
            signals.signal_group(Force.HARD, member.group)
            found.add((member.pid, member.started))
        if time.monotonic() >= deadline:
            break
        time.sleep(0.005)
        signals.reap([pid for pid, _ in found])  # usually no children of ours
    return len(found), len(members)
