"""What is odd about an instrument's bars: gaps, off-grid prices, signs of a wrong zone.

It judges and reports; it changes no bar. Where an instrument's tick or session is not known, that
part is left out (spec: data, §1.3 rule 9).
"""

from __future__ import annotations

from typing import Any

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan

from pipekit_translator.bars import Bars, Ints
from pipekit_translator.dialects import BAR_SECONDS
from pipekit_translator.zones import DAY, Zone

OFF_GRID = 1e-6  # of a tick: far above the error of a division, far below any other price
NEAR = 30  # minutes by which the empty part of the day may be off before it is a sign
_DAY_MINUTES = DAY // 60


def examine(instrument: str, bars: Bars, zone: Zone, rules: dict[str, Any]) -> dict[str, float]:
    """The numbers of the report. `rules`: the settings `quality`, spans as minutes of the day.

    `gaps` and `missing_minutes` inside sessions; `off_grid`: bars with a price between two ticks;
    `empty_from`: where the emptiest stretch of the day (as long as the pause) begins, in minutes;
    `pause_bars`; `core_share` of the volume.
    """
    found: dict[str, float] = {"bars": bars.size}
    tick = rules["ticks"].get(instrument)
    if tick:
        found["off_grid"] = _off_grid(bars, tick)
    if instrument in rules["instruments"] and bars.size:
        local = zone.local(bars.time // 1_000_000)
        found |= _gaps(local, rules["pause"][1] * 60, rules["gap"])
        found |= _day_profile(local, bars.volume, rules)
    return found


def complaints(found: dict[str, float], rules: dict[str, Any]) -> list[str]:
    """What of the numbers a person should look at, a clause each."""
    said = []
    if found.get("off_grid"):
        said.append(f"prices off the tick grid (bars: {found['off_grid']:.0f})")
    if found.get("gaps"):
        minutes = found["missing_minutes"]
        said.append(f"gaps inside sessions: {found['gaps']:.0f} ({minutes:.0f} minutes)")
    if found.get("conflicts"):
        said.append(f"bars that two exports state differently: {found['conflicts']:.0f}")
    if found["bars"] >= rules["min_bars"] and "empty_from" in found:
        said += _zone_signs(found, rules)
    return said


def _zone_signs(found: dict[str, float], rules: dict[str, Any]) -> list[str]:
    signs = []
    start, length = rules["pause"][0], rules["pause"][1] - rules["pause"][0]
    off = abs((found["empty_from"] - start + _DAY_MINUTES // 2) % _DAY_MINUTES - _DAY_MINUTES // 2)
    if off >= NEAR and found["pause_bars"]:
        signs.append(
            f"the day's empty {length} minutes begin at {_clock(found['empty_from'])}, not at "
            f"{_clock(start)}: the source's timezone may be wrong"
        )
    if found["core_share"] < rules["min_core_share"]:
        first, end = rules["core"]
        signs.append(
            f"only {found['core_share']:.0%} of the volume falls between {_clock(first)} and "
            f"{_clock(end)}: the source's timezone may be wrong"
        )
    return signs


def _off_grid(bars: Bars, tick: float) -> int:
    off = np.zeros(bars.size, np.bool_)
    for prices in bars[1:5]:
        ticks = prices / tick
        off |= np.abs(ticks - np.round(ticks)) > OFF_GRID
    return int(off.sum())


def _gaps(local: Ints, session_start: int, shortest: float) -> dict[str, float]:
    """Holes of at least `shortest` seconds between two bars of one session."""
    session = (local - session_start) // DAY
    missing = local[1:] - local[:-1] - BAR_SECONDS
    gaps = (missing >= shortest) & (session[1:] == session[:-1])
    return {"gaps": int(gaps.sum()), "missing_minutes": int(missing[gaps].sum()) // BAR_SECONDS}


def _day_profile(local: Ints, volume: Ints, rules: dict[str, Any]) -> dict[str, float]:
    minute = (local % DAY) // 60
    counts = np.bincount(minute, minlength=_DAY_MINUTES)
    (first, end), (core, core_end) = rules["pause"], rules["core"]
    around = np.concatenate(([0], np.cumsum(np.concatenate((counts, counts)))))
    windows = around[end - first : end - first + _DAY_MINUTES] - around[:_DAY_MINUTES]
    emptiest = np.flatnonzero(windows == windows.min())
    away = np.abs((emptiest - first + _DAY_MINUTES // 2) % _DAY_MINUTES - _DAY_MINUTES // 2)
    busy = volume[(minute >= core) & (minute < core_end)].sum()
    return {
        "empty_from": int(emptiest[np.argmin(away)]),
        "pause_bars": int(counts[first:end].sum()),
        "core_share": float(busy / max(int(volume.sum()), 1)),
    }


def _clock(minute: float) -> str:
    return f"{int(minute) // 60:02}:{int(minute) % 60:02}"
