"""Generate market data for `pipekit demo`: one-minute bars in four dialects of raw files.

Prices follow a random walk on the tick grid of each instrument. They are computed with integers
and a hash, so a seed gives the same bytes on every machine and with every version of Python.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

FIRST_DAY = dt.date(2024, 1, 22)  # starts four weeks without a holiday or a clock change
WEEKS = 4

_CHICAGO = -6 * 60  # minutes to UTC, all winter
_OPEN = 17 * 60  # Chicago: a session runs from 17:00 on the evening before ...
_SESSION = 23 * 60  # ... to 16:00, then an hour's halt, or the weekend
_EPOCH = dt.date(1970, 1, 1)
_STEPS = 4  # moves of the walk in a bar: to its open, twice within, to its close
_SUBTICKS = 100_000  # the walk's unit is this part of a tick
_VOLATILITIES = (25, 45, 65, 85, 100, 115, 135, 160)  # volatility of a day, percent


class Bar(NamedTuple):
    """One minute: its start in Unix minutes, prices in ticks, volume in contracts."""

    minute: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class SampleFile(NamedTuple):
    """A raw file; `path` is relative to the project's root."""

    path: str
    dialect: str
    instrument: str


class Sample(NamedTuple):
    """What was written, and what the first run must make of it.

    `bars`: instrument → number of translated bars. `unknown`: files of an unknown instrument, which
    are rejected and make the run partial.
    """

    files: tuple[SampleFile, ...]
    bars: dict[str, int]
    unknown: tuple[str, ...]
    first_day: dt.date
    last_day: dt.date


class _Market(NamedTuple):
    """An instrument: ticks per point, first price (points), and a typical minute at midday.

    `swing`: standard deviation in hundredths of a tick; `volume`: contracts.
    """

    name: str
    per_point: int
    decimals: int
    start: int
    swing: int
    volume: int


_ES = _Market("ES", 4, 2, 4872, 480, 2400)
_NQ = _Market("NQ", 4, 2, 17430, 2400, 1100)
_CL = _Market("CL", 100, 2, 74, 480, 550)
_GC = _Market("GC", 10, 1, 2029, 430, 320)
_XX = _Market("XX", 100, 2, 50, 500, 100)


def write_sample(folder: Path, seed: int = 7) -> Sample:
    """Write raw files for four instruments and twenty trading days below `folder`/data/raw.

    Each dialect is used once: daily files (ES), two exports that overlap by a day (NQ), a
    concatenated file in exchange time with one bad row (CL), and NinjaTrader's own export with a
    file per contract (GC). There is also an export of an unknown instrument.

    Raises FileExistsError rather than overwrite a file, and OSError.
    """
    bars = {market: make_bars(market, seed) for market in (_ES, _NQ, _CL, _GC)}
    stray = make_bars(_XX, seed)[:60]
    bad = len(bars[_CL]) // 2
    files = (
        *_write_daily(folder, _ES, bars[_ES]),
        *_write_exports(folder, _NQ, bars[_NQ]),
        _write_concatenated(folder, _CL, bars[_CL], bad),
        *_write_contracts(folder, _GC, bars[_GC]),
        _write_export(folder, _XX, stray, "20240217_060000"),
    )
    counts = {market.name: len(rows) for market, rows in bars.items()}
    days = trading_days()
    return Sample(
        files=files,
        bars=counts | {"CL": counts["CL"] - 1},
        unknown=(files[-1].path,),
        first_day=days[0],
        last_day=days[-1],
    )


def trading_days() -> list[dt.date]:
    """Monday to Friday of each week; a trading day begins on the evening before."""
    days = (FIRST_DAY + dt.timedelta(offset) for offset in range(7 * WEEKS))
    return [day for day in days if day.weekday() < 5]


def make_bars(market: _Market, seed: int) -> list[Bar]:
    """All bars of one instrument, sorted by time."""
    bars: list[Bar] = []
    price = market.start * market.per_point * _SUBTICKS
    activities = _activities()
    for day in trading_days():
        start = (day - _EPOCH).days * 1440 - 1440 + _OPEN - _CHICAGO
        numbers = _random_numbers(f"{seed}/{market.name}/{day}", 1 + _SESSION * (_STEPS + 1))
        volatility = _VOLATILITIES[next(numbers) % len(_VOLATILITIES)]
        scale = market.swing * volatility * _SUBTICKS // 40_000
        for minute, weight in enumerate(activities, start):
            step = scale * math.isqrt(weight * 100) // 100
            ticks = []
            for _ in range(_STEPS):
                price += (next(numbers).bit_count() - 8) * step
                ticks.append(price // _SUBTICKS)
            volume = 1 + market.volume * weight * (64 + next(numbers) % 256) // 19_200
            bars.append(Bar(minute, ticks[0], max(ticks), min(ticks), ticks[-1], volume))
    return bars


def _random_numbers(key: str, count: int) -> Iterator[int]:
    """Pseudo-random 16-bit numbers, always the same ones for a key."""
    stream = hashlib.shake_256(key.encode()).digest(2 * count)
    return iter(struct.unpack(f"<{count}H", stream))


def _activities() -> list[int]:
    """Activity of each minute of a session; 100 is the mean from 08:30 to 15:00 Chicago."""
    return [_activity((_OPEN + minute) % 1440) for minute in range(_SESSION)]


def _activity(clock: int) -> int:
    """Activity by minute of the day: a quiet night, a busier morning, a U-shaped trading day."""
    if 510 <= clock < 900:
        return 50 + 150 * (clock - 705) ** 2 // 195**2
    if 120 <= clock < 510:
        return 14
    return 20 if 900 <= clock < 960 else 5


def _write_daily(folder: Path, market: _Market, bars: Sequence[Bar]) -> list[SampleFile]:
    """Dialect D: one file per UTC day."""
    days: dict[str, list[Bar]] = {}
    for bar in bars:
        days.setdefault(_date(bar.minute), []).append(bar)
    files = []
    for day, rows in days.items():
        lines = _lines(market, rows, lambda m: f"{_date(m)}T{_CLOCK[m % 1440]}Z", ",")
        name = f"{market.name}/1m/{day[:4]}/{day[5:7]}/{market.name}_1m_{day}.csv"
        head = "timestamp_utc,open,high,low,close,volume\n"
        text = head + "".join(f"{line}\n" for line in lines)
        files.append(_write(folder, f"daily/{name}", "D", market, text))
    return files


def _write_exports(folder: Path, market: _Market, bars: Sequence[Bar]) -> list[SampleFile]:
    """Dialect A: an export after two weeks, and a later one that overlaps it by a day."""
    half = len(bars) // 2
    return [
        _write_export(folder, market, bars[:half], "20240203_060000"),
        _write_export(folder, market, bars[half - _SESSION :], "20240217_060000"),
    ]


def _write_export(folder: Path, market: _Market, bars: Sequence[Bar], stamp: str) -> SampleFile:
    """Dialect A: a header, an instrument column, UTC, CRLF line ends."""
    text = "".join(f"{line}\r\n" for line in _table(market, bars, 0))
    name = f"exporter/DataExport_{market.name}_{stamp}_UTC.csv"
    return _write(folder, name, "A", market, text)


def _write_concatenated(folder: Path, market: _Market, bars: Sequence[Bar], bad: int) -> SampleFile:
    """Dialect B: one long file in exchange time; the high of bar `bad` is below its low."""
    rows = list(bars)
    rows[bad] = rows[bad]._replace(high=rows[bad].low - 1)
    text = "".join(f"{line}\n" for line in _table(market, rows, _CHICAGO))
    return _write(folder, f"concatenated/{market.name}.csv", "B", market, text)


def _write_contracts(folder: Path, market: _Market, bars: Sequence[Bar]) -> list[SampleFile]:
    """Dialect C: no header, stamped with the bar's close, one file per contract."""
    half = len(bars) // 2
    contracts = {"02-24": bars[:half], "04-24": bars[half:]}
    files = []
    for contract, rows in contracts.items():
        lines = _lines(market, rows, _close_stamp, ";")
        text = "".join(f"{line}\r\n" for line in lines)
        name = f"ninjatrader/{market.name} {contract}.Last.txt"
        files.append(_write(folder, name, "C", market, text))
    return files


def _table(market: _Market, bars: Sequence[Bar], shift: int) -> Iterator[str]:
    """The lines of dialects A and B, times `shift` minutes from UTC."""
    yield "Date,Time,Open,High,Low,Close,Volume,Instrument"

    def stamp(minute: int) -> str:
        return f"{_date(minute + shift)},{_CLOCK[(minute + shift) % 1440]}"

    for line in _lines(market._replace(decimals=2), bars, stamp, ","):
        yield f"{line}.0,{market.name}"


def _lines(
    market: _Market, bars: Sequence[Bar], stamp: Callable[[int], str], separator: str
) -> Iterator[str]:
    """Stamp, prices and volume of each bar."""
    lowest = min(min(bar.low, bar.high) for bar in bars)
    highest = max(bar.high for bar in bars)
    price = {
        ticks: f"{ticks / market.per_point:.{market.decimals}f}"
        for ticks in range(lowest, highest + 1)
    }
    for minute, open, high, low, close, volume in bars:
        fields = (stamp(minute), price[open], price[high], price[low], price[close], str(volume))
        yield separator.join(fields)


def _close_stamp(minute: int) -> str:
    end = minute + 1
    return f"{_date(end)} {_CLOCK[end % 1440]}".replace("-", "").replace(":", "")


def _date(minute: int) -> str:
    return _DATES[minute // 1440]


_DATES = {
    (FIRST_DAY - _EPOCH).days + offset: str(FIRST_DAY + dt.timedelta(offset))
    for offset in range(-1, 7 * WEEKS)
}
_CLOCK = [f"{minute // 60:02}:{minute % 60:02}:00" for minute in range(1440)]


def _write(folder: Path, name: str, dialect: str, market: _Market, text: str) -> SampleFile:
    path = f"data/raw/{name}"
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        file.write(text.encode("ascii"))
    return SampleFile(path, dialect, market.name)
