"""Local times to UTC, and UTC to local days, by the transitions of a time zone."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from functools import cache
from typing import NamedTuple

import numpy as np

from pipekit_translator.timezones import zone_name
from pipekit_translator.work.table import Flags, Ints

DAY = 86_400
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
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


class Fold:
    """The position in a repeated hour: the last time read, and whether in the second pass.

    Kept from block to block, and for a growing file from run to run.
    """

    __slots__ = ("last", "second")

    def __init__(self, last: int | None = None, second: bool = False) -> None:
        self.last = last
        self.second = second

    def flags(self, local: Ints, first: int, day: int, *, repeats: bool) -> Flags:
        """Which of these times, all in the repeated hour from `first` on, are in its second pass.

        The second pass begins, in file order, with the first time that is not later than the one
        before; if times may repeat (ticks), with the first that is earlier. `day`: a day in the
        times' unit.
        """
        if self.last is None or not first <= self.last < first + day:
            self.second = False
            self.last = None
        before = np.concatenate(([first - 1 if self.last is None else self.last], local[:-1]))
        back = local < before if repeats else local <= before
        flags: Flags = np.logical_or.accumulate(back) | self.second
        self.last, self.second = int(local[-1]), bool(flags[-1])
        return flags


class Zone:
    """A time zone, for times in units of 1/`unit` second.

    `name`: see `timezones`. `repeats`: whether consecutive rows may share a time. Raises ValueError
    for an unknown name.
    """

    def __init__(self, name: str, unit: int = 1, *, repeats: bool = False) -> None:
        self.name = name
        self.unit = unit
        self._repeats = repeats
        self._base, shift = zone_name(name)
        self._shift = shift * unit

    def to_utc(self, local: Ints, fold: Fold) -> tuple[Ints, Flags]:
        """Convert local times, in file order, to UTC (both since 1970); also which never existed.

        The first pass of a repeated hour is daylight saving time.
        """
        missing = np.zeros(len(local), np.bool_)
        if self._shift:
            local = local - self._shift
        if not len(local) or self._base == "UTC":
            return local, missing
        low, high = int(local.min()), int(local.max())
        table = self._transitions(low, high)
        if (index := table.last.searchsorted(low, "right")) == table.first.searchsorted(
            high, "right"
        ):
            return local - table.offsets[index], missing
        begun = np.searchsorted(table.first, local, side="right")
        ended = np.searchsorted(table.last, local, side="right")
        utc = local - table.offsets[ended]
        special = begun != ended
        for index in np.unique(ended[special]):
            rows = np.flatnonzero(special & (ended == index))
            if table.offsets[index + 1] > table.offsets[index]:
                missing[rows] = True
            else:
                first, day = int(table.first[index]), DAY * self.unit
                second = rows[fold.flags(local[rows], first, day, repeats=self._repeats)]
                utc[second] = local[second] - table.offsets[index + 1]
        return utc, missing

    def days(self, utc: Ints) -> Ints:
        """The local date of each time: days since 1970-01-01."""
        days: Ints = self.local(utc) // (DAY * self.unit)
        return days

    def local(self, utc: Ints) -> Ints:
        """The local time of each time."""
        if not len(utc):
            return utc
        low, high = int(utc.min()), int(utc.max())
        table = self._transitions(low, high)
        first, last = table.instants.searchsorted([low, high], "right").tolist()
        if first == last:
            return utc + np.int64(table.offsets[first] + self._shift)
        local: Ints = (
            utc + self._shift + table.offsets[np.searchsorted(table.instants, utc, side="right")]
        )
        return local

    def _transitions(self, first: int, last: int) -> Transitions:
        years = _year_of(first // self.unit) - _MARGIN, _year_of(last // self.unit) + _MARGIN
        return _table(self._base, *years, self.unit)


def _year_of(seconds: int) -> int:
    return (_EPOCH + dt.timedelta(seconds=seconds)).year


@cache
def _table(name: str, first: int, last: int, unit: int) -> Transitions:
    years = range(max(first, 1), min(last, 9998) + 1)
    found = [change for year in years for change in _changes(name, year)]
    start = _offset(name, _seconds(years[0]))
    instants = np.array([instant for instant, _, _ in found], np.int64) * unit
    offsets = np.array([start, *(after for _, _, after in found)], np.int64) * unit
    sides = instants + offsets[:-1], instants + offsets[1:]
    return Transitions(instants, offsets, np.minimum(*sides), np.maximum(*sides))


@cache
def _changes(name: str, year: int) -> tuple[tuple[int, int, int], ...]:
    """Time, offset before and offset after of each transition in a year."""
    start, end = _seconds(year), _seconds(year + 1)
    found = []
    for day in range(start, end, DAY):
        before, after = _offset(name, day), _offset(name, min(day + DAY, end))
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
