"""The data-quality report: gaps, off-grid prices, signs of a wrong time zone.

Checks that need an instrument's tick size or session are left out if it is unknown. Statistics
of consecutive stretches of rows can be combined, so that stretches are examined in parallel.
"""

from __future__ import annotations

import numpy as np

from pipekit_translator import layout
from pipekit_translator.contracts import root_of
from pipekit_translator.settings import Quality, span
from pipekit_translator.work.table import Floats, Ints, Table, known_volume
from pipekit_translator.work.zones import DAY, Zone

OFF_GRID = 1e-6  # of a tick: far above a rounding error, far below a real deviation
NEAR = 30  # minutes by which the daily break may be off without being suspicious
_DAY_MINUTES = DAY // 60


class Statistics:
    """Statistics of a key's sorted rows."""

    def __init__(self, key: str, zone: Zone, rules: Quality) -> None:
        name, self._series = layout.of_key(key)
        instrument = root_of(name)  # the contracts of a root are like it
        self._zone = zone
        self._rules = rules
        self._tick = rules.ticks.get(instrument)
        self._judged = instrument in rules.instruments
        self.rows = self.off_grid = self.gaps = self.missing = 0
        self.first: int | None = None  # local seconds, as is `last`
        self.last: int | None = None
        minutes = _DAY_MINUTES if self._judged else 0
        self._begin = 0  # the minute of the day that `counts` and `volumes` begin with
        self.counts = np.zeros(minutes, np.int64)
        self.volumes = np.zeros(minutes, np.float64)

    def add(self, table: Table) -> None:
        """Add rows, later than all before."""
        self.rows += table.size
        if self._tick:
            self.off_grid += _off_grid(table, self._tick, grouped=self._series.grouped)
        if self._judged and table.size:
            utc, counts, volumes = _minutes(table, self._series.unit)
            local = self._zone.local(utc)
            minute = local % DAY // 60
            self.counts += np.bincount(minute, counts, _DAY_MINUTES).astype(np.int64)
            self.volumes += np.bincount(minute, volumes, _DAY_MINUTES)
            if self.last is not None:
                self._find_gaps(np.array([self.last, local[0]]))
            self._find_gaps(local)
            self.first = int(local[0]) if self.first is None else self.first
            self.last = int(local[-1])

    def append(self, other: Statistics) -> None:
        """Add the statistics of later rows."""
        self.rows += other.rows
        self.off_grid += other.off_grid
        minutes = slice(other._begin, other._begin + len(other.counts))
        self.counts[minutes] += other.counts
        self.volumes[minutes] += other.volumes
        self.gaps += other.gaps
        self.missing += other.missing
        if self.last is not None and other.first is not None:
            self._find_gaps(np.array([self.last, other.first]))
        self.first = other.first if self.first is None else self.first
        self.last = self.last if other.last is None else other.last

    def end(self) -> None:
        """Let go of the minutes before the first row and after the last: no more rows follow.

        There may be thousands of such objects, each with 23 kB, and rows in a few minutes alone.
        """
        used = np.flatnonzero(self.counts)
        self._begin = int(used[0]) if used.size else 0
        minutes = slice(self._begin, int(used[-1]) + 1 if used.size else 0)
        self.counts, self.volumes = self.counts[minutes].copy(), self.volumes[minutes].copy()

    def _find_gaps(self, local: Ints) -> None:
        """Count gaps of at least `gap` seconds between two rows of one session."""
        missing = local[1:] - local[:-1] - self._series.seconds
        gaps = np.flatnonzero(missing >= self._rules.gap)
        opening = span(self._rules.pause)[1] * 60
        sessions = [(local[rows] - opening) // DAY for rows in (gaps, gaps + 1)]
        gaps = gaps[sessions[0] == sessions[1]]
        self.gaps += len(gaps)
        self.missing += int(missing[gaps].sum())

    def numbers(self) -> dict[str, float]:
        """The figures of the report.

        `off_grid`: rows with a price between two ticks; `gaps` and `missing_minutes` inside
        sessions; `empty_from`: the minute of the day at which the emptiest stretch (as long as the
        pause) begins; `pause_bars`: rows in the pause; `core_share`: share of the volume, if there
        is any.
        """
        found: dict[str, float] = {self._series.noun: self.rows}
        if self._tick:
            found["off_grid"] = self.off_grid
        if self._judged and self.rows:
            found |= {"gaps": self.gaps, "missing_minutes": self.missing // 60}
            found |= _day_profile(self.counts, self.volumes, self._rules)
        return found


def findings(found: dict[str, float], rules: Quality) -> list[str]:
    """Clauses on what a person should look at."""
    clauses = []
    noun = "ticks" if "ticks" in found else "bars"
    if found.get("off_grid"):
        clauses.append(f"prices off the tick grid ({noun}: {found['off_grid']:.0f})")
    if found.get("gaps"):
        minutes = found["missing_minutes"]
        clauses.append(f"gaps inside sessions: {found['gaps']:.0f} ({minutes:.0f} minutes)")
    within = found.get("conflicts_in_one_file", 0)
    if within:
        clauses.append(f"{noun} that one file states twice, with different values: {within:.0f}")
    if between := found.get("conflicts", 0) - within:
        clauses.append(f"{noun} with different values in two exports: {between:.0f}")
    if found[noun] >= rules.min_bars and "empty_from" in found:
        clauses += _zone_signs(found, rules)
    return clauses


def _zone_signs(found: dict[str, float], rules: Quality) -> list[str]:
    signs = []
    start, end = span(rules.pause)
    off = abs((found["empty_from"] - start + _DAY_MINUTES // 2) % _DAY_MINUTES - _DAY_MINUTES // 2)
    if off >= NEAR and found["pause_bars"]:
        signs.append(
            f"the daily break of {end - start} minutes begins at {_clock(found['empty_from'])}, "
            f"not at {_clock(start)}: the source's timezone may be wrong"
        )
    if found.get("core_share", 1) < rules.min_core_share:
        first, end = span(rules.core)
        signs.append(
            f"only {found['core_share']:.0%} of the volume falls between {_clock(first)} and "
            f"{_clock(end)}: the source's timezone may be wrong"
        )
    return signs


def _off_grid(table: Table, tick: float, *, grouped: bool) -> int:
    off = np.zeros(table.size, np.bool_)
    ticks, whole = np.empty((2, table.size))
    for prices in table.prices[:1] if grouped else table.prices:  # not of quotes
        np.divide(prices, tick, out=ticks)
        np.rint(ticks, out=whole)
        np.abs(np.subtract(ticks, whole, out=ticks), out=ticks)
        off |= ticks > OFF_GRID
    return int(np.count_nonzero(off))


def _minutes(table: Table, unit: int) -> tuple[Ints, Ints, Ints | Floats]:
    """Times (s), counts and volumes of rows, aggregated to minutes if rows are dense."""
    step = 60 * unit
    volume = np.where(known_volume(table.volume), table.volume, 0)
    first, end = int(table.time[0]) // step, int(table.time[-1]) // step + 1
    if end - first > table.size // 4:
        return table.time // unit, np.ones(table.size, np.int64), volume
    begins = table.time.searchsorted(np.arange(first, end) * step)
    counts = np.diff(begins, append=table.size)
    there = counts > 0
    minutes = np.arange(first, end)[there] * 60
    return minutes, counts[there], np.add.reduceat(volume, begins[there])


def _day_profile(counts: Ints, volumes: Floats, rules: Quality) -> dict[str, float]:
    (first, end), (core, core_end) = span(rules.pause), span(rules.core)
    around = np.concatenate(([0], np.cumsum(np.concatenate((counts, counts)))))
    windows = around[end - first : end - first + _DAY_MINUTES] - around[:_DAY_MINUTES]
    emptiest = np.flatnonzero(windows == windows.min())
    away = np.abs((emptiest - first + _DAY_MINUTES // 2) % _DAY_MINUTES - _DAY_MINUTES // 2)
    found: dict[str, float] = {
        "empty_from": int(emptiest[np.argmin(away)]),
        "pause_bars": int(counts[first:end].sum()),
    }
    if total := float(volumes.sum()):
        found["core_share"] = float(volumes[core:core_end].sum()) / total
    return found


def _clock(minute: float) -> str:
    return f"{int(minute) // 60:02}:{int(minute) % 60:02}"
