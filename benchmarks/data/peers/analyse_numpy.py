"""Breakouts with numpy: INPUT OUTPUT CORES [kernel]. A loop over windows, vectors within each."""

from pathlib import Path
from typing import NamedTuple

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


class Given(NamedTuple):
    """Times, and high, low and close in ticks; the windows, and their instants in rows:
    range starts, slots, latest entries and expiries.
    """

    bars: tuple[np.ndarray, ...]
    windows: list
    at: np.ndarray


def load(source: Path, name: str) -> Given:
    """The bars of an instrument, and what is asked of them."""
    rules = breakouts.INSTRUMENTS[name]
    columns = [
        parquet.ParquetFile(file).read(["timestamp", "high", "low", "close"])
        for file in files(source, name)
    ]
    table = pa.concat_tables(columns)
    times = np.asarray(table["timestamp"].cast(pa.int64()))
    prices = [np.rint(np.asarray(table[c]) / rules.tick) for c in ("high", "low", "close")]
    asked = windows(int(times[0]), int(times[-1]))
    at = np.array([window[2:] for window in asked], np.int64).T.copy()
    return Given((times, *(column.astype(np.int64) for column in prices)), asked, at)


def compute(given: Given, rules: Instrument) -> list:
    """What came of each window that has a range."""
    times, *prices = given.bars
    sides = "left", "left", "right", "left"
    edges = [np.searchsorted(times, *at).tolist() for at in zip(given.at, sides, strict=True)]
    found = []
    for window, start, slot, latest, end in zip(given.windows, *edges, strict=True):
        if start < slot:
            expired = window.expiry <= times[-1]
            found.append((window, *one(*prices, start, slot, latest, end, expired, rules)))
    return found


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
        kind, left = (4, end - 1) if expired else (5, -1)
        return kind, *seen, left, entry, last, peak, top, bottom
    moved = int(close[begin + min(won, back)] - entry) * direction
    if won < back or (won == back and abs(moved - rules.target) < abs(moved + 1)):
        return 1, *seen, begin + won, entry, rules.target, peak, top, bottom
    return 2, *seen, begin + back, entry, -1, peak, top, bottom


def write(given: Given, found: list, rules: Instrument, name: str, path: Path) -> None:
    """The table of results."""
    times = given.bars[0]
    asked, *columns = zip(*found, strict=True)
    result, direction, begin, ended, entry, profit, peaks, top, bottom = columns
    none = [kind == 0 for kind in result]

    def price(ticks: list) -> np.ndarray:
        return np.round(np.array(ticks) * rules.tick, rules.decimals)

    def stamp(bar: list) -> pa.Array:
        return pa.array(times[list(bar)], pa.timestamp("us", "UTC"), mask=np.array(bar) < 0)

    left = [e + d * p for e, d, p in zip(entry, direction, profit, strict=True)]
    columns = {
        "instrument": [name] * len(asked),
        "date": [window.date for window in asked],
        "slot": [window.slot for window in asked],
        "result": [RESULTS[kind] for kind in result],
        "direction": [{1: "Long", -1: "Short"}.get(d) for d in direction],
        "entry_time": stamp(begin),
        "exit_time": stamp(ended),
        "entry_price": pa.array(price(entry), mask=np.array(none)),
        "exit_price": pa.array(price(left), mask=np.array(ended) < 0),
        "peak": pa.array(price([peak or 0 for peak in peaks]), mask=np.array(none)),
        "range_high": price(top),
        "range_low": price(bottom),
        "profit": price(profit),
    }
    parquet.write_table(pa.table(columns), path)


if __name__ == "__main__":
    breakouts.main(load, compute, write)
