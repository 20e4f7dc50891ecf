"""The kinds of processed data (bars of an interval, and ticks), their files, and sets of days.

An instrument's rows of one series have a key: `ES` for its one-minute bars, `ES/5m` for those of
five minutes, `ES/tick` for its ticks. The days that a raw file fed are kept in the ledger, so their
form is compact: for each key and month an integer whose bit `d` stands for day `d`.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from pipekit_translator.contracts import MARK, root_of


class Series(NamedTuple):
    """A kind of published rows: bars of one interval, or ticks.

    `name`: in folders and file names; `noun`: in messages. `prices`: columns between time and
    volume, of which those in `optional` may be null. `unit`: units of time in a second. `part`:
    what a file holds, a month or a day. `grouped`: whether several rows may share a time stamp.
    `seconds`: the length of a bar.
    """

    name: str
    noun: str
    prices: tuple[str, ...]
    unit: int
    part: str
    grouped: bool
    optional: tuple[str, ...] = ()
    seconds: int = 60

    def counted(self, rows: int) -> str:
        """So many of them, in words: `1 bar`, `2,000 ticks`."""
        return f"{rows:,} {self.noun if rows != 1 else self.noun.removesuffix('s')}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that differ from row to row, in the order of the file."""
        return ("timestamp", *self.prices, "volume")


BARS = Series(
    name="1m",
    noun="bars",
    prices=("open", "high", "low", "close"),
    unit=1_000_000,
    part="month",
    grouped=False,
)
TICKS = Series(
    name="tick",
    noun="ticks",
    prices=("price", "bid", "ask"),
    optional=("price", "bid", "ask"),
    unit=1_000_000_000,
    part="day",
    grouped=True,
)

_INTERVAL = re.compile(r"([1-9]\d{0,4})([smhd])")
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_LONGEST = 86_400  # seconds: bars are shorter

_INSTRUMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,31}")  # it names folders and files
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # on Windows
NAMING = "use letters, digits, '_', '-' and '.', up to 32, a letter or digit first"

Months = dict[str, int]
"""Month (`2013-10`) -> bits of its days."""
Days = dict[str, Months]
"""Key -> its months."""

_FILE = re.compile(
    r"(?P<name>.+)_(?P<series>[1-9]\d*[smh]|tick)_(?P<part>\d{4}-\d\d(-\d\d)?)\.parquet"
)


def interval_name(seconds: int) -> str:
    """The name of an interval: `5s`, `1m`, `90s`, `4h`."""
    unit, size = next(each for each in _UNITS.items() if seconds % each[1] == 0)
    return f"{seconds // size}{unit}"


@cache
def seconds_of(interval: str) -> int:
    """The seconds of an interval. Raises ValueError, whose message says what to write instead."""
    found = _INTERVAL.fullmatch(interval)
    if not found:
        raise ValueError(f"invalid interval {interval!r}: write '5s', '1m', '5m', '1h' or the like")
    seconds = int(found[1]) * _UNITS[found[2]]
    if seconds >= _LONGEST:
        raise ValueError(f"{interval!r} is too long: pipekit reads bars shorter than a day")
    if interval_name(seconds) != interval:
        raise ValueError(f"{interval!r} is written {interval_name(seconds)!r}")
    return seconds


@cache
def bars_of(interval: str) -> Series:
    """The series of bars of an interval. Raises ValueError."""
    if interval == BARS.name:
        return BARS
    return BARS._replace(name=interval, seconds=seconds_of(interval))


def series_called(name: str) -> Series:
    """The series of this name. Raises ValueError."""
    return TICKS if name == TICKS.name else bars_of(name)


def is_instrument(name: str) -> bool:
    """Whether an instrument may have this name, on every file system."""
    usual = _INSTRUMENT.fullmatch(name) and not name.endswith(".") and ".." not in name
    return bool(usual) and not _RESERVED.fullmatch(name)


def key(instrument: str, series: Series) -> str:
    """The key of an instrument's rows of a series."""
    return instrument if series is BARS else f"{instrument}/{series.name}"


def of_key(key: str) -> tuple[str, Series]:
    """Instrument and series of a key."""
    instrument, _, name = key.partition("/")
    return instrument, series_called(name) if name else BARS


def root_key(key: str) -> str:
    """The key that the rows of a contract are put together in; of any other key, itself."""
    if MARK not in key:
        return key
    name, slash, series = key.partition("/")
    return f"{root_of(name)}{slash}{series}"


def with_roots(days: Days) -> Days:
    """The days, and those of the keys that contracts among them are put together in."""
    roots = [{root_key(key): months} for key, months in days.items() if MARK in key]
    return union([days, *roots]) if roots else days


def path(processed: str, key: str, part: str) -> str:
    """The processed file of a part (a month or a day), relative to the project's root.

    `processed`: the folder of the key; those of single contracts have one of their own.
    """
    instrument, series = of_key(key)
    folder = f"{processed}/{instrument}/{series.name}/{part[:4]}"
    if series.part == "day":
        folder = f"{folder}/{part[5:7]}"
    return f"{folder}/{instrument}_{series.name}_{part}.parquet"


def series_name(key: str) -> str:
    """The name of a key's rows in the lifecycle: `ES/1m`."""
    instrument, series = of_key(key)
    return f"{instrument}/{series.name}"


def covered(path: str) -> tuple[str, str] | None:
    """Key and part of a processed file; None for any other path."""
    found = _FILE.fullmatch(path.rpartition("/")[2])
    if found is None:
        return None
    try:
        series = series_called(found["series"])
    except ValueError:
        return None
    if len(found["part"]) != (7 if series.part == "month" else 10):
        return None
    return key(found["name"], series), found["part"]


def days_of(part: str) -> Months:
    """All days of a part."""
    if len(part) > 7:
        return {part[:7]: 1 << int(part[8:])}
    _, count = calendar.monthrange(int(part[:4]), int(part[5:]))
    return {part: (2 << count) - 2}


def parts_of(key: str, months: Months) -> list[str]:
    """The parts that contain these days, in order."""
    if of_key(key)[1].part == "month":
        return sorted(months)
    return [date for _, date in dates({key: months})]


def span(days: Days) -> tuple[str, str] | None:
    """The first and the last of the days, as ISO dates; None if there are none."""
    months = [(month, bits) for months in days.values() for month, bits in months.items() if bits]
    if not months:
        return None
    first = min(f"{month}-{(bits & -bits).bit_length() - 1:02}" for month, bits in months)
    return first, max(f"{month}-{bits.bit_length() - 1:02}" for month, bits in months)


def union(parts: Iterable[Days]) -> Days:
    """The days of all parts."""
    found: Days = {}
    for part in parts:
        for key, month, bits in _walk(part):
            months = found.setdefault(key, {})
            months[month] = months.get(month, 0) | bits
    return found


def both(one: Days, other: Days) -> Days:
    """The days in both."""
    return _kept(
        (key, month, bits & other.get(key, {}).get(month, 0)) for key, month, bits in _walk(one)
    )


def without(one: Days, other: Days) -> Days:
    """The days in `one` that are not in `other`."""
    return _kept(
        (key, month, bits & ~other.get(key, {}).get(month, 0)) for key, month, bits in _walk(one)
    )


def within(days: Days, span: tuple[dt.date, dt.date]) -> Days:
    """The days from the first to the last date of a span."""
    first, last = (date.isoformat() for date in span)
    return union({key: days_of(day)} for key, day in dates(days) if first <= day <= last)


def dates(days: Days) -> Iterator[tuple[str, str]]:
    """Key and ISO date of each day, in order."""
    for key in sorted(days):
        for month in sorted(days[key]):
            for day in range(1, 32):
                if days[key][month] >> day & 1:
                    yield key, f"{month}-{day:02}"


def named(days: Days, limit: int = 5) -> str:
    """The days in a message: `ES 2013-10-06, ES 2013-10-07 and 3 more`."""
    all_days = [f"{key} {day}" for key, day in dates(days)]
    more = f" and {len(all_days) - limit} more" if len(all_days) > limit else ""
    return ", ".join(all_days[:limit]) + more


def _walk(days: Days) -> Iterator[tuple[str, str, int]]:
    for key, months in days.items():
        for month, bits in months.items():
            yield key, month, bits


def _kept(found: Iterable[tuple[str, str, int]]) -> Days:
    kept: Days = {}
    for key, month, bits in found:
        if bits:
            kept.setdefault(key, {})[month] = bits
    return kept
