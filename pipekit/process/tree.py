"""The shape in which process trees are described, and how much a tree has used up so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from pipekit.model.command import ProcessSnapshot


class Member(NamedTuple):
    """A live process of a tree; `started` tells it from a later one with the same number."""

    pid: int
    group: int
    started: float


class Reading(NamedTuple):
    """What a live process has used since its start.

    CPU seconds of its own, CPU seconds of the children it waited for, bytes read and written,
    resident memory now and at its peak, in bytes.
    """

    pid: int
    started: float
    cpu: float
    waited: float
    io: int
    rss: int
    peak_rss: int


_NOTHING = Reading(0, 0.0, 0.0, 0.0, 0, 0, 0)


class Tree(Protocol):
    """How to look at the tree below a leader."""

    def members(self) -> list[Member]:
        """The live processes of the tree without the leader, also those that left its session.

        Raises OSError when nobody can look now (no descriptor left).
        """

    def forget_leader(self) -> None:
        """The leader was reaped by somebody else: know members by the tree's name alone.

        Its number may be another process's by now.
        """

    def readings(self) -> list[Reading]:
        """What the leader and its live descendants have used."""

    def snapshot(self) -> list[ProcessSnapshot]:
        """What they are doing now."""


class Usage:
    """Sums up readings of a tree whose processes come and go."""

    def __init__(self) -> None:
        self.peak_rss: int | None = None
        self.cpu = 0.0
        self.io_moves = 0  # how often bytes moved between two readings
        self._last: dict[tuple[int, float], Reading] = {}

    def note(self, readings: Iterable[Reading]) -> None:
        """Take the readings of one moment."""
        now = {(reading.pid, reading.started): reading for reading in readings}
        if not now:
            return
        resident = sum(reading.rss for reading in now.values())
        single = max(reading.peak_rss for reading in now.values())
        self.peak_rss = max(self.peak_rss or 0, resident, single)
        own = waited = 0.0
        moved = False
        for key, reading in now.items():
            before = self._last.get(key, _NOTHING)
            own += max(reading.cpu - before.cpu, 0.0)
            waited += max(reading.waited - before.waited, 0.0)
            moved = moved or reading.io != before.io
        gone = (was for key, was in self._last.items() if key not in now)
        known = sum(was.cpu + was.waited for was in gone)  # what a parent waited for comes again
        self.cpu += own + max(waited - known, 0.0)
        self.io_moves += moved
        self._last = now
