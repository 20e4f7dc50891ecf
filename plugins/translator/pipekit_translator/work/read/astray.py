"""Finds rows whose date is so far from those of their file's other rows that it must be wrong."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipekit_translator.work.table import Ints, Table, joined

FEW = 10  # rows that may be astray together
SHARE = 10  # at an end of the file: how many other rows there must be for each of them

_Rows = tuple[Table, Ints]


class Astray:
    """Holds back few rows after a great step in time, until it is clear which side is right.

    Rows of one instrument, in file order, each with its line. `far`: the length of a great step.
    `lines`: those of rows that are astray.
    """

    def __init__(self, far: int) -> None:
        self._far = far
        self._held: list[_Rows] = []
        self._count = 0  # of the rows held
        self._kept = 0
        self._last: int | None = None  # the time of the last row kept
        self.lines: list[int] = []

    def feed(self, table: Table, lines: Ints) -> Iterator[_Rows]:
        """The rows that are known to be right, after further rows."""
        if not self._held and self._last is not None and self._is_near(table.time):
            yield self._keep(table, lines)
            return
        steps = np.abs(np.diff(table.time)) > self._far
        begins = [0, *(np.flatnonzero(steps) + 1).tolist()]
        for begin, end in zip(begins, [*begins[1:], table.size], strict=True):
            part = slice(begin, end)
            yield from self._segment(table.at(part), lines[part])

    def finish(self) -> Iterator[_Rows]:
        """The last rows that are right, at the end of the file."""
        if self._count * SHARE <= self._kept:
            self._drop()
        yield from self._release()

    def _is_near(self, time: Ints) -> bool:
        low, high = int(time.min()), int(time.max())
        assert self._last is not None
        return max(high, self._last) - min(low, self._last) <= self._far

    def _segment(self, table: Table, lines: Ints) -> Iterator[_Rows]:
        """Take rows without a great step among them."""
        first = int(table.time[0])
        if self._held and abs(first - int(self._held[-1][0].time[-1])) > self._far:
            if self._last is not None and abs(first - self._last) <= self._far:
                self._drop()  # before and after them, times are near each other
            elif self._last is not None or self._count * SHARE > table.size:
                yield from self._release()
            else:
                self._drop()  # the first rows of the file
        if not self._held and self._last is not None and abs(first - self._last) <= self._far:
            yield self._keep(table, lines)
            return
        self._held.append((table, lines))
        self._count += table.size
        if self._count > FEW:
            yield from self._release()

    def _keep(self, table: Table, lines: Ints) -> _Rows:
        self._kept += table.size
        self._last = int(table.time[-1])
        return table, lines

    def _release(self) -> Iterator[_Rows]:
        if self._held:
            tables, lines = zip(*self._held, strict=True)
            self._held, self._count = [], 0
            yield self._keep(joined(tables), np.concatenate(lines))

    def _drop(self) -> None:
        for _, lines in self._held:
            self.lines.extend(lines.tolist())
        self._held, self._count = [], 0
