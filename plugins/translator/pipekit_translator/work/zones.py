"""Local times to UTC, and UTC to local days, by the transitions of a time zone."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from functools import cache
from typing import NamedTuple

import numpy as np

from pipekit_translator.timezones import zone_name
from pipekit_translator.work.passes import Fold, Hour
from pipekit_translator.work.table import Flags, Ints, Table

DAY = 86_400
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIRST, _LAST = -62_135_596_800, 253_402_300_799  # of the years 1 to 9999
_NEAR = 4  # years, each of which may have rows
_MONTH = 30 * DAY
_MARGIN = 1  # years before and after the times, so that a transition at New Year is found


class Transitions(NamedTuple):
    """The transitions of a zone in some years; `offsets[i]` from UTC holds before `instants[i]`.

    Local times from `first` to `last` (excluded) occur twice (the offset shrinks) or never (it
    grows).
    """

    instants: Ints
    offsets: Ints
    first: Ints
    last: Ints


class Zone:
    """A time zone, for times in units of 1/`unit` second.

    `name`: see `timezones`. Raises ValueError for an unknown name.
    """

    def __init__(self, name: str, unit: int = 1) -> None:
        self.name = name
        self.unit = unit
        self._base, shift = zone_name(name)
        self._shift = shift * unit

    def to_utc(self, rows: Table, fold: Fold) -> tuple[Ints, Flags]:
        """Convert the local times of rows, in file order, to UTC; also which never existed.

        See `passes` for those of a repeated hour; its first pass is daylight saving time.
        """
        local = rows.time
        missing = np.zeros(len(local), np.bool_)
        if self._shift:
            local = local - self._shift
        if not len(local) or self._base == "UTC":
            return local, missing
        low, high = int(local.min()), int(local.max())
        table = self._transitions(local, low, high)
        if (index := table.last.searchsorted(low, "right")) == table.first.searchsorted(
            high, "right"
        ):
            fold.leave(int(local[-1]))
            return local - table.offsets[index], missing
        begun = np.searchsorted(table.first, local, side="right")
        ended = np.searchsorted(table.last, local, side="right")
        utc = local - table.offsets[ended]
        special = begun != ended
        rows = rows._replace(time=local)
        for index in np.unique(ended[special]):
            inside = np.flatnonzero(special & (ended == index))
            if table.offsets[index + 1] > table.offsets[index]:
                missing[inside] = True
            else:
                hour = Hour(int(table.first[index]), int(table.last[index]), self.unit)
                second = inside[fold.passes(rows, inside, hour)]
                utc[second] = local[second] - table.offsets[index + 1]
        if not special[-1] or missing[-1]:
            fold.leave(int(local[-1]))
        return utc, missing

    def days(self, utc: Ints) -> Ints:
        """The local date of each time: days since 1970-01-01."""
        days: Ints = self.local(utc) // (DAY * self.unit)
        return days

    def days_begin(self, utc: Ints) -> tuple[Ints, Ints]:
        """Where another local date begins among sorted times, the first row included; and which.

        Dates that are close to each other are looked up by when they begin, which reads few of the
        times. A date can begin twice, if clocks were set back across midnight.
        """
        low, high, day = int(utc[0]), int(utc[-1]), DAY * self.unit
        if (high - low) // day >= len(utc):
            of_rows = self.days(utc)
            begins = np.flatnonzero(np.append(True, of_rows[1:] != of_rows[:-1]))
            return begins, of_rows[begins]
        table = self._transitions(utc, low, high)
        first, last = table.instants.searchsorted([low, high], "right").tolist()
        bounds = [low, *table.instants[first:last].tolist(), high + 1]
        offsets = (table.offsets[first : last + 1] + self._shift).tolist()
        starts, days = [], []
        for begin, end, offset in zip(bounds, bounds[1:], offsets, strict=False):
            dates = np.arange((begin + offset) // day, (end - 1 + offset) // day + 1)
            starts.append(np.maximum(dates * day - offset, begin))
            days.append(dates)
        begins = utc.searchsorted(np.concatenate(starts))
        dates = np.concatenate(days)
        there = np.diff(begins, append=len(utc)) > 0
        begins, dates = begins[there], dates[there]
        other = np.append(True, dates[1:] != dates[:-1])
        return begins[other], dates[other]

    def local(self, utc: Ints) -> Ints:
        """The local time of each time."""
        if not len(utc):
            return utc
        low, high = int(utc.min()), int(utc.max())
        table = self._transitions(utc, low, high)
        first, last = table.instants.searchsorted([low, high], "right").tolist()
        if first == last:
            return utc + np.int64(table.offsets[first] + self._shift)
        local: Ints = (
            utc + self._shift + table.offsets[np.searchsorted(table.instants, utc, side="right")]
        )
        return local

    def _transitions(self, time: Ints, low: int, high: int) -> Transitions:
        """Those of the years that times lie in, however far these are from each other."""
        first, last = _year_of(low // self.unit), _year_of(high // self.unit)
        if last - first <= _NEAR:
            return _table(self._base, tuple(range(first, last + 1)), self.unit)
        months = np.unique(time // (_MONTH * self.unit)).tolist()
        years = {_year_of(month * _MONTH) for at in months for month in (at, at + 1)}
        return _table(self._base, tuple(sorted(years)), self.unit)


def _year_of(seconds: int) -> int:
    return (_EPOCH + dt.timedelta(seconds=min(max(seconds, _FIRST), _LAST))).year


@cache
def _table(name: str, wanted: tuple[int, ...], unit: int) -> Transitions:
    """The transitions of these years, and of those before and after each."""
    around = {year + margin for year in wanted for margin in (-_MARGIN, 0, _MARGIN)}
    years = sorted({min(max(year, 2), 9998) for year in around})
    found: list[tuple[int, int, int]] = []
    start = offset = _offset(name, _seconds(years[0]))
    for before, year in zip([years[0] - 1, *years], years, strict=False):
        if before != year - 1 and (now := _offset(name, _seconds(year))) != offset:
            found.append((_seconds(year), offset, now))  # it changed in the years between
        found += _changes(name, year)
        offset = found[-1][2] if found else start
    instants = np.array([instant for instant, _, _ in found], np.int64) * unit
    offsets = np.array([start, *(after for _, _, after in found)], np.int64) * unit
    sides = instants + offsets[:-1], instants + offsets[1:]
    return Transitions(instants, offsets, np.minimum(*sides), np.maximum(*sides))


@cache
def _changes(name: str, year: int) -> tuple[tuple[int, int, int], ...]:
    """Time, offset before and offset after of each transition in a year."""
    start, end = _seconds(year), _seconds(year + 1)
    found = []
    after = _offset(name, start)
    for day in range(start, end, DAY):
        before, after = after, _offset(name, min(day + DAY, end))
        if before != after:
            low, high = day, min(day + DAY, end)
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(name, middle) == before else (low, middle)
            found.append((high, before, after))
    return tuple(found)


def _seconds(year: int) -> int:
    return int((dt.datetime(year, 1, 1, tzinfo=dt.UTC) - _EPOCH).total_seconds())


def _offset(name: str, instant: int) -> int:
    moment = (_EPOCH + dt.timedelta(seconds=instant)).astimezone(zoneinfo.ZoneInfo(name))
    offset = moment.utcoffset()
    assert offset is not None
    return int(offset.total_seconds())
