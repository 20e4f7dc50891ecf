"""The breakout rules on integer ticks, one slot at a time; knows no dates, zones, files or prices.

A pure function from arrays to arrays. The numbers in the comments are those of the rules
(docs/reference: breakout analysis). Times are microseconds of UTC, prices and distances ticks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

RESULTS = ("NoTrade", "Win", "BE", "Loss", "Time", "Open")
NO_TRADE, WIN, BREAK_EVEN, LOSS, TIME, OPEN = range(6)
NO_ROW = -1
LONG, SHORT, NEITHER = 1, -1, 0
BEYOND_ENTRY = 1  # ticks: where the stop stands once T1 has fired


class Bars(NamedTuple):
    """One instrument's minutes in ascending order: four arrays of one length."""

    time: Ints
    high: Ints
    low: Ints
    close: Ints


class Windows(NamedTuple):
    """One entry a (date, slot): range start, slot, latest entry and expiry as instants."""

    start: Ints
    slot: Ints
    latest: Ints
    expiry: Ints


class Rules(NamedTuple):
    """What a variant sets, in ticks: `t1` is where the stop moves to the entry."""

    target: int
    t1: int
    boundary: bool = False  # stop at the opposite range boundary, not at the range's size
    tie_to_target: bool = False  # target and stop equally near to the close: the target wins


class Data(NamedTuple):
    """How far an instrument's data go: its last bar, and the end that is taken for granted."""

    last_bar: int
    end: int


class Outcome(NamedTuple):
    """What came of one slot; in `analyse`, each field is an array over the windows.

    `result` indexes RESULTS, or is NO_ROW. `entry_bar` and `exit_bar` index the bars, -1 where
    there is none. `exit` is a price in ticks, meaningful where there is an exit bar.
    """

    result: Any = NO_ROW
    direction: Any = NEITHER
    entry_bar: Any = -1
    exit_bar: Any = -1
    entry: Any = 0
    exit: Any = 0
    stop: Any = 0
    peak: Any = 0
    profit: Any = 0
    range_high: Any = 0
    range_low: Any = 0
    range_bars: Any = 0


class Exit(NamedTuple):
    """How a trade ended: its result, how many bars after the entry, and its profit in ticks."""

    result: int
    after: int
    profit: int


def analyse(bars: Bars, windows: Windows, data: Data, rules: Rules) -> Outcome:
    """The outcome of every window under one variant's rules, as arrays in the windows' order."""
    import numpy as np

    start = np.searchsorted(bars.time, windows.start)
    slot = np.searchsorted(bars.time, windows.slot)
    latest = np.searchsorted(bars.time, windows.latest, side="right")
    expiry = np.searchsorted(bars.time, windows.expiry)
    has_row = (windows.slot <= data.last_bar) & (start < slot)  # rules 0 and 1
    expired = windows.expiry <= data.end
    table = np.empty((len(windows.slot), len(Outcome._fields)), np.int64)
    table[:] = Outcome()
    for i in np.flatnonzero(has_row).tolist():
        table[i] = _slot(bars, start[i], slot[i], latest[i], expiry[i], expired[i], rules)
    return Outcome(*table.T)


def _slot(
    bars: Bars, start: int, slot: int, latest: int, expiry: int, expired: bool, rules: Rules
) -> Outcome:
    """One slot whose range has bars; the bounds are positions in the bars."""
    range_high = int(bars.high[start:slot].max())  # 1
    range_low = int(bars.low[start:slot].min())
    long, short = range_high + 1, range_low - 1  # 2
    size = range_high - range_low + (1 if rules.boundary else 0)  # 4
    stop = min(size, 3 * rules.target)
    ranged = Outcome(
        NO_TRADE,
        stop=stop,
        range_high=range_high,
        range_low=range_low,
        range_bars=slot - start,
    )
    high, low = bars.high[slot:latest], bars.low[slot:latest]
    touched = _first((high >= long) | (low <= short))  # 3
    if touched == len(high) or (high[touched] >= long and low[touched] <= short):
        return ranged
    direction = LONG if high[touched] >= long else SHORT
    entry = long if direction == LONG else short
    first = slot + touched
    favourable, adverse, close = _moves(bars, first, expiry, entry, direction)
    ended = _walk(favourable, adverse, close, stop, expired, rules)
    return ranged._replace(
        result=ended.result,
        direction=direction,
        entry_bar=first,
        exit_bar=-1 if ended.result == OPEN else first + ended.after,
        entry=entry,
        exit=entry + direction * ended.profit,
        peak=_peak(favourable, adverse, stop),
        profit=ended.profit,
    )


def _moves(bars: Bars, first: int, end: int, entry: int, direction: int) -> tuple[Ints, Ints, Ints]:
    """Per bar from the entry to the expiry: the best, the worst and the closing move, in ticks.

    Best and closing count in favour of the trade, the worst against it: so long and short trades
    walk by the same rules.
    """
    up, down = bars.high[first:end] - entry, entry - bars.low[first:end]
    close = (bars.close[first:end] - entry) * direction
    return (up, down, close) if direction == LONG else (down, up, close)


def _walk(
    favourable: Ints, adverse: Ints, close: Ints, stop: int, expired: bool, rules: Rules
) -> Exit:
    """Rule 5: through the bars, each with T1 first, then target and stop."""
    bars = len(close)
    t1 = _first(favourable >= rules.t1)
    stopped = _first(adverse[:t1] >= stop)  # before T1 the target is out of reach: T1 <= target
    if stopped < t1:
        return Exit(LOSS, stopped, -stop)
    won = t1 + _first(favourable[t1:] >= rules.target)
    after = t1 + 1  # in the bar in which T1 fires no stop is tested
    back = after + _first(adverse[after:] >= BEYOND_ENTRY)
    if won < min(back, bars):
        return Exit(WIN, won, rules.target)
    if back < min(won, bars):
        return Exit(BREAK_EVEN, back, -BEYOND_ENTRY)
    if won < bars:  # both in one bar
        if _target_is_nearer(int(close[won]), rules):
            return Exit(WIN, won, rules.target)
        return Exit(BREAK_EVEN, won, -BEYOND_ENTRY)
    return Exit(TIME if expired else OPEN, bars - 1, int(close[-1]))  # 6, 7


def _target_is_nearer(close: int, rules: Rules) -> bool:
    """Rule 5b, with the stop one tick beyond the entry."""
    to_target, to_stop = abs(close - rules.target), abs(close + BEYOND_ENTRY)
    return to_target < to_stop or (to_target == to_stop and rules.tie_to_target)


def _peak(favourable: Ints, adverse: Ints, stop: int) -> int:
    """Rule 9: 0 where the entry bar itself touches the original stop."""
    until = _first(adverse >= stop)
    return int(favourable[:until].max()) if until else 0


def _first(flags: Flags) -> int:
    """The position of the first true flag, or their number where none is true."""
    if not len(flags):
        return 0
    position = int(flags.argmax())
    return position if flags[position] else len(flags)
