"""One file's rows, sorted block by block and split into the parts (months or days) they belong to.

Also the aggregation of its ticks, or of its shorter bars, to bars.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Any, NamedTuple

import attrs
import numpy as np

from pipekit_translator import layout
from pipekit_translator.contracts import MARK
from pipekit_translator.layout import BARS, TICKS, Days, Series
from pipekit_translator.work.assemble.buffer import RowBuffer
from pipekit_translator.work.table import (
    NULL,
    Ints,
    Ranked,
    Table,
    joined,
    known_volume,
    merge,
    no_rows,
)
from pipekit_translator.work.zones import Zone


@attrs.frozen(kw_only=True)
class Assembly:
    """What all files share: the buffer, the exchange's time zone, the processed folder.

    `removed`: processed files that the lifecycle has removed. `contracts`: the folder of the
    rows of single contracts.
    """

    buffer: RowBuffer
    timezone: str
    processed: str
    removed: frozenset[str]
    contracts: str = ""

    def zone(self, series: Series) -> Zone:
        """The exchange's zone, for the times of a series."""
        return _zone(self.timezone, series.unit)

    def folder(self, key: str) -> str:
        """The folder of a key's files."""
        return self.contracts if MARK in key else self.processed

    def removed_file(self, key: str, day: str) -> str:
        """The removed processed file that the rows of a day belong to; empty if there is none."""
        series = layout.of_key(key)[1]
        part = day if series.part == "day" else day[:7]
        paths = (layout.path(self.folder(k), k, part) for k in {key, layout.root_key(key)})
        return next((path for path in sorted(paths) if path in self.removed), "")

    def is_late(self, key: str, day: str) -> bool:
        """Whether the rows of a day belong to a processed file that was removed."""
        return bool(self.removed) and bool(self.removed_file(key, day))


@cache  # thousands of files share it
def _zone(name: str, unit: int) -> Zone:
    return Zone(name, unit)


class FileRows:
    """The rows of one file.

    `chunks`: key, part and number of each chunk in the buffer, in file order. `days`: the days they
    feed. `late`: lines by processed file that the lifecycle has removed. `repeated`: by key,
    duplicates and conflicts within blocks, if there are any. `contracts`: by key, those that its
    rows are of, where they are known and not kept apart.
    """

    __slots__ = ("_assembly", "_series", "_zone", "chunks", "contracts", "days", "late", "repeated")

    def __init__(self, series: Series, assembly: Assembly) -> None:
        self.chunks: list[tuple[str, str, int]] = []
        self.days: Days = {}
        self.late: dict[str, list[int]] = {}
        self.repeated: dict[str, tuple[int, int]] = {}
        self.contracts: dict[str, set[str]] = {}
        self._series = series
        self._assembly = assembly
        self._zone = assembly.zone(series)

    def add(self, instrument: str, table: Table, lines: Ints) -> None:
        """Add rows in file order, with their lines. Raises OSError."""
        key = layout.key(instrument, self._series)
        if self._assembly.removed:
            table = self._without_late(key, table, lines)
        merged = merge([Ranked(0, table)], self._series)
        if merged.duplicates or merged.conflicts:
            duplicates, conflicts = self.repeated.get(key, (0, 0))
            self.repeated[key] = duplicates + merged.duplicates, conflicts + merged.conflicts
        days = by_day(merged.table, self._zone)
        sections = (Section(self, key, day, rows.start) for day, rows in days)
        keep(merged.table, sections, self._assembly.buffer)

    def note(self, key: str, day: str) -> str:
        """Note a day that rows of a key feed; return the part that it belongs to."""
        months, month = self.days.setdefault(key, {}), _month(day)
        months[month] = months.get(month, 0) | 1 << int(day[8:])
        return day if self._series.part == "day" else month

    def _without_late(self, key: str, table: Table, lines: Ints) -> Table:
        """Drop rows that belong to removed processed files, and note their line numbers."""
        days = self._zone.days(table.time)
        kept = np.ones(table.size, np.bool_)
        for day in np.unique(days).tolist():
            if path := self._assembly.removed_file(key, _date(day)):
                here = days == day
                self.late.setdefault(path, []).extend(lines[here].tolist())
                kept &= ~here
        return table.at(kept)


class Section(NamedTuple):
    """Rows of one file, key and day, from `begin` to the next section."""

    file: FileRows
    key: str
    day: str
    begin: int


def keep(table: Table, sections: Iterable[Section], buffer: RowBuffer) -> None:
    """Buffer the rows of files, a chunk for each part of a file. Raises OSError."""
    chunks: list[tuple[FileRows, str, str]] = []
    begins: list[int] = []
    for file, key, day, begin in sections:
        chunk = file, key, file.note(key, day)
        if not chunks or chunk != chunks[-1]:
            chunks.append(chunk)
            begins.append(begin)
    if chunks:
        for number, (file, key, part) in enumerate(chunks, buffer.add(table, begins)):
            file.chunks.append((key, part, number))


def by_day(table: Table, zone: Zone) -> Iterator[tuple[str, slice]]:
    """The ISO date and the rows of each local day, of sorted rows."""
    if not table.size:
        return
    begins, days = (found.tolist() for found in zone.days_begin(table.time))
    for day, begin, end in zip(days, begins, [*begins[1:], table.size], strict=True):
        yield _date(day), slice(begin, end)


@lru_cache(1 << 12)  # the files of a run share the texts
def _date(day: int) -> str:
    return str(np.datetime64(day, "D"))


@lru_cache(1 << 12)
def _month(date: str) -> str:
    return date[:7]


HELD = 1 << 17  # shorter bars that are put in order together


class OrderError(Exception):
    """Bars that cannot be aggregated, because they are not in order of time; with their line."""


class _Part(NamedTuple):
    """Bars of a block, with the times of their first and last rows, and the first's line."""

    bars: Table
    first: Ints
    last: Ints
    lines: Ints


class Minutes:
    """Bars of a file's ticks or shorter bars, block by block; one may continue in a later block.

    `read`, `written`: the series of the rows and of the bars. Of shorter bars with one time the
    last counts; they wait for each other, and blocks of many must follow each other in time, so
    that none is counted twice.
    """

    def __init__(self, read: Series = TICKS, written: Series = BARS) -> None:
        self._parts: list[_Part] = []
        self._read, self._written = read, written
        self._span: tuple[int, int] | None = None
        self._held: list[tuple[Table, Ints]] = []

    def add(self, rows: Table, lines: Ints) -> None:
        """Add rows in file order, at least one, with their lines; quotes alone make no bar.

        Raises OrderError.
        """
        if not self._read.grouped:
            self._held.append((rows.copy(), lines.copy()))
            if sum(len(lines) for _, lines in self._held) >= HELD:
                self._add_held()
            return
        order = np.argsort(rows.time, kind="stable")
        if np.isnan(rows.prices[0]).any():
            order = order[~np.isnan(rows.prices[0][order])]
        if len(order):
            self._add(rows.at(order), lines[order])

    def _add_held(self) -> None:
        """Add the bars that wait, of those with one time the last."""
        tables, numbers = zip(*self._held, strict=True)
        self._held = []
        rows, lines = joined(tables), np.concatenate(numbers)
        order = np.argsort(rows.time, kind="stable")
        order = order[np.append(np.diff(rows.time[order]) > 0, True)]
        first, last = rows.time[order[[0, -1]]].tolist()
        before = self._span or (first, first - 1)
        if first <= before[1] and last >= before[0]:
            raise OrderError(int(lines[0]))
        self._span = min(first, before[0]), max(last, before[1])
        self._add(rows.at(order), lines[order])

    def _add(self, rows: Table, lines: Ints) -> None:
        """Add sorted rows."""
        bar = rows.time // (self._written.seconds * self._read.unit)
        begins = np.flatnonzero(np.concatenate(([True], bar[1:] != bar[:-1])))
        ends = np.append(begins[1:], rows.size) - 1
        open_, highs, lows, close = rows.prices if len(rows.prices) > 3 else rows.prices[:1] * 4
        high, low = np.maximum.reduceat(highs, begins), np.minimum.reduceat(lows, begins)
        prices = (open_[begins], high, low, close[ends])
        time = bar[begins] * (self._written.seconds * self._written.unit)
        bars = Table(time, prices, _sums(rows.volume, begins))
        self._parts.append(_Part(bars, rows.time[begins], rows.time[ends], lines[begins]))

    def bars(self) -> tuple[Table, Ints]:
        """The bars, sorted, each with the line of its first row. Raises OrderError."""
        if self._held:
            self._add_held()
        if not self._parts:
            return no_rows(self._written), np.zeros(0, np.int64)
        time = np.concatenate([part.bars.time for part in self._parts])
        columns = zip(*(part.bars.prices for part in self._parts), strict=True)
        open_, high, low, close = map(np.concatenate, columns)
        volume = np.concatenate([part.bars.volume for part in self._parts])
        first = np.concatenate([part.first for part in self._parts])
        last = np.concatenate([part.last for part in self._parts])
        lines = np.concatenate([part.lines for part in self._parts])
        order = np.lexsort(
            (first, time)
        )  # stable: at equal times the earlier block's tick is first
        begins = np.flatnonzero(np.diff(time[order], prepend=-1))
        closing = np.lexsort((last, time))[np.append(begins[1:], len(time)) - 1]
        opening = order[begins]
        prices = (
            open_[opening],
            np.maximum.reduceat(high[order], begins),
            np.minimum.reduceat(low[order], begins),
            close[closing],
        )
        bars = Table(time[opening], prices, _sums(volume[order], begins))
        return bars, lines[opening]


def _sums(volume: Any, begins: Ints) -> Any:
    """The volume of each group of rows; absent only where that of all its rows is."""
    known = known_volume(volume)
    if known.all():
        return np.add.reduceat(volume, begins)
    sums = np.add.reduceat(np.where(known, volume, 0), begins)
    absent = np.nan if volume.dtype == np.float64 else NULL
    return np.where(np.logical_or.reduceat(known, begins), sums, absent).astype(volume.dtype)
