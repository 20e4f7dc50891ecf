"""Which pass of a repeated hour rows belong to, by the runs of rows in their file.

In autumn a clock shows an hour twice. Of the rows of one visit to that hour, in file order, those
before one step back in time are of one pass, and those after it of the other. The step is the one
that leaves the fewest rows of different values with the same time; of several, the longest. In a
file that runs backwards, all is the other way round.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from pipekit_translator.layout import TICKS
from pipekit_translator.work.table import Flags, Ints, Table

_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_SECONDS = 60  # ticks that go back by less are out of order
_MANY = 2
_FAR = 7 * 86_400  # seconds: a row so far away says nothing of the order around the hour


class Hour(NamedTuple):
    """The local times from `first` to `last` (excluded), which occur twice; `unit`: of a second."""

    first: int
    last: int
    unit: int

    def side(self, time: int) -> int:
        """Where a time lies: -1 before the hour, 1 after it, 0 inside."""
        return int(time >= self.last) - int(time < self.first)

    def distance(self, time: int) -> int:
        """How far outside a time is."""
        return max(self.first - time, time - self.last)


class Fold:
    """The position in a repeated hour: the last time read, and whether in the second pass.

    Kept from block to block, and for a growing file from run to run. `before`: the last time read,
    wherever it was. `order`: 1 if the first pass comes first in the file, -1 if the second does.
    `visited`: whether any row was in a repeated hour.
    """

    __slots__ = ("before", "last", "order", "second", "visited")

    def __init__(self, last: int | None = None, second: bool = False) -> None:
        self.last = last
        self.before = last
        self.second = second
        self.order = 1
        self.visited = last is not None

    def leave(self, time: int) -> None:
        """The last time read is in no repeated hour."""
        self.last, self.second, self.before = None, False, time

    def passes(self, table: Table, rows: Ints, hour: Hour) -> Flags:
        """Which of these rows, all in a repeated hour, are in its second pass.

        `table`: all rows of the block; without prices, rows of one time always differ.
        """
        self.visited = True
        second = np.zeros(len(rows), np.bool_)
        breaks = np.flatnonzero(np.diff(rows) > 1) + 1
        for begin, end in zip([0, *breaks.tolist()], [*breaks.tolist(), len(rows)], strict=True):
            first, after = int(rows[begin]), int(rows[end - 1]) + 1
            entry = int(table.time[first - 1]) if first else self.before
            leaving = int(table.time[after]) if after < table.size else None
            resumed = not first and self.last is not None and not hour.side(self.last)
            visit = _Visit(table.at(slice(first, after)), hour, entry, leaving)
            if resumed:
                second[begin:end] = visit.resumed(self.order, second=self.second)
            else:
                self.order = visit.order
                second[begin:end] = visit.second()
            self.last = self.before = int(table.time[after - 1])
            self.second = bool(second[end - 1])
        return second


class _Visit:
    """Consecutive rows in a repeated hour, between a time before and one after, if there are any.

    `order`: see `Fold`.
    """

    def __init__(self, table: Table, hour: Hour, entry: int | None, leaving: int | None) -> None:
        self._time = table.time
        self._hour = hour
        self._entry, self._leaving = entry, leaving
        self._bars = len(table.prices) != len(TICKS.prices)
        self._marks, self._telling = _marks(table)
        self.order = self._order_of_passes()

    def second(self) -> Flags:
        """Which rows are in the second pass."""
        size = len(self._time)
        if self._bars and self._is_sorted_by_clock():
            return self._first_of_time() ^ (self.order > 0)
        split = self._split(self._direction(), resumed=False)
        if split == size:
            return np.full(size, self._only_pass(), np.bool_)
        return self._corrected(_from(split, size) == (self.order > 0))

    def resumed(self, order: int, *, second: bool) -> Flags:
        """The same, after rows of the visit that are known, the last of them in this pass."""
        size = len(self._time)
        if second == (order > 0):
            return np.full(size, second, np.bool_)
        found: Flags = _from(self._split(order, resumed=True), size) == (order > 0)
        return found

    def _order_of_passes(self) -> int:
        """From which side the file comes into the hour, and to which it leaves; else its steps."""
        signs = [
            (far, sign * side)
            for time, sign in ((self._entry, -1), (self._leaving, 1))
            if time is not None
            and (side := self._hour.side(time))
            and (far := self._hour.distance(time)) < _FAR * self._hour.unit
        ]
        if signs and len({sign for _, sign in signs}) == 1:
            return signs[0][1]
        if signs and signs[0][0] != signs[1][0]:
            return min(signs)[1]
        return 1 if self._steps() >= 0 else -1

    def _steps(self) -> int:
        return int(np.sign(np.diff(self._time)).sum())

    def _direction(self) -> int:
        """Whether times ascend (1) or descend (-1) within a pass."""
        return -self.order if self._steps() * self.order < -1 else self.order

    def _only_pass(self) -> bool:
        """Whether a visit without both passes is in the second one, to which it is joined."""
        if self._leaving is None:
            return self.order < 0
        ends = (self._entry, int(self._time[0])), (self._leaving, int(self._time[-1]))
        near = {
            self._hour.side(time)
            for time, row in ends
            if time is not None and 2 * abs(time - row) < self._hour.last - self._hour.first
        }
        return near == {1}

    def _split(self, direction: int, *, resumed: bool) -> int:
        """The first row of the other pass; how many rows there are if there is none."""
        time, size = self._time, len(self._time)
        before = time[:1] if self._entry is None or not resumed else np.array([self._entry])
        jump = -np.diff(time, prepend=before) * direction
        least = 0 if self._bars else _SECONDS * self._hour.unit
        found = np.flatnonzero(jump >= least)
        found = found if resumed else found[found > 0]
        places, jumps = np.append([size], found), np.append([0], jump[found])
        costs = self._costs(places, 2 * jumps < self._hour.last - self._hour.first)
        return int(places[np.lexsort((-jumps, costs))[0]])

    def _costs(self, places: Ints, short: Flags) -> Ints:
        """How many rows speak against each split: others of one time that it leaves together.

        For a split at a short step, equal ones that it parts as well: they are duplicates.
        """
        if not self._bars:
            return np.zeros(len(places), np.int64)
        order = np.argsort(self._time, kind="stable")
        alike = np.flatnonzero(self._time[order[1:]] == self._time[order[:-1]])
        one, two = order[alike], order[alike + 1]
        differ = self._marks[one] != self._marks[two]
        again = ~differ & self._telling[one]
        parted = [_between(one[some], two[some], len(order))[places] for some in (differ, again)]
        costs: Ints = int(differ.sum()) - parted[0] + np.where(short, parted[1], 0)
        return costs

    def _is_sorted_by_clock(self) -> bool:
        """Whether rows of both passes alternate, since somebody sorted them by their local time."""
        steps = np.diff(self._time) * self.order
        twice = (steps == 0) & (self._marks[1:] != self._marks[:-1])
        return bool(
            (steps >= 0).all()
            and np.count_nonzero(twice) >= _MANY
            and 2 * np.count_nonzero(twice) >= np.count_nonzero(steps) + 1
        )

    def _first_of_time(self) -> Flags:
        """Which rows are the first of their time, or equal to it."""
        begins = np.flatnonzero(np.diff(self._time, prepend=self._hour.first - 1) != 0)
        counts = np.diff(np.append(begins, len(self._time)))
        first: Flags = self._marks == np.repeat(self._marks[begins], counts)
        return first

    def _corrected(self, second: Flags) -> Flags:
        """Put repeated rows of the other pass into it, where another row has their time."""
        if not self._bars:
            return second
        marks: dict[tuple[int, bool], set[int]] = defaultdict(set)
        rows = list(zip(self._time.tolist(), second.tolist(), self._marks.tolist(), strict=True))
        for time, flag, mark in rows:
            marks[time, flag].add(mark)
        moved = [
            len(marks[time, flag]) > 1 and mark in marks.get((time, not flag), ())
            for time, flag, mark in rows
        ]
        return second ^ np.array(moved, np.bool_)


def _from(split: int, size: int) -> Flags:
    """The rows from a split on."""
    found: Flags = np.arange(size) >= split
    return found


def _between(one: Ints, two: Ints, size: int) -> Ints:
    """For each split from 0 to `size`, how many of these pairs of rows it parts."""
    steps = np.zeros(size + 2, np.int64)
    np.add.at(steps, one + 1, 1)
    np.add.at(steps, two + 1, -1)
    return np.cumsum(steps)[: size + 1]


def _marks(table: Table) -> tuple[Ints, Flags]:
    """A number for the values of each row, and which are not those of a bar without trades."""
    if not table.prices:
        return np.arange(table.size), np.zeros(table.size, np.bool_)
    mixed = np.zeros(table.size, np.uint64)
    for column in (*table.prices, table.volume):
        mixed = (mixed ^ np.ascontiguousarray(column).view(np.uint64)) * _MIX
        mixed ^= mixed >> _SHIFT
    return mixed.view(np.int64), np.ptp(table.prices, axis=0) != 0
