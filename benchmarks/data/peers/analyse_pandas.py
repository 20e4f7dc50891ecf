"""Breakouts with pandas: INPUT OUTPUT CORES. A loop over windows, slices of the frame in each."""

from pathlib import Path

import breakouts
import pandas as pd
from breakouts import Instrument, files, windows


def load(source: Path, name: str) -> pd.DataFrame:
    """High, low and close in ticks by time."""
    columns = ["timestamp", "high", "low", "close"]
    bars = pd.concat([pd.read_parquet(file, columns=columns) for file in files(source, name)])
    bars = bars.set_index("timestamp")
    return (bars / breakouts.INSTRUMENTS[name].tick).round().astype("int64")


def compute(bars: pd.DataFrame, rules: Instrument) -> list[dict]:
    """A row for each window that has a range."""
    first, last = (int(stamp.timestamp()) * 1_000_000 for stamp in (bars.index[0], bars.index[-1]))
    found = []
    for window in windows(first, last):
        start, at, latest, expiry = (_stamp(instant) for instant in window[2:])
        ranged = bars[start:at]
        ranged = ranged[ranged.index < at]
        if not ranged.empty:
            row = one(bars, ranged, at, latest, expiry, rules, window.expiry <= last)
            found.append({"date": window.date, "slot": window.slot, **row})
    return found


def write(bars: pd.DataFrame, found: list, rules: Instrument, name: str, path: Path) -> None:
    """The table of results."""
    table = pd.DataFrame(found).assign(instrument=name)
    prices = ["entry_price", "exit_price", "peak", "range_high", "range_low", "profit"]
    table[prices] = (table[prices].astype("float64") * rules.tick).round(rules.decimals)
    table.to_parquet(path, index=False)


def _stamp(instant: int) -> pd.Timestamp:
    return pd.Timestamp(instant, unit="us", tz="UTC")


def one(bars, ranged, at, latest, expiry, rules: Instrument, expired: bool) -> dict:
    top, bottom = int(ranged["high"].max()), int(ranged["low"].min())
    row = {"result": "NoTrade", "range_high": top, "range_low": bottom, "profit": 0}
    row |= {"direction": None, "entry_time": pd.NaT, "exit_time": pd.NaT}
    row |= {"entry_price": None, "exit_price": None, "peak": None}
    after = bars[at:latest]
    touched = after[(after["high"] > top) | (after["low"] < bottom)]
    if touched.empty:
        return row
    bar = touched.iloc[0]
    if bar["high"] > top and bar["low"] < bottom:
        return row
    long = bar["high"] > top
    entry = top + 1 if long else bottom - 1
    held = bars[touched.index[0] : expiry]
    held = held[held.index < expiry]
    up, down = held["high"] - entry, entry - held["low"]
    best, worst = (up, down) if long else (down, up)
    moved = (held["close"] - entry) * (1 if long else -1)
    stop = min(top - bottom, 3 * rules.target)
    result, when, profit = _walk(best, worst, moved, stop, rules, expired)
    stopped = worst[worst >= stop].index.min()
    before = best if pd.isna(stopped) else best[best.index < stopped]
    row |= {"result": result, "direction": "Long" if long else "Short", "profit": profit}
    row |= {"entry_time": touched.index[0], "exit_time": when, "entry_price": entry}
    row["peak"] = int(before.max()) if len(before) else 0
    if result != "Open":
        row["exit_price"] = entry + profit * (1 if long else -1)
    return row


def _walk(best, worst, moved, stop, rules: Instrument, expired: bool):
    t1 = best[best >= rules.t1].index.min()
    stopped = worst[worst >= stop].index.min()
    if not pd.isna(stopped) and (pd.isna(t1) or stopped < t1):
        return "Loss", stopped, -stop
    won = best[best >= rules.target].index.min()
    back = worst[(worst >= 1) & (worst.index > t1)].index.min() if not pd.isna(t1) else pd.NaT
    if pd.isna(won) and pd.isna(back):
        last = int(moved.iloc[-1])
        return ("Time", moved.index[-1], last) if expired else ("Open", pd.NaT, last)
    if pd.isna(back) or won < back:
        return "Win", won, rules.target
    if won == back and abs(moved[won] - rules.target) < abs(moved[won] + 1):
        return "Win", won, rules.target
    return "BE", back, -1


if __name__ == "__main__":
    breakouts.main(load, compute, write)
