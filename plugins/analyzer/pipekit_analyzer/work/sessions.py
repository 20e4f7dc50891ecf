"""Exchange time: which days are traded, and when a slot's window starts, closes and expires.

Dates are moved as exchange-local dates and localized afterwards, because arithmetic on aware times
ignores clock changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from pipekit_analyzer.request import SharedRules
from pipekit_analyzer.times import WEEKDAYS, WINDOW_DAYS, format_time, to_datetime, to_instant
from pipekit_analyzer.work.kernel import Windows

FRIDAY = 4


class Slot(NamedTuple):
    """A session's time of day at which orders are placed; slots sort by session, then time."""

    session: str
    at: time
    start: time
    stream: str  # with `{I}` for the instrument

    @property
    def key(self) -> tuple[str, str]:
        """Session and slot as in result files: `("S1", "07:30")`."""
        return self.session, format_time(self.at)


class Exchange(NamedTuple):
    """The exchange's time zone and trading times. In `weekdays`, Monday is 0."""

    zone: ZoneInfo
    weekdays: frozenset[int]
    latest_entry: time
    slots: tuple[Slot, ...]

    def trades_on(self, day: date) -> bool:
        """Whether slots of this date are analyzed."""
        return day.weekday() in self.weekdays

    def instant(self, day: date, at: time) -> int:
        """The instant of a local time.

        A time that a clock change skips is moved by the gap (02:30 means 03:30). A time that occurs
        twice means its first occurrence.
        """
        return to_instant(datetime.combine(day, at, self.zone))  # fold=0 means exactly this

    def day_of(self, instant: int) -> date:
        """The exchange-local date of an instant."""
        return to_datetime(instant).astimezone(self.zone).date()

    def expiry(self, day: date, slot: Slot) -> int:
        """When a trade ends at the latest; the bar at that time is excluded."""
        return self.instant(expiry_day(day), slot.at)

    def windows(self, slots: Iterable[tuple[date, Slot]]) -> Windows:
        """The windows of dates and slots, as arrays in the order given."""
        edges = [
            (
                self.instant(day, slot.start),
                self.instant(day, slot.at),
                self.instant(day, self.latest_entry),
                self.expiry(day, slot),
            )
            for day, slot in slots
        ]
        return Windows(*np.ascontiguousarray(np.array(edges, np.int64).reshape(-1, 4).T))


def expiry_day(day: date) -> date:
    """The next calendar day; after a Friday, Monday."""
    return day + timedelta(days=WINDOW_DAYS if day.weekday() == FRIDAY else 1)


def exchange(strategy: SharedRules) -> Exchange:
    """The exchange that a request describes."""
    slots = sorted(
        Slot(
            session=session.name,
            at=time.fromisoformat(at),
            start=time.fromisoformat(session.start),
            stream=session.stream,
        )
        for session in strategy.sessions
        for at in session.slots
    )
    return Exchange(
        zone=ZoneInfo(strategy.timezone),
        weekdays=frozenset(WEEKDAYS.index(name) for name in strategy.days),
        latest_entry=time.fromisoformat(strategy.latest_entry),
        slots=tuple(slots),
    )
