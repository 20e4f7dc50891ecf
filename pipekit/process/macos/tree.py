"""A process tree as psutil sees it, for POSIX systems without a /proc like Linux's.

Slower than procfs.py (it looks at every process of the host each time) and not exact while
processes come and go. Run on Linux by the tests; not exercised on macOS.
"""

from __future__ import annotations

import os
import sys

from pipekit.model.command import ProcessSnapshot
from pipekit.process.sight import snapshot
from pipekit.process.start import TREE_VARIABLE, carries
from pipekit.process.tree import Member, Reading

assert sys.platform != "win32"  # for the type checker: half of this is not there


class PsutilTree:
    """The tree below `leader`, which must not be reaped while this is asked (its number is used).

    `name`: what every process of the tree carries in its environment.
    """

    def __init__(self, leader: int, name: str) -> None:
        self._leader = leader
        self._name = name

    def members(self) -> list[Member]:
        """See `Tree`."""
        import psutil

        found: dict[int, Member] = {}
        for process in psutil.process_iter():
            pid = process.pid
            if pid in (0, self._leader) or pid == os.getpid():
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

    def forget_leader(self) -> None:
        """See `Tree`."""
        self._leader = -1

    def readings(self) -> list[Reading]:
        """See `Tree`. Bytes read and written are known where the system tells them (not macOS)."""
        import psutil

        try:
            leader = psutil.Process(self._leader)
            processes = [leader, *leader.children(recursive=True)]
        except psutil.Error:
            return []
        return [reading for process in processes if (reading := self._reading(process))]

    def snapshot(self) -> list[ProcessSnapshot]:
        """See `Tree`."""
        return snapshot(self._leader)

    def _belongs(self, process: object) -> bool:
        import psutil

        assert isinstance(process, psutil.Process)
        pid = process.pid
        if self._leader in (os.getsid(pid), os.getpgid(pid), process.ppid()):
            return True
        try:
            return carries(process.environ().get(TREE_VARIABLE, ""), self._name)
        except (psutil.Error, OSError):  # not ours to see
            return False

    @staticmethod
    def _reading(process: object) -> Reading | None:
        import psutil

        assert isinstance(process, psutil.Process)
        try:
            with process.oneshot():
                times, memory = process.cpu_times(), process.memory_info()
                waited = getattr(times, "children_user", 0) + getattr(times, "children_system", 0)
                moved = process.io_counters() if hasattr(process, "io_counters") else ()
                return Reading(
                    pid=process.pid,
                    started=process.create_time(),
                    cpu=times.user + times.system,
                    waited=waited,
                    io=sum(moved),
                    rss=memory.rss,
                    peak_rss=memory.rss,
                )
        except psutil.Error:
            return None


def group_of(pid: int, started: float) -> int | None:
    """The process group of a live process, or None when that process is gone."""
    import psutil

    try:
        return os.getpgid(pid) if psutil.Process(pid).create_time() == started else None
    except (psutil.Error, OSError):
        return None


def ended(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # also what psutil calls a zombie in some systems
        return True
    except psutil.Error:
        return False
