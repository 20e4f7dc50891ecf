"""Market data made up for `pipekit demo`, in four dialects of one-minute bars; knows no stage.

The prices are a random walk on each instrument's tick grid, no market's. Whole numbers and a hash
make them, so a seed gives the same bytes on every machine and with every version of Python.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

FIRST_DAY = dt.date(2024, 1, 22)  # four weeks without a holiday or a change of the clocks
WEEKS = 4
SLOTS = 7  # entry times a day in the analyzer's default sessions

_CHICAGO = -6 * 60  # minutes to UTC, all winter
_OPEN = 17 * 60  # Chicago: a session runs from 17:00 on the evening before ...
_SESSION = 23 * 60  # ... to 16:00, then an hour's halt, or the weekend
_EPOCH = dt.date(1970, 1, 1)
_STEPS = 4  # moves of the walk in a bar: to its open, twice within, to its close
_FINE = 100_000  # the walk's unit is this part of a tick
_MOODS = (25, 45, 65, 85, 100, 115, 135, 160)  # how lively a day is, percent


class Bar(NamedTuple):
    """One minute: its start in Unix minutes, prices in ticks, volume in contracts."""

    minute: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class SampleFile(NamedTuple):
    """A raw file that was written: `path` relative to the project's root, `rows` of bars in it."""

    path: str
    dialect: str
    instrument: str
    rows: int


class BadRow(NamedTuple):
    """A row that no translator may take; `line` counts from 1, a header included."""

    path: str
    line: int
    reason: str


class Sample(NamedTuple):
    """What was written, and what a first run over it must give.

    `bars`: instrument → bars to come out of the translator. `bad_rows` go to quarantine. `unknown`:
    files whose instrument is not known; they are rejected, which makes the run `status`, with
    `exit_code`. `results`: rows of the breakout analysis.
    """

    files: tuple[SampleFile, ...]
    bars: dict[str, int]
    bad_rows: tuple[BadRow, ...]
    unknown: tuple[str, ...]
    first_day: dt.date
    last_day: dt.date
    results: int
    status: str = "partial"
    exit_code: int = 1


class _Market(NamedTuple):
    """An instrument: ticks in a point, first price (points), and its usual minute at midday.

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

    Every dialect is there once: daily files (ES), exports of which the second repeats a day of the
    first (NQ), a concatenated file in exchange time with one bad row (CL), NinjaTrader's own export
    by contract (GC); and an export of an instrument that nobody knows.

    Raises FileExistsError rather than write over a file, and OSError.
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
    concatenated = next(file.path for file in files if file.instrument == "CL")
    counts = {market.name: len(rows) for market, rows in bars.items()}
    days = trading_days()
    return Sample(
        files=files,
        bars=counts | {"CL": counts["CL"] - 1},
        bad_rows=(BadRow(concatenated, bad + 2, "high below low"),),
        unknown=(files[-1].path,),
        first_day=days[0],
        last_day=days[-1],
        results=len(bars) * len(days) * SLOTS,
    )


def trading_days() -> list[dt.date]:
    """Monday to Friday of the weeks there is data for; each begins on the evening before."""
    days = (FIRST_DAY + dt.timedelta(offset) for offset in range(7 * WEEKS))
    return [day for day in days if day.weekday() < 5]


def make_bars(market: _Market, seed: int) -> list[Bar]:
    """All bars of one instrument, in the order of time."""
    bars: list[Bar] = []
    price = market.start * market.per_point * _FINE
    profile = _profile()
    for day in trading_days():
        start = (day - _EPOCH).days * 1440 - 1440 + _OPEN - _CHICAGO
        noise = _noise(f"{seed}/{market.name}/{day}", 1 + _SESSION * (_STEPS + 1))
        scale = market.swing * _MOODS[next(noise) % len(_MOODS)] * _FINE // 40_000
        for minute, weight in enumerate(profile, start):
            step = scale * math.isqrt(weight * 100) // 100
            ticks = []
            for _ in range(_STEPS):
                price += (next(noise).bit_count() - 8) * step
                ticks.append(price // _FINE)
            volume = 1 + market.volume * weight * (64 + next(noise) % 256) // 19_200
            bars.append(Bar(minute, ticks[0], max(ticks), min(ticks), ticks[-1], volume))
    return bars


def _noise(key: str, count: int) -> Iterator[int]:
    """So many random numbers of 16 bits, the same ones for a key for ever."""
    stream = hashlib.shake_256(key.encode()).digest(2 * count)
    return iter(struct.unpack(f"<{count}H", stream))


def _profile() -> list[int]:
    """How busy each minute of a session is; 100 is the mean between 08:30 and 15:00 Chicago."""
    return [_weight((_OPEN + minute) % 1440) for minute in range(_SESSION)]


def _weight(clock: int) -> int:
    """A night that is quiet, a morning that is less so, and a trading day in the shape of a U."""
    if 510 <= clock < 900:
        return 50 + 150 * (clock - 705) ** 2 // 195**2
    if 120 <= clock < 510:
        return 14
    return 20 if 900 <= clock < 960 else 5


def _write_daily(folder: Path, market: _Market, bars: Sequence[Bar]) -> list[SampleFile]:
    """Dialect D: a file for each UTC day."""
    days: dict[str, list[Bar]] = {}
    for bar in bars:
        days.setdefault(_date(bar.minute), []).append(bar)
    files = []
    for day, rows in days.items():
        lines = _lines(market, rows, lambda m: f"{_date(m)}T{_CLOCK[m % 1440]}Z", ",")
        name = f"{market.name}/1m/{day[:4]}/{day[5:7]}/{market.name}_1m_{day}.csv"
        head = "timestamp_utc,open,high,low,close,volume\n"
        text = head + "".join(f"{line}\n" for line in lines)
        files.append(_write(folder, f"daily/{name}", "D", market, text, len(rows)))
    return files


def _write_exports(folder: Path, market: _Market, bars: Sequence[Bar]) -> list[SampleFile]:
    """Dialect A: an export after two weeks, and a later one that begins a day before its end."""
    half = len(bars) // 2
    return [
        _write_export(folder, market, bars[:half], "20240203_060000"),
        _write_export(folder, market, bars[half - _SESSION :], "20240217_060000"),
    ]


def _write_export(folder: Path, market: _Market, bars: Sequence[Bar], stamp: str) -> SampleFile:
    """Dialect A: a header, the instrument in a column, UTC, lines that end with CR and LF."""
    text = "".join(f"{line}\r\n" for line in _table(market, bars, 0))
    name = f"exporter/DataExport_{market.name}_{stamp}_UTC.csv"
    return _write(folder, name, "A", market, text, len(bars))


def _write_concatenated(folder: Path, market: _Market, bars: Sequence[Bar], bad: int) -> SampleFile:
    """Dialect B: one long file in exchange time; bar number `bad` has its high below its low."""
    rows = list(bars)
    rows[bad] = rows[bad]._replace(high=rows[bad].low - 1)
    text = "".join(f"{line}\n" for line in _table(market, rows, _CHICAGO))
    return _write(folder, f"concatenated/{market.name}.csv", "B", market, text, len(rows))


def _write_contracts(folder: Path, market: _Market, bars: Sequence[Bar]) -> list[SampleFile]:
    """Dialect C: no header, stamped with the bar's close, a file for each contract."""
    half = len(bars) // 2
    contracts = {"02-24": bars[:half], "04-24": bars[half:]}
    files = []
    for contract, rows in contracts.items():
        lines = _lines(market, rows, _close_stamp, ";")
        text = "".join(f"{line}\r\n" for line in lines)
        name = f"ninjatrader/{market.name} {contract}.Last.txt"
        files.append(_write(folder, name, "C", market, text, len(rows)))
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


def _write(
    folder: Path, name: str, dialect: str, market: _Market, text: str, rows: int
) -> SampleFile:
    path = f"data/raw/{name}"
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        file.write(text.encode("ascii"))
    return SampleFile(path, dialect, market.name, rows)
