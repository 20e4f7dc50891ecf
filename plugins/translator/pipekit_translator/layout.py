"""Where processed bars lie and which days a file fed; knows neither bars nor the ledger.

The days that a raw file fed are remembered with its consumption, so they are kept small: for each
instrument and month a whole number whose bit `d` stands for day `d`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

INTERVAL = "1m"
INSTRUMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,31}")  # it names folders and files

Days = dict[str, dict[str, int]]
"""Instrument -> month (`2013-10`) -> bits of its days."""


def month_path(processed: str, instrument: str, month: str) -> str:
    """The processed file of an instrument's month, relative to the project's root."""
    folder = f"{processed}/{instrument}/{INTERVAL}/{month[:4]}"
    return f"{folder}/{instrument}_{INTERVAL}_{month}.parquet"


def series(instrument: str) -> str:
    """What the lifecycle knows an instrument's bars by."""
    return f"{instrument}/{INTERVAL}"


def covered(path: str) -> tuple[str, str] | None:
    """Instrument and month of a processed file; None for another path."""
    stem = path.rpartition("/")[2].removesuffix(".parquet")
    instrument, _, month = stem.rpartition(f"_{INTERVAL}_")
    return (instrument, month) if instrument and re.fullmatch(r"\d{4}-\d\d", month) else None


def union(parts: Iterable[Days]) -> Days:
    """The days of all parts."""
    found: Days = {}
    for part in parts:
        for instrument, month, bits in _walk(part):
            months = found.setdefault(instrument, {})
            months[month] = months.get(month, 0) | bits
    return found


def both(one: Days, other: Days) -> Days:
    """The days that stand in both."""
    return _kept(
        (instrument, month, bits & other.get(instrument, {}).get(month, 0))
        for instrument, month, bits in _walk(one)
    )


def without(one: Days, other: Days) -> Days:
    """The days of the one that do not stand in the other."""
    return _kept(
        (instrument, month, bits & ~other.get(instrument, {}).get(month, 0))
        for instrument, month, bits in _walk(one)
    )


def dates(days: Days) -> Iterator[tuple[str, str]]:
    """Instrument and ISO date of each day, in order."""
    for instrument in sorted(days):
        for month in sorted(days[instrument]):
            for day in range(1, 32):
                if days[instrument][month] >> day & 1:
                    yield instrument, f"{month}-{day:02}"


def bits_of(day_numbers: Iterable[int]) -> int:
    """Days of a month as bits."""
    bits = 0
    for day in day_numbers:
        bits |= 1 << day
    return bits


def within(days: Days, first: str, last: str) -> bool:
    """Whether any of the days lies between two ISO dates, both included."""
    return any(first <= day <= last for _, day in dates(days))


def named(days: Days, limit: int = 5) -> str:
    """For people: `ES 2013-10-06, ES 2013-10-07 and 3 more`."""
    all_days = [f"{instrument} {day}" for instrument, day in dates(days)]
    more = f" and {len(all_days) - limit} more" if len(all_days) > limit else ""
    return ", ".join(all_days[:limit]) + more


def _walk(days: Days) -> Iterator[tuple[str, str, int]]:
    for instrument, months in days.items():
        for month, bits in months.items():
            yield instrument, month, bits


def _kept(found: Iterable[tuple[str, str, int]]) -> Days:
    kept: Days = {}
    for instrument, month, bits in found:
        if bits:
            kept.setdefault(instrument, {})[month] = bits
    return kept
