"""The tree of a command as psutil sees it, for POSIX systems without Linux's /proc.

It looks at every process of the host each time, and is not exact while processes come and go.
NOT EXERCISED on macOS: the tests run it on Linux.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pipekit.process.child import Member
from pipekit.process.start import TREE_VARIABLE, belongs_to

if TYPE_CHECKING:
    import psutil

assert sys.platform != "win32"  # tells the type checker that sessions and groups exist


class PsutilTree:
    """The tree of `leader`, whose pid must stay taken meanwhile.

    `name`: of the tree, as each process has it in its environment.
    """

    def __init__(self, leader: int, name: str) -> None:
        self._leader = leader
        self._name = name

    def members(self) -> list[Member]:
        """The live processes of the tree without the leader."""
        import psutil

        found: dict[int, Member] = {}
        for process in psutil.process_iter():
            pid = process.pid
            if pid in (0, self._leader, os.getpid()):
                continue
            try:
                parent = process.ppid()
                if not self._belongs(process) and parent not in found:
                    continue
                if process.status() != psutil.STATUS_ZOMBIE:
                    found[pid] = Member(pid, os.getpgid(pid), process.create_time())
            except (psutil.Error, ProcessLookupError, PermissionError):
                continue
        return list(found.values())

    def pids(self) -> list[int]:
        """The leader and its descendants; none when it has exited."""
        import psutil

        try:
            children = psutil.Process(self._leader).children(recursive=True)
        except psutil.Error:
            return []
        return [self._leader, *(child.pid for child in children)]

    def _belongs(self, process: psutil.Process) -> bool:
        import psutil

        pid = process.pid
        if self._leader in (os.getsid(pid), os.getpgid(pid), process.ppid()):
            return True
        try:
            return belongs_to(process.environ().get(TREE_VARIABLE, ""), self._name)
        except (psutil.Error, OSError):  # its environment may not be read
            return False


def members_by_name(name: str) -> list[Member]:
    """The live processes with this name in their environment, and their children.

    `name`: a tree, or the cookie of a supervisor.
    """
    return PsutilTree(-1, name).members()


def group_of(pid: int, started: float) -> int | None:
    """The process group of a live process, or None when that process has exited."""
    import psutil

    try:
        return os.getpgid(pid) if psutil.Process(pid).create_time() == started else None
    except (psutil.Error, OSError):
        return None


def has_exited(pid: int) -> bool:
    """Whether a process has exited, reaped or not."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # on some systems psutil's word for a zombie
        return True
    except psutil.Error:
        return False
