"""From bars and windows to outcomes: runs the kernel on them.

A pure function from arrays to arrays; knows no dates, zones, files or prices. Times are
microseconds of UTC, prices and distances ticks. The rules themselves are in `kernel`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pipekit_analyzer import kernel
from pipekit_analyzer.kernel import NO_ROW, Bars, Data, Entries, Sweep, Trades, Windows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

MANY = 500_000  # minutes in windows, over all variants: 0.05 s interpreted; compiling pays above
_MINUTE = 60_000_000

Kernel = Callable[[Bars, Windows, Data, Sweep, Entries, Trades], None]


class Rules(NamedTuple):
    """What a variant sets, in ticks: `t1` is where the stop moves to the entry."""

    target: int
    t1: int
    max_stop: int  # the initial stop is never farther away
    boundary: bool = False  # stop at the opposite range boundary, not at the range's size
    tie_to_target: bool = False  # target and stop equally near to the close: the target wins


class Outcome(NamedTuple):
    """What came of the windows under one variant, as arrays in their order.

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


def analyse(
    bars: Bars,
    windows: Windows,
    data: Data,
    rules: Sequence[Rules],
    compiled: Callable[[], Kernel] | None = None,
    many: int = MANY,
) -> list[Outcome]:
    """The outcome of every window under each variant's rules, in their order.

    Each group of columns that the kernel writes is one table, whose rows they are.
    `compiled` gives the compiled kernel; it is asked for it only where more than so `many` minutes
    lie in the windows, over all variants.
    """
    import numpy as np

    sweep = Sweep(*np.array(list(zip(*rules, strict=True)), np.int64))
    shape = len(windows.slot), len(rules)
    entries = Entries(*np.zeros((len(Entries._fields), shape[0]), np.int64))
    trades = Trades(*np.zeros((len(Trades._fields), *shape), np.int64))
    entries.entry_bar[:] = trades.exit_bar[:] = -1
    trades.result[:] = NO_ROW
    work = int((windows.expiry - windows.start).sum()) * len(rules)
    if compiled is not None and work > many * _MINUTE:
        compiled()(bars, windows, data, sweep, entries, trades)
    else:
        read = _viewed(bars), _viewed(windows), data, _viewed(sweep)
        kernel.breakouts(*read, _viewed(entries), _viewed(trades))
    return [_outcome(entries, Trades(*(t[:, v] for t in trades))) for v in range(len(rules))]


def _viewed(group: Any) -> Any:
    """The arrays as memoryviews, whose items are Python's own numbers: four times as fast."""
    return type(group)(*(memoryview(array) for array in group))


def _outcome(entries: Entries, trades: Trades) -> Outcome:
    return Outcome(
        exit=entries.entry + entries.direction * trades.profit,
        **entries._asdict(),
        **trades._asdict(),
    )
