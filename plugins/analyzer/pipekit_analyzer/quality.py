"""What a reader of results should know of the bars beneath them; it changes no row.

Flags (data, §2.4): a zero-size range, fewer bars than half the range's minutes, entry and target
in one bar, a holiday or an early close inside the window, prices off the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time, timedelta
from typing import NamedTuple

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan

from pipekit_analyzer.kernel import NO_ROW, WIN, Bars
from pipekit_analyzer.rows import Computed
from pipekit_analyzer.sessions import Exchange, Slot, expiry_day

EXAMPLES = 5  # dates named for each flag: enough to look one up, whatever the history
EARLY = 60 * 60 * 1_000_000  # µs: a last bar that much before the usual one is an early close
_MINUTE = 60_000_000


class Quality(NamedTuple):
    """How many slots carry each flag, and the first few of them."""

    counts: dict[str, int]
    examples: dict[str, list[str]]


def assess(computed: Computed, bars: Bars, exchange: Exchange, off_grid: int = 0) -> Quality:
    """The flags of one variant's outcomes; `no_range`: slots without a bar in the range.

    `off_grid`: how many of the bars read have a price off the tick's grid.
    """
    _, asked, windows, outcome = computed
    row = outcome.result != NO_ROW
    minutes = (windows.slot - windows.start) // _MINUTE
    reached = windows.slot <= (bars.time[-1] if len(bars.time) else np.iinfo(np.int64).min)
    days = sorted({day for day, _ in asked})
    short = short_days(days, bars, exchange)
    meeting = {day for day in days if day in short or expiry_day(day) in short}
    flags = {
        "no_range": ~row & reached,
        "zero_range": row & (outcome.range_high == outcome.range_low),
        "few_bars": row & (2 * outcome.range_bars < minutes),
        "same_bar_win": (outcome.result == WIN) & (outcome.entry_bar == outcome.exit_bar),
        "early_close": row & np.array([day in meeting for day, _ in asked], np.bool_),
    }
    counts, examples = {}, {}
    for name, flag in flags.items():
        found = np.flatnonzero(flag).tolist()
        if found:
            counts[name] = len(found)
            examples[name] = [_label(*asked[i]) for i in found[:EXAMPLES]]
    if off_grid:
        counts["off_grid"] = off_grid
    return Quality(counts, examples)


def _label(day: date, slot: Slot) -> str:
    return f"{day} {' '.join(slot.key)}"


def short_days(days: Sequence[date], bars: Bars, exchange: Exchange) -> set[date]:
    """Trading days without bars before the latest entry, or whose last one comes early.

    Early is more than an hour before the usual one: the median of the days at hand, so that no
    calendar of holidays is needed. The day on which the data end is not over and not judged.
    """
    if not days or not len(bars.time):
        return set()
    around = _trading_days(exchange.day_of(int(bars.time[0])), expiry_day(days[-1]), exchange)
    data_end = exchange.day_of(int(bars.time[-1]))
    closes = {day: _distance(day, bars, exchange) for day in around if day < data_end}
    usual = [distance for distance in closes.values() if distance is not None]
    if not usual:
        return set()
    limit = sorted(usual)[(len(usual) - 1) // 2] + EARLY
    return {day for day, distance in closes.items() if distance is None or distance > limit}


def _trading_days(first: date, last: date, exchange: Exchange) -> list[date]:
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if exchange.trades_on(day)]


def _distance(day: date, bars: Bars, exchange: Exchange) -> int | None:
    """From a day's last bar before the latest entry up to that, in µs; None without a bar."""
    at = exchange.instants()
    latest = at(day, exchange.latest_entry)
    position = int(np.searchsorted(bars.time, latest)) - 1
    if position < 0 or bars.time[position] < at(day, time()):
        return None
    return latest - int(bars.time[position])
