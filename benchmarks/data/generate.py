"""Made-up market data of real size: minute exports, tick exports and small run files; seeded.

The bars follow the futures' week: Sunday 17:00 to Friday 16:00 Chicago, an hour's pause each day.
Text is made in numpy as a matrix of bytes with a mask for what is not there, a chunk at a time, so
that gigabytes take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

ZONE = "America/Chicago"
FIRST_DAY = np.datetime64("2019-01-06")  # a Sunday
CHUNK = 1 << 20  # rows of text made at once
SESSION = 23 * 60  # minutes from 17:00 to 16:00 of the next day
MISSING = 0.01  # of the minutes: nobody traded


@dataclass(frozen=True)
class Market:
    """An instrument: its tick, decimals and the price it starts from."""

    name: str
    tick: float
    decimals: int
    price: float


MARKETS = [
    Market("ES", 0.25, 2, 3000.0),
    Market("NQ", 0.25, 2, 8000.0),
    Market("YM", 1.0, 0, 26000.0),
    Market("RTY", 0.1, 1, 1500.0),
    Market("CL", 0.01, 2, 60.0),
    Market("NG", 0.001, 3, 3.0),
    Market("GC", 0.1, 1, 1500.0),
]


def bars(market: Market, years: float) -> tuple[np.ndarray, ...]:
    """A market's minutes: time in seconds of UTC, open, high, low and close in ticks, volume.

    A random walk, lively by day and quiet by night.
    """
    rng = np.random.default_rng([7, MARKETS.index(market)])
    local = _session_minutes(int(years * 365))
    local = local[rng.random(len(local)) >= MISSING]
    minute = local // 60 % 1440
    lively = np.where((minute >= 510) & (minute < 915), 3.0, 1.0)
    step = np.rint(rng.standard_normal((len(local), 4)) * lively[:, None]).astype(np.int64)
    start = round(market.price / market.tick)
    close = start + _kept_near(step.sum(axis=1), start // 3)
    open_ = np.concatenate([[start], close[:-1]]) + step[:, 0]
    high = np.maximum(open_, close) + abs(step[:, 1])
    low = np.minimum(open_, close) - abs(step[:, 2])
    volume = rng.integers(1, 900, len(local)) * lively.astype(np.int64)
    return _utc(local), open_, high, low, close, volume


def _session_minutes(days: int) -> np.ndarray:
    """Wall-clock seconds of each minute of the sessions that begin on these days, Sunday first."""
    begins = np.arange(days)[np.arange(days) % 7 < 5]  # Sunday to Thursday evening
    first = (FIRST_DAY + begins).astype("M8[s]").astype(np.int64) + 17 * 3600
    return (first[:, None] + np.arange(SESSION) * 60).ravel()


def _utc(local: np.ndarray) -> np.ndarray:
    """Seconds of UTC; no session minute is in a doubled or missing hour (Sunday morning)."""
    hours, index = np.unique(local // 3600, return_inverse=True)
    zone = ZoneInfo(ZONE)
    stamps = (hours * 3600).astype("M8[s]").astype(object)
    offsets = [stamp.replace(tzinfo=zone).utcoffset().total_seconds() for stamp in stamps]
    return local - np.array(offsets, np.int64)[index]


def _kept_near(steps: np.ndarray, most: int) -> np.ndarray:
    """The walk of the steps, thrown back between two walls at +-`most`."""
    walk = np.cumsum(steps)
    return abs((walk + most) % (4 * most) - 2 * most) - most


class Text:
    """Rows of text as a matrix of bytes, and which of the bytes count."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._parts: list[np.ndarray] = []
        self._masks: list[np.ndarray] = []

    def word(self, text: str) -> Text:
        """The same text in each row."""
        row = np.frombuffer(text.encode(), np.uint8)
        self._parts.append(np.broadcast_to(row, (self._rows, len(row))))
        self._masks.append(np.broadcast_to(np.True_, (self._rows, len(row))))
        return self

    def number(self, values: np.ndarray, width: int, *, padded: bool = True) -> Text:
        """Whole numbers; without `padded` the zeros in front are left out, but for the last."""
        powers = 10 ** np.arange(width - 1, -1, -1)
        self._parts.append((values[:, None] // powers % 10 + ord("0")).astype(np.uint8))
        shown = np.ones((len(values), width), np.bool_)
        if not padded:
            shown[:, :-1] = values[:, None] >= powers[:-1]
        self._masks.append(shown)
        return self

    def price(self, ticks: np.ndarray, market: Market) -> Text:
        """A price in ticks with the market's decimals."""
        scale = 10**market.decimals
        units = ticks * round(market.tick * scale)
        self.number(units // scale, 5, padded=False)
        return self.word(".").number(units % scale, market.decimals) if market.decimals else self

    def bytes(self) -> bytes:
        """All rows, one after the other."""
        return np.concatenate(self._parts, axis=1)[np.concatenate(self._masks, axis=1)].tobytes()


def _clock(seconds: np.ndarray) -> tuple[np.ndarray, ...]:
    """Year, month, day, hour, minute, second."""
    days = (seconds // 86400).astype("M8[D]")
    months = days.astype("M8[M]")
    year = months.astype("M8[Y]").astype(np.int64) + 1970
    month = months.astype(np.int64) % 12 + 1
    day = (days - months).astype(np.int64) + 1
    rest = seconds % 86400
    return year, month, day, rest // 3600, rest // 60 % 60, rest % 60


def minutes(folder: Path, years: float) -> None:
    """An export of each market: dialect A in UTC, with two decimals and CRLF; some bars twice."""
    for market in MARKETS:
        made = bars(market, years)
        shown = replace(market, decimals=max(market.decimals, 2))
        with (folder / f"DataExport_{market.name}_20260101_000000_UTC.csv").open("wb") as file:
            file.write(b"Date,Time,Open,High,Low,Close,Volume,Instrument\r\n")
            for first in range(0, len(made[0]), CHUNK):
                part = slice(max(first - 500, 0), first + CHUNK)  # 500 of the last chunk again
                file.write(_minute_text(*(column[part] for column in made), shown))


def _minute_text(time, open, high, low, close, volume, market: Market) -> bytes:
    year, month, day, hour, minute, second = _clock(time)
    text = Text(len(year)).number(year, 4).word("-").number(month, 2).word("-").number(day, 2)
    text.word(",").number(hour, 2).word(":").number(minute, 2).word(":").number(second, 2)
    for column in (open, high, low, close):
        text.word(",").price(column, market)
    text.word(",").number(volume, 5, padded=False).word(f".0,{market.name}\r\n")
    return text.bytes()


def ticks(folder: Path, size: int) -> None:
    """One export of about `size` bytes: dialect N, no header, seven-digit fractions."""
    chunks = _ticks(MARKETS[0])
    with (folder / "ES 03-20.Last.txt").open("wb") as file:
        while file.tell() < size:
            file.write(next(chunks))


def _ticks(market: Market) -> Iterator[bytes]:
    rng = np.random.default_rng(11)
    days = iter(_session_minutes(20 * 365)[::SESSION])
    now, end = 0, 0
    last = middle = round(market.price / market.tick)
    while True:
        gaps = (rng.exponential(0.04, CHUNK) * 1e7).astype(np.int64)  # 100 ns; many at one instant
        gaps[rng.random(CHUNK) < 0.3] = 0
        if now >= end:
            begin = next(days)
            now, end = max(begin * 10**7, now), (begin + SESSION * 60) * 10**7
        time = now + np.cumsum(gaps)
        now = int(time[-1])
        walk = last + np.cumsum(rng.integers(-1, 2, CHUNK))
        price = np.clip(walk, middle - middle // 3, middle + middle // 3)
        last = int(price[-1])
        yield _tick_text(time, price, rng.integers(1, 60, CHUNK), market)


def _tick_text(time: np.ndarray, price: np.ndarray, volume: np.ndarray, market: Market) -> bytes:
    year, month, day, hour, minute, second = _clock(time // 10**7)
    text = Text(len(time)).number(year, 4).number(month, 2).number(day, 2).word(" ")
    text.number(hour, 2).number(minute, 2).number(second, 2).word(" ").number(time % 10**7, 7)
    for ticks in (price, price - 1, price + 1):
        text.word(";").price(ticks, market)
    return text.word(";").number(volume, 3, padded=False).word("\n").bytes()
