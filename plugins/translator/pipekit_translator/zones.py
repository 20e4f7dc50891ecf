"""Local times to UTC and instants to local days, from the transitions of a zone; knows no files."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from functools import cache
from typing import NamedTuple

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan
from numpy.typing import NDArray  # noqa: TID253  # as above

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

DAY = 86_400
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MARGIN = 1  # years around the times asked for, so that a transition at New Year is seen


class Transitions(NamedTuple):
    """Of a zone over some years: `offsets[i]` (time east of UTC) holds before `instants[i]`.

    `first` and `last` are the local times between which the wall clock shows a time twice (the
    offset shrinks) or not at all (it grows).
    """

    instants: Ints
    offsets: Ints
    first: Ints
    last: Ints


class Fold:
    """How far a file has come in a doubled hour: the last time seen, and whether it is the second.

    Kept from chunk to chunk, and with a growing file from run to run.
    """

    def __init__(self, last: int | None = None, second: bool = False) -> None:
        self.last = last
        self.second = second

    def flags(self, local: Ints, first: int, day: int, *, repeats: bool) -> Flags:
        """Which of these times, all in the doubled hour from `first` on, are the second ones.

        In file order: from the first time that is not later than the one before, all are; where
        times may repeat (ticks), from the first that is earlier. `day`: a day in the times' unit.
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
    """A time zone of the tz database, for times with `unit` in a second.

    `repeats`: whether rows next to each other may share a time. Raises ZoneInfoNotFoundError for an
    unknown name.
    """

    def __init__(self, name: str, unit: int = 1, *, repeats: bool = False) -> None:
        self.name = name
        self.unit = unit
        self._repeats = repeats
        zoneinfo.ZoneInfo(name)

    def to_utc(self, local: Ints, fold: Fold) -> tuple[Ints, Flags]:
        """Instants of wall-clock times (as if these were UTC), in file order.

        Also says which times the clock never showed. Of a doubled hour the first pass is daylight
        saving time.
        """
        missing = np.zeros(len(local), np.bool_)
        if not len(local) or self.name == "UTC":
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
        """The local date of each instant: days since 1970-01-01."""
        days: Ints = self.local(utc) // (DAY * self.unit)
        return days

    def local(self, utc: Ints) -> Ints:
        """The wall-clock time (as if it were UTC) of each instant."""
        if not len(utc):
            return utc
        low, high = int(utc.min()), int(utc.max())
        table = self._transitions(low, high)
        first, last = table.instants.searchsorted([low, high], "right").tolist()
        if first == last:
            return utc + np.int64(table.offsets[first])
        local: Ints = utc + table.offsets[np.searchsorted(table.instants, utc, side="right")]
        return local

    def _transitions(self, first: int, last: int) -> Transitions:
        years = _year_of(first // self.unit) - _MARGIN, _year_of(last // self.unit) + _MARGIN
        return _table(self.name, *years, self.unit)


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
    """Instant, offset before and after of each change in a year, found day by day, then halved."""
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
