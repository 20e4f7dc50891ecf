"""Watches the resources that a tree uses, and detects a hang."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipekit.process.child import Child, ProcessUsage

_FIRST_SAMPLE = 0.01  # seconds after the start; the interval then doubles
_LONGEST_INTERVAL = 1.0  # seconds between two samples of a long command
_NETWORK_LOOKS = 10  # in the time of a hang
_HANDSHAKE = 2  # bytes that Linux counts for opening and closing a connection
_IDLE = 0.01  # of a core: below that, CPU time is no sign of life

_NOTHING = ProcessUsage(0, 0.0, 0.0, 0.0, 0, 0, 0)


class TreeUsage:
    """Sums up the resource usage of a tree, sample by sample."""

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


class HangWatch:
    """Samples a tree at growing intervals. Times are seconds after the start of the command.

    With `hang_timeout`, the tree `hung` once that time has passed without output, growth of the
    file `activity`, or bytes read, written, received or sent, and with less than 1 % of a core
    used. The network is looked at ten times in that time, and only while nothing else is a sign of
    life: it costs the most.
    """

    def __init__(self, child: Child, hang_timeout: float | None, activity: Path | None) -> None:
        self._child = child
        self._hang_timeout = float("inf") if hang_timeout is None else hang_timeout
        self._longest = min(_LONGEST_INTERVAL, max(self._hang_timeout / 20, _FIRST_SAMPLE))
        self._activity = activity
        self._size = self._activity_size()
        self._interval = _FIRST_SAMPLE
        self._next = _FIRST_SAMPLE
        self._last_sign = 0.0  # when output, activity or bytes were last seen
        self._io_changes = 0
        self._network: Mapping[int, int] = {}
        self._network_due = 0.0
        self._cpu: deque[tuple[float, float]] = deque([(0.0, 0.0)])
        self.usage = TreeUsage()

    def due(self) -> float:
        """When to `sample` next."""
        hang_at = self._last_sign + self._hang_timeout  # a sample is needed then, not before
        return min(self._next, hang_at) if hang_at > self._cpu[-1][0] else self._next

    def output(self, now: float) -> None:
        """Note a sign of life."""
        self._last_sign = now

    def sample(self, now: float) -> None:
        """Take a sample if one is due."""
        if now < self.due():
            return
        try:
            self.usage.add(self._child.usage())
        except OSError:  # cannot look now: without a sample, nothing is said to hang
            self._last_sign = now
        if self._hang_timeout < float("inf"):
            self._note_signs_of_life(now)
        self._interval = min(2 * self._interval, self._longest)
        self._next = now + self._interval

    def hung(self, now: float) -> bool:
        """Whether the tree showed no sign of life for `hang_timeout`, up to the last sample."""
        hang_at = self._last_sign + self._hang_timeout
        if now < hang_at or self._cpu[-1][0] < hang_at:
            return False
        since, before = self._cpu[0]
        return self.usage.cpu - before < _IDLE * (now - since)

    def _note_signs_of_life(self, now: float) -> None:
        size = self._activity_size()
        if (
            size != self._size
            or self.usage.io_changes != self._io_changes
            or self._network_moved(now)
        ):
            self._last_sign = now
        self._size, self._io_changes = size, self.usage.io_changes
        self._cpu.append((now, self.usage.cpu))
        while len(self._cpu) > 1 and self._cpu[1][0] <= now - self._hang_timeout:
            self._cpu.popleft()

    def _network_moved(self, now: float) -> bool:
        """Whether bytes have moved since the last look, if it is time for another."""
        if now < min(self._network_due, self._last_sign + self._hang_timeout):
            return False
        self._network_due = now + self._hang_timeout / _NETWORK_LOOKS
        before = self._network
        try:
            self._network = self._child.network()
        except (OSError, ImportError):  # cannot look now, perhaps for lack of descriptors
            return True
        return any(moved > before.get(i, _HANDSHAKE) for i, moved in self._network.items())

    def _activity_size(self) -> int:
        try:
            return os.stat(self._activity).st_size if self._activity else 0
        except OSError:
            return -1
