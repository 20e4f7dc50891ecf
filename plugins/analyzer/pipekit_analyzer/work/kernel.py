"""The breakout rules, bar by bar, on whole ticks.

Plain Python over any indexable sequence: it runs interpreted on memoryviews, or compiled on arrays.
So it uses only what both understand: loops, whole numbers, slices and tuples. It imports nothing
from other modules, because compiled code is cached for as long as this file is unchanged.
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


class DataEnd(NamedTuple):
    """The time of an instrument's last bar, and the moment up to which its data are complete."""

    last_bar: int
    complete_to: int


class TickRules(NamedTuple):
    """A variant's rules, distances in ticks; the kernel gets columns, with an entry per variant."""

    target: Any
    t1: Any  # the move at which the stop goes to one tick on the losing side of the entry
    max_stop: Any  # the largest initial stop distance
    boundary: Any = False  # stop at the opposite end of the range, not the range's size away
    tie_to_target: Any = False  # target and stop equally near to the close: the trade wins


class Breakouts(NamedTuple):
    """Results by window: the range and the entry; by window and variant: how the trade went.

    `result` indexes RESULTS, or is NO_ROW. `entry_bar` and `exit_bar` index the bars, -1 if
    there is none. `exit` is meaningful only with an exit bar. Prices are ticks.
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


SHARED = 6  # columns of Breakouts that are by window alone, before the others


def breakouts(
    bars: Bars, windows: Windows, data_end: DataEnd, rules: TickRules, found: Breakouts
) -> None:
    """Fill in the results of every window under every variant; skip windows without a row."""
    start_bar = slot_bar = latest_bar = expiry_bar = 0
    begin, end, high, low = -1, 0, 0, 0  # the range so far: the bars from begin to end
    for w in range(len(windows.slot)):
        start_bar = bar_at(bars.time, windows.start[w], start_bar)
        slot_bar = bar_at(bars.time, windows.slot[w], slot_bar)
        latest_bar = bar_at(bars.time, windows.latest[w] + 1, latest_bar)  # + 1: inclusive
        expiry_bar = bar_at(bars.time, windows.expiry[w], expiry_bar)
        if windows.slot[w] > data_end.last_bar or start_bar >= slot_bar:
            continue  # 0: slot not reached; 1: range without bars
        if start_bar != begin or slot_bar < end:  # otherwise a later slot extends the range
            begin, end, high, low = start_bar, start_bar, bars.high[start_bar], bars.low[start_bar]
        high = highest(bars.high[end:slot_bar], high)  # 1: range
        low = lowest(bars.low[end:slot_bar], low)
        end = slot_bar
        long, short = high + 1, low - 1  # 2: levels
        entry_bar, direction = find_entry(bars, slot_bar, latest_bar, long, short)
        entry = long if direction == LONG else short
        found.range_high[w], found.range_low[w] = high, low
        found.range_bars[w] = slot_bar - start_bar
        found.direction[w], found.entry_bar[w], found.entry[w] = direction, entry_bar, entry
        peak_end, peak_move, previous_stop = entry_bar, 0, -1
        for v in range(len(rules.target)):
            size = high - low + (1 if rules.boundary[v] else 0)  # 4: stop
            stop = min(size, rules.max_stop[v])
            found.stop[w, v] = stop
            if direction == NEITHER:
                found.result[w, v] = NO_TRADE
                continue
            found.result[w, v], found.exit_bar[w, v], found.profit[w, v] = walk(
                bars, entry_bar, expiry_bar, entry, direction, stop, rules.target[v],
                rules.t1[v], rules.tie_to_target[v], windows.expiry[w] <= data_end.complete_to,
            )  # fmt: skip
            found.exit[w, v] = entry + direction * found.profit[w, v]
            if stop < previous_stop:
                peak_end, peak_move = entry_bar, 0
            if stop != previous_stop:  # a wider stop continues from where the tighter one was hit
                peak_end, peak_move = peak(
                    bars, peak_end, expiry_bar, entry, direction, stop, peak_move
                )
                previous_stop = stop
            found.peak[w, v] = peak_move


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


def find_entry(bars: Bars, first: int, end: int, long: int, short: int) -> tuple[int, int]:
    """Rule 3: the bar that fills an order, and the direction."""
    i = first_beyond(bars, first, end, long, short)
    if i == end:
        return -1, NEITHER
    rises, falls = bars.high[i] >= long, bars.low[i] <= short
    if rises and falls:
        return -1, NEITHER
    return i, LONG if rises else SHORT


def walk(
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
    """Rules 5 to 8: result, exit bar and profit; moves are in the direction of the trade."""
    i = first_touch(bars, first, expiry, entry, direction, t1, stop)
    if i < expiry:
        favourable = move_of(bars, i, entry, direction)
        if favourable < t1:
            return LOSS, i, -stop
        if favourable >= target:  # 5a: T1 fires, so no stop is tested
            return WIN, i, target
        i = first_touch(bars, i + 1, expiry, entry, direction, target, BEYOND_ENTRY)
    if i < expiry:  # 5b
        wins = move_of(bars, i, entry, direction) >= target
        if wins and move_of(bars, i, entry, -direction) >= BEYOND_ENTRY:
            close = (bars.close[i] - entry) * direction
            to_target, to_stop = abs(close - target), abs(close + BEYOND_ENTRY)
            wins = to_target < to_stop or (to_target == to_stop and tie_to_target)
        return (WIN, i, target) if wins else (BREAK_EVEN, i, -BEYOND_ENTRY)
    close = (bars.close[expiry - 1] - entry) * direction
    if expired:
        return TIME, expiry - 1, close  # 6
    return OPEN, -1, close  # 7


def move_of(bars: Bars, i: int, entry: int, direction: int) -> int:
    """How far a bar moves from the entry in a direction."""
    up: int = bars.high[i] - entry
    down: int = entry - bars.low[i]
    return up if direction == LONG else down


def first_touch(
    bars: Bars, first: int, end: int, entry: int, direction: int, gain: int, loss: int
) -> int:
    """The first bar that moves by `gain` for a trade or by `loss` against it, or `end`."""
    if direction == LONG:
        return first_beyond(bars, first, end, entry + gain, entry - loss)
    return first_beyond(bars, first, end, entry + loss, entry - gain)


def peak(
    bars: Bars, first: int, expiry: int, entry: int, direction: int, stop: int, best: int
) -> tuple[int, int]:
    """Rule 9: the bar that touches the initial stop, or the expiry, and the best move before it.

    `first`: the bar to start from; `best`: the best move before that bar.
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
    """The first bar, starting at `first`, that reaches one of two prices, or `end`."""
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


PARTS = (  # all functions that `breakouts` calls, to be inlined
    bar_at, find_entry, walk, move_of, first_touch, peak,
    highest, lowest, first_beyond, first_at_least, first_at_most,
)  # fmt: skip
