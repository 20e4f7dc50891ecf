"""The breakout rules, bar by bar, on whole ticks; knows no dates, zones, files or prices.

Plain Python over anything that has positions: `strategy` runs it interpreted on memoryviews or
compiled on arrays. So only what both understand stands here: loops, whole numbers, slices, tuples,
and nothing from other modules, since a compiled copy is kept for as long as this file is the same.
The numbers in the comments are those of the rules (docs/reference/data.md: breakout analysis).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

RESULTS = ("NoTrade", "Win", "BE", "Loss", "Time", "Open")
NO_TRADE, WIN, BREAK_EVEN, LOSS, TIME, OPEN = range(6)
NO_ROW = -1
LONG, SHORT, NEITHER = 1, -1, 0
BEYOND_ENTRY = 1  # ticks: where the stop stands once T1 has fired
STRIDE = 32  # bars: a compiler compares so many at once; the best of 8 to 128 measured

Ticks = Sequence[int]
Table = Any  # whole numbers by window and variant, written by their two positions


class Bars(NamedTuple):
    """One instrument's minutes in ascending order: four columns of one length."""

    time: Any
    high: Any
    low: Any
    close: Any


class Positions(NamedTuple):
    """One entry a window: the first bars at or after its times (after, for `latest`).

    `reached`: the data reach the slot. `expired`: they reach the expiry.
    """

    start: Any
    slot: Any
    latest: Any
    expiry: Any
    reached: Any
    expired: Any


class Sweep(NamedTuple):
    """One entry a variant, in ticks: see `strategy.Rules`."""

    target: Any
    t1: Any
    max_stop: Any
    boundary: Any
    tie_to_target: Any


class Entries(NamedTuple):
    """Written by window: the range and the entry, which all variants share."""

    range_high: Any
    range_low: Any
    range_bars: Any
    direction: Any
    entry_bar: Any
    entry: Any


class Trades(NamedTuple):
    """Written by window and variant: what came of it."""

    result: Table
    exit_bar: Table
    stop: Table
    peak: Table
    profit: Table


def breakouts(
    bars: Bars, windows: Positions, sweep: Sweep, entries: Entries, trades: Trades
) -> None:
    """The outcome of every window under every variant. A window without a row is left as it was."""
    begin, end, high, low = -1, 0, 0, 0  # the range so far: the bars from begin to end
    for w in range(len(windows.slot)):
        start, slot, expiry = windows.start[w], windows.slot[w], windows.expiry[w]
        if not windows.reached[w] or start >= slot:  # 0; 1: no bar, no row
            continue
        if start != begin or slot < end:  # else a session's later slot goes on where it was
            begin, end, high, low = start, start, bars.high[start], bars.low[start]
        high = highest(bars.high[end:slot], high)  # 1
        low = lowest(bars.low[end:slot], low)
        end = slot
        long, short = high + 1, low - 1  # 2
        first, direction = entered(bars, slot, windows.latest[w], long, short)
        entry = long if direction == LONG else short
        entries.range_high[w], entries.range_low[w] = high, low
        entries.range_bars[w] = slot - start
        entries.direction[w], entries.entry_bar[w], entries.entry[w] = direction, first, entry
        for v in range(len(sweep.target)):
            size = high - low + (1 if sweep.boundary[v] else 0)  # 4
            stop = min(size, sweep.max_stop[v])
            trades.stop[w, v] = stop
            if direction == NEITHER:
                trades.result[w, v] = NO_TRADE
                continue
            trades.result[w, v], trades.exit_bar[w, v], trades.profit[w, v] = walked(
                bars, first, expiry, entry, direction, stop, sweep.target[v],
                sweep.t1[v], sweep.tie_to_target[v], windows.expired[w],
            )  # fmt: skip
            if v and trades.stop[w, v - 1] == stop:
                trades.peak[w, v] = trades.peak[w, v - 1]
            else:
                trades.peak[w, v] = peak(bars, first, expiry, entry, direction, stop)


def entered(bars: Bars, slot: int, latest: int, long: int, short: int) -> tuple[int, int]:
    """Rule 3: the bar that fills an order, and its direction."""
    for i in range(slot, latest):
        rises, falls = bars.high[i] >= long, bars.low[i] <= short
        if rises and falls:
            return -1, NEITHER
        if rises:
            return i, LONG
        if falls:
            return i, SHORT
    return -1, NEITHER


def walked(
    bars: Bars,
    first: int,
    expiry: int,
    entry: int,
    direction: int,
    stop: int,
    target: int,
    t1: int,
    tie_to_target: bool,
    expired: bool,
) -> tuple[int, int, int]:
    """Rules 5 to 8: result, bar of the exit, profit; moves count in favour of the trade."""
    moved = False
    for i in range(first, expiry):
        up, down = bars.high[i] - entry, entry - bars.low[i]
        favourable, adverse = (up, down) if direction == LONG else (down, up)
        fires = not moved and favourable >= t1  # 5a
        moved = moved or fires
        distance = BEYOND_ENTRY if moved else stop
        wins = favourable >= target  # 5b
        stops = adverse >= distance and not fires
        if wins and stops:
            close = (bars.close[i] - entry) * direction
            to_target, to_stop = abs(close - target), abs(close + distance)
            wins = to_target < to_stop or (to_target == to_stop and tie_to_target)
        if wins:
            return WIN, i, target
        if stops:
            return (BREAK_EVEN if moved else LOSS), i, -distance
    close = (bars.close[expiry - 1] - entry) * direction
    if expired:
        return TIME, expiry - 1, close  # 6
    return OPEN, -1, close  # 7


def peak(bars: Bars, first: int, expiry: int, entry: int, direction: int, stop: int) -> int:
    """Rule 9: the best move before the first bar that touches the original stop."""
    if direction == LONG:
        until = first + first_at_most(bars.low[first:expiry], entry - stop)
        return highest(bars.high[first:until], entry) - entry
    until = first + first_at_least(bars.high[first:expiry], entry + stop)
    return entry - lowest(bars.low[first:until], entry)


def highest(prices: Ticks, top: int) -> int:
    """The highest of some prices, and at least `top`."""
    for i in range(len(prices)):
        top = max(top, prices[i])
    return top


def lowest(prices: Ticks, bottom: int) -> int:
    """The lowest of some prices, and at most `bottom`."""
    for i in range(len(prices)):
        bottom = min(bottom, prices[i])
    return bottom


def first_at_least(prices: Ticks, level: int) -> int:
    """The first price that is not below the level, or their number."""
    i, end = 0, len(prices)
    while i + STRIDE <= end and highest(prices[i : i + STRIDE], prices[i]) < level:
        i += STRIDE
    while i < end and prices[i] < level:
        i += 1
    return i


def first_at_most(prices: Ticks, level: int) -> int:
    """The first price that is not above the level, or their number."""
    i, end = 0, len(prices)
    while i + STRIDE <= end and lowest(prices[i : i + STRIDE], prices[i]) > level:
        i += STRIDE
    while i < end and prices[i] > level:
        i += 1
    return i


PARTS = (entered, walked, peak, highest, lowest, first_at_least, first_at_most)
