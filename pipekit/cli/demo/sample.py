"""Generate market data for `pipekit demo`: one-minute bars in four dialects of raw files.

Prices follow a random walk on the tick grid of each instrument. A seed gives the same bytes on
every machine and with every version of Python.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

FIRST_DAY = dt.date(2024, 1, 22)  # starts four weeks without a holiday or a clock change
LAST_DAY = FIRST_DAY + dt.timedelta(25)

_MINUTE = dt.timedelta(minutes=1)
_OPEN = dt.time(23, tzinfo=dt.UTC)  # 17:00 in Chicago, on the evening before the trading day
_SESSION = 23 * 60  # minutes; then an hour's halt, or the weekend
_BUSY = range(930, 1320)  # minutes of the session: 08:30 to 15:00 in Chicago
_CHICAGO = -dt.timedelta(hours=6)  # to UTC, all winter
_HEAD = "Date,Time,Open,High,Low,Close,Volume,Instrument"  # of dialects A and B


class Bar(NamedTuple):
    """One minute: its start in UTC, prices in ticks, volume in contracts."""

    start: dt.datetime
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

    `bars`: instrument → number of translated bars. `unknown`: the file of an unknown instrument,
    which is rejected and makes the run partial.
    """

    files: tuple[SampleFile, ...]
    bars: dict[str, int]
    unknown: str


class _Market(NamedTuple):
    """An instrument: tick and first price in points, size of its moves in ticks."""

    name: str
    tick: float
    start: float
    swing: float


_ES, _NQ = _Market("ES", 0.25, 4872, 8), _Market("NQ", 0.25, 17430, 40)
_CL, _GC = _Market("CL", 0.01, 74, 8), _Market("GC", 0.1, 2029, 8)
_XX = _Market("XX", 0.01, 50, 8)


def write_sample(folder: Path, seed: int = 7) -> Sample:
    """Write raw files for four instruments and twenty trading days below `folder`/data/raw.

    Each dialect is used once: daily files (ES), two exports that overlap by a day (NQ), a
    concatenated file in exchange time with one bad row (CL), and NinjaTrader's own export with a
    file per contract (GC). There is also an export of an unknown instrument.

    Raises FileExistsError rather than overwrite a file, and OSError.
    """
    es, nq, cl, gc = (make_bars(market, seed) for market in (_ES, _NQ, _CL, _GC))
    half = len(nq) // 2
    cl[half] = cl[half]._replace(high=cl[half].low - 1)
    texts = {
        **_daily(_ES, es),
        **_export(_NQ, nq[:half], "20240203_060000"),
        **_export(_NQ, nq[half - _SESSION :], "20240217_060000"),
        SampleFile("concatenated/CL.csv", "B", "CL"): [_HEAD, *_rows(_CL, cl, _CHICAGO)],
        **_contract(_GC, gc[:half], "02-24"),
        **_contract(_GC, gc[half:], "04-24"),
        **_export(_XX, make_bars(_XX, seed)[:60], "20240217_060000"),
    }
    files = tuple(_write(folder, file, lines) for file, lines in texts.items())
    counts = {"ES": len(es), "NQ": len(nq), "CL": len(cl) - 1, "GC": len(gc)}
    return Sample(files=files, bars=counts, unknown=files[-1].path)


def make_bars(market: _Market, seed: int) -> list[Bar]:
    """All bars of one instrument, sorted by time."""
    numbers = random.Random(f"{seed}/{market.name}")  # noqa: S311  # prices need no cryptography
    price, bars = market.start / market.tick, []
    for number in range((LAST_DAY - FIRST_DAY).days + 1):
        opening = dt.datetime.combine(FIRST_DAY + dt.timedelta(number - 1), _OPEN)
        swing = market.swing * (0.2 + numbers.random())  # of this day
        for minute in range(_SESSION if number % 7 < 5 else 0):
            step = swing / (1 if minute in _BUSY else 4)
            walk = [price := price + step * (numbers.random() - 0.5) for _ in range(4)]
            first, *_, last = ticks = [round(each) for each in walk]
            volume = 1 + int(step * 100 * numbers.random())
            start = opening + minute * _MINUTE
            bars.append(Bar(start, first, max(ticks), min(ticks), last, volume))
    return bars


_Texts = dict[SampleFile, Sequence[str]]


def _daily(market: _Market, bars: Iterable[Bar]) -> _Texts:
    """Dialect D: one file per UTC day."""
    texts: _Texts = {}
    for day, of_day in itertools.groupby(bars, lambda bar: bar.start.date()):
        lines = [_line(market, bar, f"{bar.start:%Y-%m-%dT%H:%M:%SZ}", ",") for bar in of_day]
        name = f"daily/{market.name}/1m/{day:%Y/%m}/{market.name}_1m_{day}.csv"
        head = "timestamp_utc,open,high,low,close,volume"
        texts[SampleFile(name, "D", market.name)] = [head, *lines]
    return texts


def _export(market: _Market, bars: Iterable[Bar], stamp: str) -> _Texts:
    """Dialect A: a header, an instrument column, UTC, CRLF line ends."""
    name = f"exporter/DataExport_{market.name}_{stamp}_UTC.csv"
    lines = [_HEAD, *_rows(market, bars, dt.timedelta())]
    return {SampleFile(name, "A", market.name): lines}


def _contract(market: _Market, bars: Iterable[Bar], contract: str) -> _Texts:
    """Dialect C: no header, stamped with the bar's close, one file per contract."""
    lines = [_line(market, bar, f"{bar.start + _MINUTE:%Y%m%d %H%M%S}", ";") for bar in bars]
    name = f"ninjatrader/{market.name} {contract}.Last.txt"
    return {SampleFile(name, "C", market.name): lines}


def _rows(market: _Market, bars: Iterable[Bar], zone: dt.timedelta) -> list[str]:
    """The rows of dialects A and B, in a zone this far from UTC."""
    return [
        f"{_line(market, bar, f'{bar.start + zone:%Y-%m-%d,%H:%M:%S}', ',')}.0,{market.name}"
        for bar in bars
    ]


def _line(market: _Market, bar: Bar, stamp: str, separator: str) -> str:
    prices = [f"{ticks * market.tick:.2f}" for ticks in bar[1:5]]
    return separator.join([stamp, *prices, str(bar.volume)])


def _write(folder: Path, file: SampleFile, lines: Sequence[str]) -> SampleFile:
    file = file._replace(path=f"data/raw/{file.path}")
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    end = "\r\n" if file.dialect in "AC" else "\n"
    with target.open("x", encoding="ascii", newline="") as stream:
        stream.writelines(f"{line}{end}" for line in lines)
    return file
