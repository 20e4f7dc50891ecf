"""Finds rows that fill a gap with zeros or a false price, and prices far off all others nearby.

What is far is measured by the rows around: their median price, how far bars usually reach, and the
smallest step of the price. A new level is none: rows after it are there, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipekit_translator.layout import Series
from pipekit_translator.work.table import Flags, Floats, Ints, Table, joined

AROUND = 15  # rows before and after, from which the median is taken
FEW = 10  # more rows than these at a price far away are a new level, unless they fill a gap
MOST_HELD = 10_000  # rows without trades at the beginning, and rows to look back at
LEAST = 8  # rows that make a median; one is enough to know that a bar of zeros is false
STEP = 0.02  # of the price: less is never far
FAR, END, WIDE = 0.05, 0.5, 0.5  # of the price: between rows, at the end of a file, within a bar
FILLED_END = 0.2  # of the price: a bar without trades, at the end of a file
RANGES, TICKS = 60, 20
ZERO_STEPS = 10  # ranges or ticks from which on a price of 0 is far, however wide bars are

_Rows = tuple[Table, Ints]


class Around(NamedTuple):
    """The prices near a row: from the lower to the higher median, and what is far from these.

    `both`: whether they are known before and after it. `step`: a usual range, or a tick.
    """

    low: float
    high: float
    reach: float
    both: bool
    step: float

    def far(self, share: float, *, zero: bool = False) -> float:
        """How far off a price must be to be far, if it is more than this share of the price.

        `zero`: for a price of 0, which most often stands for none.
        """
        level = max(abs(self.low), abs(self.high))
        far = max(share * level, self.reach)
        return min(far, max(END * level, ZERO_STEPS * self.step)) if zero else far


class Prices(NamedTuple):
    """The prices of rows; `filler`: without trades at one price; `zero`: all prices 0."""

    low: Floats
    high: Floats
    close: Floats
    filler: Flags
    zero: Flags

    @classmethod
    def of(cls, table: Table, series: Series) -> Prices:
        """Those of a table."""
        if series.grouped:
            price = table.prices[0]
            return cls(price, price, price, np.zeros(len(price), np.bool_), price == 0)
        _, high, low, close = table.prices
        flat = high == low
        zero = flat & (high == 0)
        return cls(low, high, close, zero | (flat & (table.volume == 0)), zero)

    def at(self, rows: Ints) -> Prices:
        """Those of some of the rows."""
        low, high, close, filler, zero = self
        return Prices(low[rows], high[rows], close[rows], filler[rows], zero[rows])


class Outliers:
    """Takes outliers out of the rows of one instrument, in file order, each with its line.

    `carried`: prices are carried on from row to row, so a false one is in many.
    `fillers`, `lines`: lines of bars that fill gaps, and of rows with prices far off.
    """

    def __init__(self, series: Series, *, carried: bool = False) -> None:
        self._series = series
        self._carried = carried
        self._before: Table | None = None  # the last good rows
        self._held: list[_Rows] = []  # until the rows after them are known
        self.fillers: list[int] = []
        self.lines: list[int] = []

    def feed(self, table: Table, lines: Ints) -> Iterator[_Rows]:
        """The good rows, but for the last ones."""
        if self._is_smooth(table):
            good, self._held = [*self._held, (table, lines)], []
            for rows, numbers in good:
                self._remember(rows)
                yield rows, numbers
            return
        self._held.append((table, lines))
        table, lines = self._take()
        end = max(table.size - AROUND, 0)
        if self._before is None and Prices.of(table, self._series).filler[:end].all():
            end = max(table.size - MOST_HELD, 0)  # nothing is known of the price so far
        yield from self._good(table, lines, end)
        self._held = [(table.at(slice(end, None)).copy(), lines[end:].copy())]

    def finish(self) -> Iterator[_Rows]:
        """The last good rows."""
        if self._held:
            table, lines = self._take()
            yield from self._good(table, lines, table.size)

    def _take(self) -> _Rows:
        tables, lines = zip(*self._held, strict=True)
        self._held = []
        return joined(tables), np.concatenate(lines)

    def _good(self, table: Table, lines: Ints, end: int) -> Iterator[_Rows]:
        known = self._before.size if self._before is not None else 0
        whole = joined([self._before, table]) if self._before is not None else table
        bad, fills = _judged(Prices.of(whole, self._series), self._carried)
        bad, fills = bad[known : known + end], fills[known : known + end]
        good = table.at(slice(0, end))
        if bad.any():
            self.fillers += lines[:end][bad & fills].tolist()
            self.lines += lines[:end][bad & ~fills].tolist()
            good, lines = good.at(~bad), lines[:end][~bad]
        if good.size:
            self._remember(good)
            yield good, lines[: good.size]

    def _remember(self, good: Table) -> None:
        """Keep the last rows, those without trades apart from the very last one left out."""
        last = good.at(slice(-MOST_HELD, None))
        if self._before is not None and last.size < AROUND * 2:
            last = joined([self._before, last])
        usual = np.flatnonzero(~Prices.of(last, self._series).filler)[-AROUND:]
        self._before = last.at(np.union1d(usual, [last.size - 1])).copy()

    def _is_smooth(self, table: Table) -> bool:
        """Whether all of many rows are right, whatever comes after them, and those held as well."""
        if self._before is None or table.size <= AROUND:
            return False
        prices = [Prices.of(each, self._series) for each, _ in self._held]
        prices.append(Prices.of(table, self._series))
        last = Prices.of(self._before, self._series).close[-1]
        for each in prices:
            if not _is_near(last, each) or len(_jumps(each.close)) or len(_wide(each)):
                return False
            last = each.close[-1]
        return not prices[-1].filler.all()


def are_smooth(table: Table, series: Series, of: Ints) -> bool:
    """Whether the rows of several files surely have no outliers. `of`: each row's file."""
    prices = Prices.of(table, series)
    there = np.flatnonzero(~np.isnan(prices.close))
    if len(there) < table.size:
        prices, of = prices.at(there), of[there]
    jumps = _jumps(prices.close)
    return not (len(_wide(prices)) or prices.zero.any() or (of[jumps] == of[jumps - 1]).any())


def _is_near(last: float, prices: Prices) -> bool:
    """Whether all of some rows have a price, and the first is near the `last` one before them."""
    close = prices.close
    if np.isnan(last) or np.isnan(close).any():
        return False
    return bool(abs(close[0] - last) <= STEP * abs(last))


def _judged(prices: Prices, carried: bool) -> tuple[Flags, Flags]:
    """Which rows are outliers, and which of them fill gaps."""
    size = len(prices.close)
    bad = np.zeros(size, np.bool_)
    there = np.flatnonzero(~np.isnan(prices.close))  # quotes have no price
    if len(there) < size:
        prices = prices.at(there)
    found = np.zeros(len(there), np.bool_)
    fills = np.zeros(size, np.bool_)
    close = prices.close
    jumps, wide = _jumps(close), _wide(prices)
    if len(jumps) or len(wide) or (len(close) and prices.zero[0]):
        usual = np.flatnonzero(~prices.filler)
        for begin, end in _segments(jumps, prices, carried):
            found[begin:end] = _is_far(prices, begin, end, usual)
        for row in wide[~found[wide]].tolist():
            found[row] = _is_too_wide(prices, row, usual)
    bad[there], fills[there] = found, prices.filler
    return bad, fills


def _jumps(close: Floats) -> Ints:
    """The rows whose price is another than that of the row before."""
    level = np.abs(close)
    steps = np.abs(close[1:] - close[:-1])
    if len(steps) and steps.max() <= STEP * level.min():
        return np.zeros(0, np.int64)
    return np.flatnonzero(steps > STEP * np.maximum(level[1:], level[:-1])) + 1


def _wide(prices: Prices) -> Ints:
    """The bars that reach far."""
    return np.flatnonzero(prices.high - prices.low > WIDE * np.abs(prices.close))


def _segments(jumps: Ints, prices: Prices, carried: bool) -> Iterator[tuple[int, int]]:
    """Rows between two jumps of the price that are few, or all without trades.

    `carried`: rows of one price count once.
    """
    begins = np.concatenate(([0], jumps))
    ends = np.append(jumps, len(prices.close))
    fillers = np.concatenate(([0], np.cumsum(prices.filler)))
    filled = fillers[ends] - fillers[begins] == ends - begins
    few = ends - begins <= FEW
    if carried:
        changes = np.concatenate(([0, 0], np.cumsum(np.diff(prices.close) != 0)))
        few |= changes[ends] - changes[np.minimum(begins + 1, ends)] < FEW
    for at in np.flatnonzero(few | filled).tolist():
        yield int(begins[at]), int(ends[at])


def _is_far(prices: Prices, begin: int, end: int, usual: Ints) -> bool:
    """Whether these rows are far from those before and after them."""
    filled = bool(prices.filler[begin:end].all())
    around = _around(prices, begin, end, usual, 1 if filled else LEAST)
    if around is None:
        return bool(prices.zero[begin:end].all() and filled and len(usual) == 0)
    shares = (STEP, FILLED_END) if filled else (FAR if end - begin <= FEW else END, END)
    below = around.low - float(prices.high[begin:end].max())
    above = float(prices.low[begin:end].min()) - around.high
    zero = bool(prices.zero[begin:end].all())
    return max(below, above) > around.far(shares[not around.both], zero=zero)


def _is_too_wide(prices: Prices, row: int, usual: Ints) -> bool:
    """Whether one of a bar's prices is far from all around it."""
    around = _around(prices, row, row + 1, usual, LEAST)
    if around is None:
        return False
    low = prices.low[row]
    below, above = around.low - low, prices.high[row] - around.high
    return bool(below > around.far(WIDE, zero=bool(low == 0)) or above > 2 * around.far(WIDE))


def _around(prices: Prices, begin: int, end: int, usual: Ints, least: int) -> Around | None:
    """What the prices are around some rows; None if too few are known."""
    first, last = usual.searchsorted([begin, end])
    sides = [usual[max(first - AROUND, 0) : first], usual[last : last + AROUND]]
    sides = [side for side in sides if len(side) >= least]
    if not sides:
        return None
    medians = [float(np.median(prices.close[side])) for side in sides]
    rows = np.concatenate(sides)
    ranges = prices.high[rows] - prices.low[rows]
    steps = np.abs(np.diff(prices.close[rows]))
    tick = float(steps[steps > 0].min()) if steps.any() else 0.0
    usually = float(np.median(ranges))
    if len(steps):
        usually = max(usually, float(np.median(steps)))
    reach = max(RANGES * usually, TICKS * tick)
    return Around(min(medians), max(medians), reach, len(sides) > 1, max(usually, tick))
