"""Generate market data for `pipekit demo`: one-minute bars in four dialects of raw files.

Prices follow a random walk on the tick grid of each instrument. A seed gives the same bytes on
every machine and with every version of Python.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

FIRST_DAY = dt.date(2024, 1, 22)  # starts four weeks without a holiday or a clock change
LAST_DAY = FIRST_DAY + dt.timedelta(25)

_MINUTE = dt.timedelta(minutes=1)
_OPEN = dt.time(23, tzinfo=dt.UTC)  # 17:00 in Chicago, on the evening before the trading day
_SESSION = 23 * 60  # minutes; then an hour's halt, or the weekend
_BUSY = range(930, 1320)  # minutes of the session: 08:30 to 15:00 in Chicago
_CHICAGO = -dt.timedelta(hours=6)  # to UTC, all winter


class Bar(NamedTuple):
    """One minute: its start in UTC, prices in ticks, volume in contracts."""

    start: dt.datetime
    open: int
    high: int
    low: int
    close: int
    volume: int


class Sample(NamedTuple):
    """The files that were written, and the expected result of the first run.

    `files`: paths relative to the project's root. `bars`: instrument → number of translated bars.
    `unknown`: the file of an unknown instrument, which is rejected and makes the run partial.
    """

    files: tuple[str, ...]
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
    concatenated file in exchange time with one bad row (CL), and NinjaTrader's own export of a
    contract in two parts (GC). There is also an export of an unknown instrument.

    Raises FileExistsError rather than overwrite a file, and OSError.
    """
    es, nq, cl, gc = (make_bars(market, seed) for market in (_ES, _NQ, _CL, _GC))
    half = len(nq) // 2
    cl[half] = cl[half]._replace(high=cl[half].low - 1)
    texts = {
        **_daily(_ES, es),
        **_export(_NQ, nq[:half], "20240203_060000"),
        **_export(_NQ, nq[half - _SESSION :], "20240217_060000"),
        "concatenated/CL.csv": "".join(f"{line}\n" for line in _table(_CL, cl, _CHICAGO)),
        **_contract(_GC, gc[:half], "04-24"),
        **_contract(_GC, gc[half:], "04-24 (2)"),
        **_export(_XX, make_bars(_XX, seed)[:60], "20240217_060000"),
    }
    files = tuple(f"data/raw/{name}" for name in texts)
    for path, text in zip(files, texts.values(), strict=True):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with (folder / path).open("xb") as stream:
            stream.write(text.encode("ascii"))
    counts = {"ES": len(es), "NQ": len(nq), "CL": len(cl) - 1, "GC": len(gc)}
    return Sample(files=files, bars=counts, unknown=files[-1])


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


def _daily(market: _Market, bars: Iterable[Bar]) -> dict[str, str]:
    """Dialect D: one file per UTC day."""
    texts = {}
    for day, of_day in itertools.groupby(bars, lambda bar: bar.start.date()):
        lines = [_line(market, bar, f"{bar.start:%Y-%m-%dT%H:%M:%SZ}", ",") for bar in of_day]
        head = "timestamp_utc,open,high,low,close,volume\n"
        name = f"daily/{market.name}/1m/{day:%Y/%m}/{market.name}_1m_{day}.csv"
        texts[name] = head + "".join(f"{line}\n" for line in lines)
    return texts


def _export(market: _Market, bars: Iterable[Bar], stamp: str) -> dict[str, str]:
    """Dialect A: a header, an instrument column, UTC, CRLF line ends."""
    text = "".join(f"{line}\r\n" for line in _table(market, bars))
    return {f"exporter/DataExport_{market.name}_{stamp}_UTC.csv": text}


def _contract(market: _Market, bars: Iterable[Bar], contract: str) -> dict[str, str]:
    """Dialect C: no header, stamped with the bar's close, named after the contract."""
    lines = [_line(market, bar, f"{bar.start + _MINUTE:%Y%m%d %H%M%S}", ";") for bar in bars]
    name = f"ninjatrader/{market.name} {contract}.Last.txt"
    return {name: "".join(f"{line}\r\n" for line in lines)}


def _table(
    market: _Market, bars: Iterable[Bar], zone: dt.timedelta = dt.timedelta()
) -> Iterator[str]:
    """The lines of dialects A and B, in a zone this far from UTC."""
    yield "Date,Time,Open,High,Low,Close,Volume,Instrument"
    for bar in bars:
        stamp = f"{bar.start + zone:%Y-%m-%d,%H:%M:%S}"
        yield f"{_line(market, bar, stamp, ',')}.0,{market.name}"


def _line(market: _Market, bar: Bar, stamp: str, separator: str) -> str:
    prices = [f"{ticks * market.tick:.2f}" for ticks in bar[1:5]]
    return separator.join([stamp, *prices, str(bar.volume)])
