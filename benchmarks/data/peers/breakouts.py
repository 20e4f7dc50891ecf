"""What all peers of the analysis share: instruments, windows, results, and the loop over all.

Dates and zones are no part of the comparison: each peer gets its windows as instants.
"""

from __future__ import annotations

import sys
import time as clock
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Chicago")
SLOTS = [("02:00", slot) for slot in ("07:30", "08:00", "09:00")]
SLOTS += [("08:00", slot) for slot in ("09:30", "10:00", "10:30", "11:00")]
RESULTS = ["NoTrade", "Win", "BE", "Loss", "Time", "Open"]
US = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instrument(NamedTuple):
    """Its tick and target in points, and both targets in ticks."""

    tick: float
    decimals: int
    target: int
    t1: int


def _instrument(tick: float, points: float, decimals: int) -> Instrument:
    return Instrument(tick, decimals, round(points / tick), ceil(0.65 * points / tick - 1e-9))


INSTRUMENTS = {
    "ES": _instrument(0.25, 10, 2),
    "NQ": _instrument(0.25, 50, 2),
    "YM": _instrument(1, 100, 0),
    "RTY": _instrument(0.1, 10, 1),
    "CL": _instrument(0.01, 0.5, 2),
    "NG": _instrument(0.001, 0.05, 3),
    "GC": _instrument(0.1, 5, 1),
}


def scaled(rules: Instrument, tenths: int) -> Instrument:
    """With a target so many tenths larger."""
    target = round(rules.target * (1 + tenths / 10))
    return rules._replace(target=target, t1=ceil(0.65 * target - 1e-9))


class Window(NamedTuple):
    """A date and slot, and its instants: microseconds of UTC."""

    date: date
    slot: str
    start: int
    at: int
    latest: int
    expiry: int


def windows(first: int, last: int) -> list[Window]:
    """Of data between two instants: Monday to Friday, each slot, in order of date and slot."""
    day = (EPOCH + first * US).astimezone(ZONE).date()
    end = (EPOCH + last * US).astimezone(ZONE).date()
    found = []
    while day <= end:
        if day.weekday() < 5:
            expiry = day + timedelta(days=3 if day.weekday() == 4 else 1)
            for start, slot in SLOTS:
                ends = _instant(day, "16:00"), _instant(expiry, slot)
                window = Window(day, slot, _instant(day, start), _instant(day, slot), *ends)
                if window.at <= last:
                    found.append(window)
        day += timedelta(days=1)
    return found


def _instant(day: date, at: str) -> int:
    return (datetime.combine(day, time.fromisoformat(at), ZONE) - EPOCH) // US


def files(source: Path, instrument: str) -> list[Path]:
    """The instrument's months in order."""
    return sorted((source / instrument).rglob("*.parquet"))


def main(
    load: Callable[[Path, str], Any],
    compute: Callable[[Any, Instrument], Any],
    write: Callable[[Any, Any, Instrument, str, Path], None],
    *,
    compiles: bool = False,
) -> None:
    """All instruments that there are, one after the other: INPUT OUTPUT CORES [kernel].

    What `load` gives goes to `compute`, and what both give to `write`. With `kernel` it says how
    long `compute` took, and what is compiled is so before anything is timed.
    """
    source, target = map(Path, sys.argv[1:3])
    alone = "kernel" in sys.argv[4:]
    target.mkdir(parents=True, exist_ok=True)
    took = 0.0
    for name, rules in INSTRUMENTS.items():
        if not (source / name).exists():
            continue
        given = load(source, name)
        if alone and compiles:
            compute(given, rules)
            compiles = False
        began = clock.perf_counter()
        found = compute(given, rules)
        took += clock.perf_counter() - began
        write(given, found, rules, name, target / f"{name}.parquet")
    if alone:
        print(f"kernel {took} s")
