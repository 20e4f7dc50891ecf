"""Prices of ticks that their row does not hold: carried on from the row before, or of quotes."""

from __future__ import annotations

import numpy as np

from pipekit_translator.dialects import FileFormat
from pipekit_translator.work.parse.header import RejectedError
from pipekit_translator.work.table import Floats, Ints, Table


class Quotes:
    """Completes the ticks of one instrument of a file, in file order."""

    def __init__(self, format: FileFormat) -> None:
        self._carry = format.carry
        self._price = format.price
        self._last = [np.nan] * 3  # price, bid and ask
        self._time: int | None = None

    def complete(self, ticks: Table, lines: Ints) -> Table:
        """The ticks with all that is known of them. Raises RejectedError for unsorted ones."""
        prices = ticks.prices
        if self._carry and ticks.size:
            self._check_order(ticks.time, lines)
            prices = tuple(map(_carried, prices, self._last))
            self._last = [float(column[-1]) for column in prices]
        price, bid, ask = prices
        if self._price in ("bid", "ask"):
            price = bid if self._price == "bid" else ask
        elif self._price == "mid":
            price = (bid + ask) / 2
        return ticks._replace(prices=(price, bid, ask))

    def _check_order(self, time: Ints, lines: Ints) -> None:
        before = time[:1] if self._time is None else np.array([self._time])
        back = np.flatnonzero(np.diff(time, prepend=before) < 0)
        if len(back):
            raise RejectedError(
                f"line {lines[back[0]]}: its time is before that of the row above it, so an empty "
                "price cannot be taken from there (carry = true): sort the export by time"
            )
        self._time = int(time[-1])


def _carried(column: Floats, last: float) -> Floats:
    """A column whose empty values are those before; `last`: what comes before the first."""
    if not np.isnan(column).any():
        return column
    known = np.concatenate(([last], column))
    place = np.where(np.isnan(known), 0, np.arange(len(known)))
    filled: Floats = known[np.maximum.accumulate(place)]
    return filled[1:]
