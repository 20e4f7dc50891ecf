"""What processes use: readings of single processes, summed up for a tree that comes and goes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class ProcessUsage(NamedTuple):
    """What one live process has used since its start.

    `cpu`: seconds of its own; `waited`: CPU seconds of the children it waited for; `io`: a count
    that grows with each byte read or written; `rss`, `peak_rss`: resident memory now and at its
    peak, in bytes.
    """

    pid: int
    started: float
    cpu: float
    waited: float
    io: int
    rss: int
    peak_rss: int


_NOTHING = ProcessUsage(0, 0.0, 0.0, 0.0, 0, 0, 0)


class TreeUsage:
    """Sums up what the processes of a tree use, one sample after the other."""

    def __init__(self) -> None:
        self.peak_rss: int | None = None
        self.cpu = 0.0
        self.io_changes = 0  # samples in which bytes had moved
        self._last: dict[tuple[int, float], ProcessUsage] = {}

    def add(self, sample: Iterable[ProcessUsage]) -> None:
        """Take the usage of all live processes at one moment."""
        now = {(usage.pid, usage.started): usage for usage in sample}
        if not now:
            return
        resident = sum(usage.rss for usage in now.values())
        single = max(usage.peak_rss for usage in now.values())
        self.peak_rss = max(self.peak_rss or 0, resident, single)
        own = waited = 0.0
        moved = False
        for key, usage in now.items():
            before = self._last.get(key, _NOTHING)
            own += max(usage.cpu - before.cpu, 0.0)
            waited += max(usage.waited - before.waited, 0.0)
            moved = moved or usage.io != before.io
        exited = (last for key, last in self._last.items() if key not in now)
        counted = sum(last.cpu + last.waited for last in exited)  # their parent reports it again
        self.cpu += own + max(waited - counted, 0.0)
        self.io_changes += moved
        self._last = now
