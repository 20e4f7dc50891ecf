"""One file's rows, sorted block by block and cut into the parts (months or days) they go to."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np

from pipekit_translator import layout
from pipekit_translator.layout import Days
from pipekit_translator.series import Series
from pipekit_translator.work.assemble.buffer import Chunk, RowBuffer
from pipekit_translator.work.table import Ints, Ranked, Table, merge
from pipekit_translator.work.zones import Zone


@attrs.frozen(kw_only=True)
class Assembly:
    """What all files share: the buffer, the exchange's time zone, the processed folder.

    `removed`: processed files that the lifecycle has removed.
    """

    buffer: RowBuffer
    timezone: str
    processed: str
    removed: frozenset[str]

    def zone(self, series: Series) -> Zone:
        """The exchange's zone, for the times of a series."""
        return Zone(self.timezone, series.unit)


class FileRows:
    """The rows of one file.

    `chunks`: by key and part, in file order. `days`: the days they feed. `late`: lines by processed
    file that the lifecycle has removed. `repeated`: by key, duplicates and conflicts within blocks.
    """

    def __init__(self, series: Series, assembly: Assembly) -> None:
        self.chunks: dict[str, dict[str, list[Chunk]]] = {}
        self.days: Days = {}
        self.late: dict[str, list[int]] = {}
        self.repeated: dict[str, tuple[int, int]] = {}
        self._series = series
        self._assembly = assembly
        self._zone = assembly.zone(series)

    def add(self, instrument: str, table: Table, lines: Ints) -> None:
        """Add rows in file order, with their lines. Raises OSError."""
        key = layout.key(instrument, self._series)
        if self._assembly.removed:
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
            kept = self._assembly.buffer.add(merged.table.at(rows))
            self.chunks.setdefault(key, {}).setdefault(part, []).append(kept)

    def _without_late(self, key: str, table: Table, lines: Ints) -> Table:
        """Without rows for removed processed files; the lines of these rows are noted."""
        days = self._zone.days(table.time)
        kept = np.ones(table.size, np.bool_)
        for day in np.unique(days).tolist():
            date = str(np.datetime64(day, "D"))
            part = date if self._series.part == "day" else date[:7]
            path = layout.path(self._assembly.processed, key, part)
            if path in self._assembly.removed:
                here = days == day
                self.late.setdefault(path, []).extend(lines[here].tolist())
                kept &= ~here
        return table.at(kept)


def by_day(table: Table, zone: Zone) -> Iterator[tuple[str, slice]]:
    """The ISO date and the rows of each local day, of sorted rows."""
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
