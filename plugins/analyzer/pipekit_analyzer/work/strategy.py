"""From bars and windows to outcomes: run the kernel on them.

A pure function from arrays to arrays. Times are microseconds of UTC, prices and distances ticks.
The rules themselves are in `kernel`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipekit_analyzer.work.kernel import (
    NO_ROW,
    Bars,
    Data,
    Entries,
    Sweep,
    Trades,
    Windows,
    breakouts,
)

_MINUTE = 60_000_000

Ints = NDArray[np.int64]
Kernel = Callable[[Bars, Windows, Data, Sweep, Entries, Trades], None]


class Rules(NamedTuple):
    """A variant's rules in ticks; `t1` is the move at which the stop moves to the entry."""

    target: int
    t1: int
    max_stop: int  # the largest initial stop distance
    boundary: bool = False  # stop at the opposite end of the range, not the range's size away
    tie_to_target: bool = False  # target and stop equally near to the close: the target counts


class Outcome(NamedTuple):
    """The outcome of the windows under one variant, as arrays in their order.

    `result` indexes `kernel.RESULTS`, or is NO_ROW. `entry_bar` and `exit_bar` index the bars, -1
    where there is none. `exit` is a price in ticks, meaningful where there is an exit bar.
    """

    result: Ints
    direction: Ints
    entry_bar: Ints
    exit_bar: Ints
    entry: Ints
    exit: Ints
    stop: Ints
    peak: Ints
    profit: Ints
    range_high: Ints
    range_low: Ints
    range_bars: Ints


def interpreted(
    bars: Bars, windows: Windows, data: Data, sweep: Sweep, entries: Entries, trades: Trades
) -> None:
    """The kernel in plain Python.

    It gets memoryviews, whose items are Python's own numbers: four times as fast as arrays.
    """
    read = _viewed(bars), _viewed(windows), data, _viewed(sweep)
    breakouts(*read, _viewed(entries), _viewed(trades))


def analyse(
    bars: Bars,
    windows: Windows,
    data: Data,
    rules: Sequence[Rules],
    kernel: Kernel = interpreted,
) -> list[Outcome]:
    """The outcome of every window under each variant's rules, in their order.

    Each group of columns that the kernel writes is one table, whose rows they are.
    """
    sweep = Sweep(*np.array(list(zip(*rules, strict=True)), np.int64))
    shape = len(windows.slot), len(rules)
    entries = Entries(*np.zeros((len(Entries._fields), shape[0]), np.int64))
    trades = Trades(*np.zeros((len(Trades._fields), *shape), np.int64))
    entries.entry_bar[:] = trades.exit_bar[:] = -1
    trades.result[:] = NO_ROW
    kernel(bars, windows, data, sweep, entries, trades)
    return [_outcome(entries, Trades(*(t[:, v] for t in trades))) for v in range(len(rules))]


def minutes_in(windows: Windows) -> int:
    """The length of all windows together."""
    return int((windows.expiry - windows.start).sum()) // _MINUTE


def _viewed(group: Any) -> Any:
    return type(group)(*(memoryview(array) for array in group))


def _outcome(entries: Entries, trades: Trades) -> Outcome:
    return Outcome(
        exit=entries.entry + entries.direction * trades.profit,
        **entries._asdict(),
        **trades._asdict(),
    )
