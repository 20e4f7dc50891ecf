"""Aggregates the ticks of one file to one-minute bars."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipekit_translator.dialects import BAR_SECONDS
from pipekit_translator.series import BARS, TICKS
from pipekit_translator.work.table import Ints, Table

MINUTE = BAR_SECONDS * TICKS.unit


class _Part(NamedTuple):
    """Bars of a block, with the times (ns) of their first and last ticks, and the first's line."""

    bars: Table
    first: Ints
    last: Ints
    lines: Ints


class Minutes:
    """Bars of a file's ticks, block by block; a minute may continue in a later block."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []

    def add(self, ticks: Table, lines: Ints) -> None:
        """Add ticks in file order, at least one, with their lines."""
        order = np.argsort(ticks.time, kind="stable")
        ticks, lines = ticks.at(order), lines[order]
        minute = ticks.time // MINUTE
        begins = np.flatnonzero(np.concatenate(([True], minute[1:] != minute[:-1])))
        ends = np.append(begins[1:], ticks.size) - 1
        price = ticks.prices[0]
        high, low = np.maximum.reduceat(price, begins), np.minimum.reduceat(price, begins)
        prices = (price[begins], high, low, price[ends])
        time = minute[begins] * (BAR_SECONDS * BARS.unit)
        bars = Table(time, prices, np.add.reduceat(ticks.volume, begins))
        self._parts.append(_Part(bars, ticks.time[begins], ticks.time[ends], lines[begins]))

    def bars(self) -> tuple[Table, Ints]:
        """The bars, sorted, each with the line of its first tick."""
        time = np.concatenate([part.bars.time for part in self._parts])
        columns = zip(*(part.bars.prices for part in self._parts), strict=True)
        open_, high, low, close = map(np.concatenate, columns)
        volume = np.concatenate([part.bars.volume for part in self._parts])
        first = np.concatenate([part.first for part in self._parts])
        last = np.concatenate([part.last for part in self._parts])
        lines = np.concatenate([part.lines for part in self._parts])
        order = np.lexsort(
            (first, time)
        )  # stable: at equal times the earlier block's tick is first
        begins = np.flatnonzero(np.diff(time[order], prepend=-1))
        closing = np.lexsort((last, time))[np.append(begins[1:], len(time)) - 1]
        opening = order[begins]
        prices = (
            open_[opening],
            np.maximum.reduceat(high[order], begins),
            np.minimum.reduceat(low[order], begins),
            close[closing],
        )
        bars = Table(time[opening], prices, np.add.reduceat(volume[order], begins))
        return bars, lines[opening]
