"""The breakout rules, bar by bar, on whole ticks.

Plain Python over anything that has positions: it runs interpreted on memoryviews or compiled on
arrays. So it uses only what both understand: loops, whole numbers, slices and tuples. It takes
nothing from other modules: compiled code is kept for as long as this file stays the same.
The numbers in the comments are those of the rules (docs/reference/data.md: breakout analysis).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

RESULTS = ("NoTrade", "Win", "BE", "Loss", "Time", "Open")
NO_TRADE, WIN, BREAK_EVEN, LOSS, TIME, OPEN = range(6)
NO_ROW = -1
LONG, SHORT, NEITHER = 1, -1, 0
BEYOND_ENTRY = 1  # ticks on the losing side of the entry: where the stop is once T1 has fired
STRIDE = 64  # bars compared at once, in vector instructions; the fastest of 16, 32 and 64

Ticks = Sequence[int]
Table = Any  # whole numbers, indexed by window and variant


class Bars(NamedTuple):
    """One instrument's minutes in ascending order: four columns of one length."""

    time: Any
    high: Any
    low: Any
    close: Any


class Windows(NamedTuple):
    """One entry per (date, slot): range start, slot, latest entry and expiry as instants."""

    start: Any
    slot: Any
    latest: Any
    expiry: Any


class Data(NamedTuple):
    """How far an instrument's data reach: its last bar, and up to where they are complete."""

    last_bar: int
    end: int


class Rules(NamedTuple):
    """A variant's rules in ticks; the kernel gets columns, with an entry per variant."""

    target: Any
    t1: Any  # the move at which the stop goes to one tick on the losing side of the entry
    max_stop: Any  # the largest initial stop distance
    boundary: Any = False  # stop at the opposite end of the range, not the range's size away
    tie_to_target: Any = False  # target and stop equally near to the close: the target counts


class Outcome(NamedTuple):
    """Output by window: the range and the entry; by window and variant: how the trade went.

    `result` indexes RESULTS, or is NO_ROW. `entry_bar` and `exit_bar` index the bars, -1 where
    there is none. `exit` is meaningful where there is an exit bar. Prices are ticks.
    """

    range_high: Any
    range_low: Any
    range_bars: Any
    direction: Any
    entry_bar: Any
    entry: Any
    result: Table
    exit_bar: Table
    exit: Table
    stop: Table
    peak: Table
    profit: Table


SHARED = 6  # so many columns of an Outcome are by window alone


def breakouts(bars: Bars, windows: Windows, data: Data, rules: Rules, outcome: Outcome) -> None:
    """Write the outcome of every window under every variant; skip windows without a row."""
    start = slot = latest = expiry = 0
    begin, end, high, low = -1, 0, 0, 0  # the range so far: the bars from begin to end
    for w in range(len(windows.slot)):
        start = bar_at(bars.time, windows.start[w], start)
        slot = bar_at(bars.time, windows.slot[w], slot)
        latest = bar_at(bars.time, windows.latest[w] + 1, latest)
        expiry = bar_at(bars.time, windows.expiry[w], expiry)
        if windows.slot[w] > data.last_bar or start >= slot:  # 0; 1: no bar, no row
            continue
        if start != begin or slot < end:  # otherwise a later slot of the session extends the range
            begin, end, high, low = start, start, bars.high[start], bars.low[start]
        high = highest(bars.high[end:slot], high)  # 1
        low = lowest(bars.low[end:slot], low)
        end = slot
        long, short = high + 1, low - 1  # 2
        first, direction = entered(bars, slot, latest, long, short)
        entry = long if direction == LONG else short
        outcome.range_high[w], outcome.range_low[w] = high, low
        outcome.range_bars[w] = slot - start
        outcome.direction[w], outcome.entry_bar[w], outcome.entry[w] = direction, first, entry
        until, best, least = first, 0, -1
        for v in range(len(rules.target)):
            size = high - low + (1 if rules.boundary[v] else 0)  # 4
            stop = min(size, rules.max_stop[v])
            outcome.stop[w, v] = stop
            if direction == NEITHER:
                outcome.result[w, v] = NO_TRADE
                continue
            outcome.result[w, v], outcome.exit_bar[w, v], outcome.profit[w, v] = walked(
                bars, first, expiry, entry, direction, stop, rules.target[v],
                rules.t1[v], rules.tie_to_target[v], windows.expiry[w] <= data.end,
            )  # fmt: skip
            outcome.exit[w, v] = entry + direction * outcome.profit[w, v]
            if stop < least:
                until, best = first, 0
            if stop != least:  # a farther stop goes on from where a nearer one was hit
                until, best = peak(bars, until, expiry, entry, direction, stop, best)
                least = stop
            outcome.peak[w, v] = best


def bar_at(time: Ticks, moment: int, near: int) -> int:
    """The first bar at or after a moment, or the number of bars; `near`: where to start."""
    if near > 0 and time[near - 1] >= moment:
        near = 0
    step = 1
    while near + step <= len(time) and time[near + step - 1] < moment:
        near += step
        step *= 2
    while step > 1:
        step //= 2
        if near + step <= len(time) and time[near + step - 1] < moment:
            near += step
    return near


def entered(bars: Bars, slot: int, latest: int, long: int, short: int) -> tuple[int, int]:
    """Rule 3: the bar that fills an order, and the direction."""
    i = first_beyond(bars, slot, latest, long, short)
    if i == latest:
        return -1, NEITHER
    rises, falls = bars.high[i] >= long, bars.low[i] <= short
    if rises and falls:
        return -1, NEITHER
    return i, LONG if rises else SHORT


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
    """Rules 5 to 8: result, exit bar and profit; moves count in favour of the trade."""
    i = touched(bars, first, expiry, entry, direction, t1, stop)
    if i < expiry:
        favourable = moved(bars, i, entry, direction)
        if favourable < t1:
            return LOSS, i, -stop
        if favourable >= target:  # 5a: T1 fires, so no stop is tested
            return WIN, i, target
        i = touched(bars, i + 1, expiry, entry, direction, target, BEYOND_ENTRY)
    if i < expiry:  # 5b
        wins = moved(bars, i, entry, direction) >= target
        if wins and moved(bars, i, entry, -direction) >= BEYOND_ENTRY:
            close = (bars.close[i] - entry) * direction
            to_target, to_stop = abs(close - target), abs(close + BEYOND_ENTRY)
            wins = to_target < to_stop or (to_target == to_stop and tie_to_target)
        return (WIN, i, target) if wins else (BREAK_EVEN, i, -BEYOND_ENTRY)
    close = (bars.close[expiry - 1] - entry) * direction
    if expired:
        return TIME, expiry - 1, close  # 6
    return OPEN, -1, close  # 7


def moved(bars: Bars, i: int, entry: int, direction: int) -> int:
    """How far a bar moves from the entry in a direction."""
    up: int = bars.high[i] - entry
    down: int = entry - bars.low[i]
    return up if direction == LONG else down


def touched(
    bars: Bars, first: int, end: int, entry: int, direction: int, gain: int, loss: int
) -> int:
    """The first bar that moves by `gain` for a trade or by `loss` against it, or `end`."""
    if direction == LONG:
        return first_beyond(bars, first, end, entry + gain, entry - loss)
    return first_beyond(bars, first, end, entry + loss, entry - gain)


def peak(
    bars: Bars, first: int, expiry: int, entry: int, direction: int, stop: int, best: int
) -> tuple[int, int]:
    """Rule 9: the bar that touches the original stop, or the expiry, and the best move before it.

    `first`, `best`: where to begin, and the best move up to there.
    """
    if direction == LONG:
        until = first + first_at_most(bars.low[first:expiry], entry - stop)
        return until, highest(bars.high[first:until], entry + best) - entry
    until = first + first_at_least(bars.high[first:expiry], entry + stop)
    return until, entry - lowest(bars.low[first:until], entry - best)


def highest(prices: Ticks, top: int) -> int:
    """The highest of these prices and `top`."""
    for i in range(len(prices)):
        top = max(top, prices[i])
    return top


def lowest(prices: Ticks, bottom: int) -> int:
    """The lowest of these prices and `bottom`."""
    for i in range(len(prices)):
        bottom = min(bottom, prices[i])
    return bottom


def first_beyond(bars: Bars, first: int, end: int, above: int, below: int) -> int:
    """The first bar from `first` on that reaches one of two prices, or `end`."""
    i = first
    while i + STRIDE <= end:
        high, low = bars.high[i : i + STRIDE], bars.low[i : i + STRIDE]
        if highest(high, below) >= above or lowest(low, above) <= below:
            break
        i += STRIDE
    while i < end and bars.high[i] < above and bars.low[i] > below:
        i += 1
    return i


def first_at_least(prices: Ticks, level: int) -> int:
    """The first price at or above the level, or the number of prices."""
    i, end = 0, len(prices)
    while i + STRIDE <= end and highest(prices[i : i + STRIDE], prices[i]) < level:
        i += STRIDE
    while i < end and prices[i] < level:
        i += 1
    return i


def first_at_most(prices: Ticks, level: int) -> int:
    """The first price at or below the level, or the number of prices."""
    i, end = 0, len(prices)
    while i + STRIDE <= end and lowest(prices[i : i + STRIDE], prices[i]) > level:
        i += STRIDE
    while i < end and prices[i] > level:
        i += 1
    return i


PARTS = (
    bar_at, entered, walked, moved, touched, peak,
    highest, lowest, first_beyond, first_at_least, first_at_most,
)  # fmt: skip
