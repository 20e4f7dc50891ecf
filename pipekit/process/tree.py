"""The shape in which process trees are described, and how much a tree has used up so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class Member(NamedTuple):
    """A live process of a tree; `started` tells it from a later one with the same number."""

    pid: int
    group: int
    started: float


class Reading(NamedTuple):
    """What a live process has used since its start.

    CPU seconds (with those of children it waited for), bytes read and written, resident memory now
    and at its peak, in bytes.
    """

    pid: int
    started: float
    cpu: float
    io: int
    rss: int
    peak_rss: int


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
        moved = False
        for key, reading in now.items():
            before = self._last.get(key)
            self.cpu += max(reading.cpu - (before.cpu if before else 0.0), 0.0)
            moved = moved or reading.io != (before.io if before else 0)
        self.io_moves += moved
        self._last = now
