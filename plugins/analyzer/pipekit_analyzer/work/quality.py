"""Flags slots whose bars are incomplete or odd, for the readers of results; it changes no row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time, timedelta

import numpy as np
from attrs import frozen

from pipekit_analyzer.work.kernel import NO_ROW, WIN, Bars
from pipekit_analyzer.work.rows import Computed
from pipekit_analyzer.work.sessions import Exchange, Slot, expiry_day

EXAMPLES = 5  # slots named for each flag: enough to look one up, however long the history
EARLY = 60 * 60 * 1_000_000  # µs: a last bar that much before the usual one is an early close
_PHRASES = {
    "no_range": "without bars",
    "zero_range": "with a range of size 0",
    "few_bars": "with less than half of the range's bars",
    "same_bar_win": "won in the bar of the entry",
    "early_close": "on shortened days",
}
_MINUTE = 60_000_000


@frozen(kw_only=True)
class Quality:
    """The slots that carry each flag, and how many bars are off the tick grid."""

    flagged: dict[str, list[tuple[date, Slot]]]
    off_grid: int

    @property
    def counts(self) -> dict[str, int]:
        """How often each flag was found."""
        counts = {flag: len(slots) for flag, slots in self.flagged.items()}
        return {**counts, "off_grid": self.off_grid} if self.off_grid else counts

    @property
    def examples(self) -> dict[str, list[str]]:
        """The first few slots with each flag, as `2013-10-09 S1 07:30`."""
        return {
            flag: [f"{day} {' '.join(slot.key)}" for day, slot in slots[:EXAMPLES]]
            for flag, slots in self.flagged.items()
        }

    def sentence(self) -> str:
        """For example `7 slots without bars (2013-10-12 to 2020-01-05), 2 on shortened days`."""
        parts: list[str] = []
        for flag, slots in self.flagged.items():
            noun = "" if parts else "slot " if len(slots) == 1 else "slots "
            span = _span(slots) if flag == "no_range" else ""
            parts.append(f"{len(slots):,} {noun}{_PHRASES[flag]}{span}")
        if self.off_grid:
            parts.append(f"{self.off_grid:,} bar{'s' * (self.off_grid > 1)} off the tick grid")
        return ", ".join(parts)


def _span(slots: list[tuple[date, Slot]]) -> str:
    days = [day for day, _ in slots]
    first, last = min(days), max(days)
    return f" ({first})" if first == last else f" ({first} to {last})"


def assess(computed: Computed, bars: Bars, exchange: Exchange, off_grid: int = 0) -> Quality:
    """The flags of one variant's outcomes (docs/reference/data.md).

    `off_grid`: how many of the bars read have a price off the tick grid.
    """
    slots, windows, outcome = computed.slots, computed.windows, computed.outcome
    row = outcome.result != NO_ROW
    minutes = (windows.slot - windows.start) // _MINUTE
    reached = windows.slot <= (bars.time[-1] if len(bars.time) else np.iinfo(np.int64).min)
    days = sorted({day for day, _ in slots})
    short = short_days(days, bars, exchange)
    meeting = {day for day in days if day in short or expiry_day(day) in short}
    flags = {
        "no_range": ~row & reached,
        "zero_range": row & (outcome.range_high == outcome.range_low),
        "few_bars": row & (2 * outcome.range_bars < minutes),
        "same_bar_win": (outcome.result == WIN) & (outcome.entry_bar == outcome.exit_bar),
        "early_close": row & np.array([day in meeting for day, _ in slots], np.bool_),
    }
    positions = {name: np.flatnonzero(flag).tolist() for name, flag in flags.items()}
    flagged = {name: [slots[i] for i in found] for name, found in positions.items() if found}
    return Quality(flagged=flagged, off_grid=off_grid)


def short_days(days: Sequence[date], bars: Bars, exchange: Exchange) -> set[date]:
    """Trading days without bars before the latest entry, or whose last such bar is early.

    Early means more than an hour before the usual one, which is the median of these days, so that
    no calendar of holidays is needed. The day on which the data end is left out: more may follow.
    """
    if not days or not len(bars.time):
        return set()
    first, data_end = (exchange.day_of(int(bars.time[at])) for at in (0, -1))
    end = min(data_end, expiry_day(days[-1]) + timedelta(days=1))
    around = (first + timedelta(days=n) for n in range((end - first).days))
    closes = {day: _distance(day, bars, exchange) for day in around if exchange.trades_on(day)}
    usual = [distance for distance in closes.values() if distance is not None]
    if not usual:
        return set()
    limit = sorted(usual)[(len(usual) - 1) // 2] + EARLY
    return {day for day, distance in closes.items() if distance is None or distance > limit}


def _distance(day: date, bars: Bars, exchange: Exchange) -> int | None:
    """Microseconds from a day's last bar before the latest entry to the latest entry, if any."""
    latest = exchange.instant(day, exchange.latest_entry)
    position = int(np.searchsorted(bars.time, latest)) - 1
    if position < 0 or bars.time[position] < exchange.instant(day, time()):
        return None
    return latest - int(bars.time[position])
