"""The two kinds of processed data: one-minute bars and ticks."""

from __future__ import annotations

from typing import NamedTuple


class Series(NamedTuple):
    """How one kind differs from the other.

    `name`: in folders and file names; `noun`: in messages. `prices`: columns between time and
    volume, of which those in `optional` may be null. `unit`: units of time in a second. `part`:
    what a file holds, a month or a day. `grouped`: whether several rows may share a time stamp.
    """

    name: str
    noun: str
    prices: tuple[str, ...]
    unit: int
    part: str
    grouped: bool
    optional: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that differ from row to row, in the order of the file."""
        return ("timestamp", *self.prices, "volume")


BARS = Series(
    name="1m",
    noun="bars",
    prices=("open", "high", "low", "close"),
    unit=1_000_000,
    part="month",
    grouped=False,
)
TICKS = Series(
    name="tick",
    noun="ticks",
    prices=("price", "bid", "ask"),
    optional=("bid", "ask"),
    unit=1_000_000_000,
    part="day",
    grouped=True,
)
ALL = {series.name: series for series in (BARS, TICKS)}
