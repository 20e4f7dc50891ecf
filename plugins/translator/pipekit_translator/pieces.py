"""What a file's rows come to: chunks by key and part, the days they fed, and those too late.

Takes rows as they are read and keeps them until all files are known; publishes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan

from pipekit_translator import layout
from pipekit_translator.hold import Chunk, Hold
from pipekit_translator.layout import Days
from pipekit_translator.series import Series
from pipekit_translator.table import Ints, Ranked, Table, merge
from pipekit_translator.zones import Zone


@attrs.define
class Shelf:
    """Where rows are kept: the exchange's zone, the processed folder and what `removed` of it."""

    hold: Hold
    timezone: str
    processed: str
    removed: frozenset[str]

    def zone(self, series: Series) -> Zone:
        """The exchange's, for the times of a series."""
        return Zone(self.timezone, series.unit)


class Pieces:
    """One file's rows. `chunks`: by key and part, in file order; `days`: those fed, by key.

    `late`: lines by processed file that was taken away. `duplicates` and `conflicts`: by key,
    among rows that lay near each other in the file.
    """

    def __init__(self, series: Series, shelf: Shelf) -> None:
        self.chunks: dict[str, dict[str, list[Chunk]]] = {}
        self.days: Days = {}
        self.late: dict[str, list[int]] = {}
        self.repeated: dict[str, tuple[int, int]] = {}
        self._series = series
        self._shelf = shelf
        self._zone = shelf.zone(series)

    def add(self, instrument: str, table: Table, lines: Ints) -> None:
        """Rows in file order, with their lines. Raises OSError."""
        key = layout.key(instrument, self._series)
        if self._shelf.removed:
            table = self._without_late(key, table, lines)
        merged = merge([Ranked(0, table)], self._series)
        duplicates, conflicts = self.repeated.get(key, (0, 0))
        self.repeated[key] = duplicates + merged.duplicates, conflicts + merged.conflicts
        parts: dict[str, list[slice]] = {}
        for day, rows in by_day(merged.table, self._zone):
            months = self.days.setdefault(key, {})
            months[day[:7]] = months.get(day[:7], 0) | 1 << int(day[8:])
            part = day if self._series.part == "day" else day[:7]
            parts.setdefault(part, []).append(rows)
        for part, spans in parts.items():
            rows = slice(spans[0].start, spans[-1].stop)
            kept = self._shelf.hold.keep(merged.table.at(rows))
            self.chunks.setdefault(key, {}).setdefault(part, []).append(kept)

    def _without_late(self, key: str, table: Table, lines: Ints) -> Table:
        """Without the rows of parts that were taken away; their lines are remembered."""
        days = self._zone.days(table.time)
        kept = np.ones(table.size, np.bool_)
        for day in np.unique(days).tolist():
            date = str(np.datetime64(day, "D"))
            part = date if self._series.part == "day" else date[:7]
            path = layout.path(self._shelf.processed, key, part)
            if path in self._shelf.removed:
                here = days == day
                self.late.setdefault(path, []).extend(lines[here].tolist())
                kept &= ~here
        return table.at(kept)


def by_day(table: Table, zone: Zone) -> Iterator[tuple[str, slice]]:
    """ISO date and rows of each local day of sorted rows."""
    if not table.size:
        return
    first, last = zone.days(table.time[:: max(table.size - 1, 1)])[[0, -1]].tolist()
    begins = np.zeros(1, np.int64)
    days = np.array([first])
    if first != last:
        of_rows = zone.days(table.time)
        begins = np.flatnonzero(np.concatenate(([True], of_rows[1:] != of_rows[:-1])))
        days = of_rows[begins]
    ends = [*begins[1:].tolist(), table.size]
    for day, begin, end in zip(days.tolist(), begins.tolist(), ends, strict=True):
        yield str(np.datetime64(day, "D")), slice(begin, end)
