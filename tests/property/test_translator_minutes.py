"""Bars out of ticks: whatever their order and however a file is read, what a plain loop makes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pipekit_translator.work.assemble.file_rows import Minutes
from pipekit_translator.work.table import Table

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
FIRST = 1_578_324_600 * SECOND  # a full minute

Tick = tuple[int, int, int]  # nanoseconds, price, volume


def table(ticks: list[Tick]) -> Table:
    time, price, volume = np.array(ticks, np.int64).T
    prices = price.astype(np.float64)
    return Table(time, (prices, prices - 1, prices + 1), volume)


def plain(ticks: list[Tick]) -> list[tuple[Any, ...]]:
    """A bar and the line of its first tick; ticks of one time stand as in the file."""
    found = []
    numbered = sorted(enumerate(ticks), key=lambda item: (item[1][0], item[0]))
    for minute in sorted({tick[0] // MINUTE for tick in ticks}):
        mine = [(line, tick) for line, tick in numbered if tick[0] // MINUTE == minute]
        prices = [tick[1] for _, tick in mine]
        bar = prices[0], max(prices), min(prices), prices[-1], sum(tick[2] for _, tick in mine)
        found.append((minute * 60_000_000, *map(float, bar), mine[0][0]))
    return found


TIMES = st.one_of(
    st.integers(0, 3 * MINUTE),
    st.sampled_from([0, 1, MINUTE - 1, MINUTE, 2 * MINUTE - 1, 30 * SECOND]),
).map(lambda at: FIRST + at)
TICKS = st.lists(st.tuples(TIMES, st.integers(-50, 50), st.integers(0, 9)), min_size=1, max_size=30)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(ticks=TICKS, cuts=st.sets(st.integers(1, 29)))
def test_bars_do_not_depend_on_how_the_ticks_come(ticks: list[Tick], cuts: set[int]) -> None:
    """Not on the pieces in which a file is read, nor on the order of its rows but within a time."""
    minutes = Minutes()
    edges = [0, *sorted(cut for cut in cuts if cut < len(ticks)), len(ticks)]
    for begin, end in pairwise(edges):
        minutes.add(table(ticks[begin:end]), np.arange(begin, end))
    bars, lines = minutes.bars()
    columns = [column.tolist() for column in (*bars.columns(), lines)]
    assert list(zip(*columns, strict=True)) == plain(ticks)
