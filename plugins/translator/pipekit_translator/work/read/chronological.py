"""Puts ticks of one time stamp in the order in which they happened, also in newest-first files."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipekit_translator.work.table import Ints, Table, joined

_Rows = tuple[Table, Ints]


class Chronological:
    """Reverses groups of ticks with one time stamp where the file descends.

    Rows of one instrument, in file order, each with its line. A group at the end of a block is held
    back, since it may go on.
    """

    def __init__(self) -> None:
        self._held: list[_Rows] = []
        self._before: Ints = np.zeros(0, np.int64)  # the time before the rows held
        self._descends = False

    def feed(self, table: Table, lines: Ints) -> Iterator[_Rows]:
        """The rows before the last group, in order."""
        self._held.append((table, lines))
        if table.time[0] == table.time[-1] == self._held[0][0].time[0]:
            return  # unless it comes back in between, this is one group
        table, lines = self._take()
        last = int(np.flatnonzero(table.time != table.time[-1])[-1]) + 1
        yield from self._ordered(table, lines, last)
        self._before = table.time[last - 1 : last].copy()
        self._held = [(table.at(slice(last, None)).copy(), lines[last:].copy())]

    def finish(self) -> Iterator[_Rows]:
        """The rows of the last group."""
        if self._held:
            table, lines = self._take()
            yield from self._ordered(table, lines, table.size)

    def _take(self) -> _Rows:
        tables, lines = zip(*self._held, strict=True)
        self._held = []
        return joined(tables), np.concatenate(lines)

    def _ordered(self, table: Table, lines: Ints, end: int) -> Iterator[_Rows]:
        """The first `end` rows; those after them show where the file goes."""
        steps = np.sign(np.diff(table.time, prepend=self._before))
        if total := int(steps.sum()):
            self._descends = total < 0
        if not self._descends and not (steps < 0).any():
            yield table.at(slice(0, end)), lines[:end]
            return
        begins = np.flatnonzero(np.diff(table.time, prepend=table.time[0] - 1))
        times = np.concatenate((self._before, table.time[begins]))
        towards = np.sign(np.diff(times))  # from each group to the next
        none = np.zeros(1, np.int64)
        came = towards if len(self._before) else np.concatenate((none, towards))
        goes = np.concatenate((towards[len(self._before) :], none))
        back = np.where(came == goes, came < 0, self._descends)
        back = np.where((came == 0) & (goes == 0), self._descends, back)
        counts = np.diff(np.append(begins, table.size))
        rows = np.arange(table.size)
        turned = np.repeat(begins, counts) + np.repeat(begins + counts - 1, counts) - rows
        order = np.where(np.repeat(back, counts), turned, rows)[:end]
        yield table.at(order), lines[order]
