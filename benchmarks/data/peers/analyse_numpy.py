"""Breakouts with numpy: INPUT OUTPUT. A Python loop over windows, vectors within each."""

import sys
from pathlib import Path

import breakouts
import numpy as np
import pyarrow as pa
from breakouts import RESULTS, Instrument, files, windows
from pyarrow import parquet

NEVER = 1 << 60


def first(flags: np.ndarray) -> int:
    """The position of the first that is true; NEVER where none is."""
    if not len(flags):
        return NEVER
    position = int(flags.argmax())
    return position if flags[position] else NEVER


def load(source: Path, name: str) -> tuple[np.ndarray, ...]:
    """Times, and high, low and close in ticks."""
    rules = breakouts.INSTRUMENTS[name]
    columns = [
        parquet.ParquetFile(file).read(["timestamp", "high", "low", "close"])
        for file in files(source, name)
    ]
    table = pa.concat_tables(columns)
    times = np.asarray(table["timestamp"].cast(pa.int64()))
    prices = [np.rint(np.asarray(table[c]) / rules.tick) for c in ("high", "low", "close")]
    return times, *(column.astype(np.int64) for column in prices)


def instants(asked: list) -> np.ndarray:
    """Range starts, slots, latest entries and expiries of the windows: a row of each."""
    return np.array([window[2:] for window in asked], np.int64).T.copy()


def compute(bars: tuple[np.ndarray, ...], asked: list, at: np.ndarray, rules: Instrument) -> list:
    """What came of each window that has a range; `at`: their instants."""
    times, *prices = bars
    sides = "left", "left", "right", "left"
    edges = [np.searchsorted(times, row, side) for row, side in zip(at, sides, strict=True)]
    found = []
    for window, start, slot, latest, end in zip(asked, *map(np.ndarray.tolist, edges), strict=True):
        if start < slot:
            expired = window.expiry <= times[-1]
            found.append((window, *one(*prices, start, slot, latest, end, expired, rules)))
    return found


def analyse(source: Path, target: Path, name: str) -> None:
    rules = breakouts.INSTRUMENTS[name]
    bars = load(source, name)
    asked = windows(int(bars[0][0]), int(bars[0][-1]))
    write(compute(bars, asked, instants(asked), rules), bars[0], rules, name, target)


def one(high, low, close, start, at, latest, end, expired, rules: Instrument):
    """Result, direction, entry bar, exit bar, entry, profit, peak, range high and low; in ticks."""
    top, bottom = int(high[start:at].max()), int(low[start:at].min())
    up, down = high[at:latest] > top, low[at:latest] < bottom
    touched = first(up | down)
    if touched == NEVER or (up[touched] and down[touched]):
        return 0, 0, -1, -1, 0, 0, None, top, bottom
    direction = 1 if up[touched] else -1
    entry = top + 1 if direction == 1 else bottom - 1
    begin = at + touched
    best, worst = high[begin:end] - entry, entry - low[begin:end]
    if direction == -1:
        best, worst = worst, best
    stop = min(top - bottom, 3 * rules.target)
    stopped, t1 = first(worst >= stop), first(best >= rules.t1)
    peak = int(best[: min(stopped, len(best))].max(initial=0)) if stopped else 0
    seen = direction, begin
    if stopped < t1:
        return 3, *seen, begin + stopped, entry, -stop, peak, top, bottom
    won = first(best >= rules.target)
    back = t1 + 1 + first(worst[t1 + 1 :] >= 1) if t1 != NEVER else NEVER
    last = int(close[end - 1] - entry) * direction
    if won >= NEVER and back >= NEVER:
        return (
            (4 if expired else 5),
            *seen,
            end - 1 if expired else -1,
            entry,
            last,
            peak,
            top,
            bottom,
        )
    moved = int(close[begin + min(won, back)] - entry) * direction
    if won < back or (won == back and abs(moved - rules.target) < abs(moved + 1)):
        return 1, *seen, begin + won, entry, rules.target, peak, top, bottom
    return 2, *seen, begin + back, entry, -1, peak, top, bottom


def write(found: list, times: np.ndarray, rules: Instrument, name: str, target: Path) -> None:
    asked, *columns = zip(*found, strict=True)
    result, direction, begin, ended, entry, profit, peaks, top, bottom = columns
    none = [kind == 0 for kind in result]

    def price(ticks: list) -> np.ndarray:
        return np.round(np.array(ticks) * rules.tick, rules.decimals)

    def stamp(bar: list) -> pa.Array:
        return pa.array(times[list(bar)], pa.timestamp("us", "UTC"), mask=np.array(bar) < 0)

    left = [
        price([e + d * p for e, d, p in zip(entry, direction, profit, strict=True)]),
        price(entry),
    ]
    pa_table = {
        "instrument": [name] * len(asked),
        "date": [window.date for window in asked],
        "slot": [window.slot for window in asked],
        "result": [RESULTS[kind] for kind in result],
        "direction": [{1: "Long", -1: "Short"}.get(d) for d in direction],
        "entry_time": stamp(begin),
        "exit_time": stamp(ended),
        "entry_price": pa.array(left[1], mask=np.array(none)),
        "exit_price": pa.array(left[0], mask=np.array(ended) < 0),
        "peak": pa.array(price([peak or 0 for peak in peaks]), mask=np.array(none)),
        "range_high": price(top),
        "range_low": price(bottom),
        "profit": price(profit),
    }
    parquet.write_table(pa.table(pa_table), target / f"{name}.parquet")


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:3])
    target.mkdir(parents=True, exist_ok=True)
    for name in breakouts.INSTRUMENTS:
        if (source / name).exists():
            analyse(source, target, name)
