"""Rows as columns, and the one rule by which several tables are merged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipekit_translator.layout import Series

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]


NULL = -1  # a whole volume that is absent


class Table(NamedTuple):
    """Rows of one instrument; all columns have the same length.

    `time`: since 1970 in UTC, in the series' unit; a bar's is its open. `prices`: one column for
    each price of the series, NaN where absent. `volume`: whole numbers, NULL where absent, or
    fractions, NaN where absent.
    """

    time: Ints
    prices: tuple[Floats, ...]
    volume: Ints | Floats

    @property
    def size(self) -> int:
        """How many rows."""
        return len(self.time)

    def copy(self) -> Table:
        """The same rows in memory of their own; a view would keep the whole table."""
        return Table(self.time.copy(), tuple(c.copy() for c in self.prices), self.volume.copy())

    def columns(self) -> list[Ints | Floats]:
        """All columns in order."""
        return [self.time, *self.prices, self.volume]

    def at(self, rows: Ints | Flags | slice) -> Table:
        """Some of the rows."""
        prices = tuple(column[rows] for column in self.prices)
        return Table(self.time[rows], prices, self.volume[rows])

    def differs(self, other: Table) -> Flags:
        """Which rows differ from those at the same position in the other. NaN equals NaN."""
        found = np.zeros(self.size, np.bool_)
        for one, two in zip(self.columns(), other.columns(), strict=True):
            found |= one.view(np.int64) != two.view(np.int64)  # no negative zeros: see `lines`
        return found


def whole_volume(volume: Ints | Floats) -> Ints:
    """Volumes as whole numbers; NaN becomes NULL."""
    if volume.dtype == np.int64:
        return volume  # type: ignore[return-value]  # the type of a union of arrays is not narrowed
    return np.where(np.isnan(volume), NULL, volume).astype(np.int64)


def known_volume(volume: Ints | Floats) -> Flags:
    """Which volumes are there."""
    known: Flags = volume >= 0  # NaN is not
    return known


class Ranked(NamedTuple):
    """Sorted rows and their rank."""

    rank: int
    table: Table


def joined(parts: Sequence[Table]) -> Table:
    """The concatenation of the parts, at least one."""
    if len(parts) == 1:
        return parts[0]
    time, *prices, volume = (
        np.concatenate(column) for column in zip(*(part.columns() for part in parts), strict=True)
    )
    return Table(time, tuple(prices), volume)


class Merged(NamedTuple):
    """Rows in order.

    `duplicates`: rows that others with the same time stamp replaced. `conflicts`: how often the
    replaced rows of one time stamp and rank held other values.
    """

    table: Table
    duplicates: int = 0
    conflicts: int = 0


def no_rows(series: Series) -> Table:
    """A table without rows."""
    whole = np.zeros(0, np.int64)
    return Table(whole, tuple(np.zeros(0) for _ in series.prices), whole)


def merge(parts: Sequence[Ranked], series: Series) -> Merged:
    """Merge parts, in ascending rank, into one sorted table.

    Of rows with the same time stamp, those of the highest rank are kept. In a grouped series these
    are all rows of that rank, in their order; otherwise (bars) only the last of them.
    """
    parts = [part for part in parts if part.table.size]
    if not parts:
        return Merged(no_rows(series))
    grouped = series.grouped
    table = joined([part.table for part in parts])
    step = table.time[1:] - table.time[:-1]
    alone = grouped and parts[0].rank == parts[-1].rank
    if bool(((step >= 0) if alone else (step > 0)).all()):
        return Merged(table)
    ranks = [part.rank for part in parts]
    sizes = [part.table.size for part in parts]
    rank = np.repeat(np.array(ranks, np.int64), sizes) if grouped else np.arange(table.size)
    if bool((step >= 0).all()):
        return _without_replaced(table, rank)
    order = np.argsort(table.time, kind="stable")
    return _without_replaced(table.at(order), rank[order])


def _without_replaced(table: Table, rank: Ints) -> Merged:
    """Keep the rows of the last rank of each time; ranks ascend within a time stamp."""
    group = np.concatenate(([True], table.time[1:] != table.time[:-1]))
    run = group.copy()  # rows of one time and rank
    run[1:] |= rank[1:] != rank[:-1]
    begins = np.flatnonzero(run)
    counts = np.diff(np.append(begins, table.size))
    stands = np.append(group[begins[1:]], True)  # the next run is of another time
    if stands.all():
        return Merged(table)
    winner = np.flatnonzero(stands)[np.cumsum(stands) - stands]  # of each run: its time's last
    replaced = np.flatnonzero(~stands)
    other = counts[replaced] != counts[winner[replaced]]
    alike = replaced[~other]
    offset = np.repeat(begins[winner[alike]] - begins[alike], counts[alike])
    rows = _rows(begins[alike], counts[alike])
    differing = table.at(rows).differs(table.at(rows + offset))
    conflicts = int(other.sum())
    conflicts += len(np.unique(np.repeat(alike, counts[alike])[differing]))
    kept = np.repeat(stands, counts)
    return Merged(table.at(kept), int((~kept).sum()), conflicts)


def _rows(begins: Ints, counts: Ints) -> Ints:
    """The indices of `counts` rows from each of `begins` on."""
    total = int(counts.sum())
    first = np.cumsum(counts) - counts
    return np.arange(total) - np.repeat(first - begins, counts)


def difference(before: Table, after: Table) -> tuple[int, int, int]:
    """Rows added, changed and removed between two sorted tables."""
    if not before.size:
        return after.size, 0, 0
    place = np.searchsorted(after.time, before.time) + _nth(before.time)
    there = place < after.size
    there[there] = after.time[place[there]] == before.time[there]
    changed = before.at(there).differs(after.at(place[there]))
    common = int(there.sum())
    return after.size - common, int(changed.sum()), before.size - common


def _nth(time: Ints) -> Ints:
    """The position of each row among those of its time stamp, from 0."""
    begins = np.flatnonzero(np.concatenate(([True], time[1:] != time[:-1]))[: len(time)])
    nth: Ints = np.arange(len(time)) - np.repeat(begins, np.diff(np.append(begins, len(time))))
    return nth
