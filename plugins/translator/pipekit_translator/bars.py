"""Bars as columns, and the one rule by which two sets of them become one; knows no files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan
from numpy.typing import NDArray  # noqa: TID253  # as above

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Bars(NamedTuple):
    """Bars of one instrument, all columns of one length; `time` is µs of UTC, the bar's open."""

    time: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Ints

    @property
    def size(self) -> int:
        """How many bars."""
        return len(self.time)

    def at(self, rows: Ints | Flags | slice) -> Bars:
        """Some of the bars."""
        return Bars._make(column[rows] for column in self)

    def same(self, other: Bars) -> bool:
        """Whether both hold the same values."""
        return all(np.array_equal(one, two) for one, two in zip(self, other, strict=True))


def no_bars() -> Bars:
    """Columns of length 0."""
    whole, price = np.zeros(0, np.int64), np.zeros(0, np.float64)
    return Bars(whole, price, price, price, price, whole)


def joined(parts: Sequence[Bars]) -> Bars:
    """The parts one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Bars._make(map(np.concatenate, zip(*parts, strict=True))) if parts else no_bars()


class Merged(NamedTuple):
    """Bars in order, one a time stamp. `kept`: their rows in what was merged.

    `duplicates`: bars that another one of their time stamp displaced; `conflicts`: those of them
    that held other values.
    """

    bars: Bars
    kept: Ints | None
    duplicates: int
    conflicts: int


def merge(bars: Bars) -> Merged:
    """Sorted by time, one bar a time stamp: of several the one that stands last wins."""
    if bars.size < 2 or bool((bars.time[1:] > bars.time[:-1]).all()):
        return Merged(bars, None, 0, 0)
    order = np.argsort(bars.time, kind="stable")
    ordered = bars.at(order)
    repeated = ordered.time[1:] == ordered.time[:-1]
    last = np.append(~repeated, True)
    conflicts = np.flatnonzero(repeated)
    differs = np.zeros(len(conflicts), np.bool_)
    for column in ordered[1:]:
        differs |= column[conflicts] != column[conflicts + 1]
    return Merged(ordered.at(last), order[last], int(repeated.sum()), int(differs.sum()))
