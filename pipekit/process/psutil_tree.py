"""Process trees and what they use, by psutil: for systems without Linux's /proc."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from pipekit.model.command import ProcessSnapshot
from pipekit.process.child import Child, ProcessUsage

if TYPE_CHECKING:
    import psutil

_T = TypeVar("_T")


def usage(child: Child) -> list[ProcessUsage]:
    """See `Child`. Bytes read and written are included if the system reports them."""
    return _each(child, _usage)


def snapshot(child: Child) -> list[ProcessSnapshot]:
    """See `Child`, as far as the system tells."""
    return _each(child, _snapshot)


def _each(child: Child, look: Callable[[psutil.Process], _T]) -> list[_T]:
    import psutil  # slow to import; only while a tree is watched

    found = []
    for pid in (child.pid, *(member.pid for member in child.members())):
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                found.append(look(process))
        except psutil.Error:  # it has exited, or may not be looked at
            continue
    return found


def _usage(process: psutil.Process) -> ProcessUsage:
    times, memory = process.cpu_times(), process.memory_info()
    waited = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    io = process.io_counters() if hasattr(process, "io_counters") else None  # macOS has none
    return ProcessUsage(
        pid=process.pid,
        started=process.create_time(),
        cpu=times.user + times.system,
        waited=waited,
        io=sum(io[:4]) if io else 0,  # reads, writes, and the bytes of both
        rss=memory.rss,
        peak_rss=getattr(memory, "peak_wset", memory.rss),  # Windows tells the peak
    )


def _snapshot(process: psutil.Process) -> ProcessSnapshot:
    times = process.cpu_times()
    return ProcessSnapshot(
        pid=process.pid,
        parent=process.ppid(),
        state=process.status(),
        cpu=times.user + times.system,
        rss=process.memory_info().rss,
        command=" ".join(process.cmdline()) or process.name(),
    )
