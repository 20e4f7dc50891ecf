"""Exchange time: which days are traded, and when a slot's window starts, closes and expires.

All arithmetic is done on naive exchange-local times, which are then localised: date arithmetic on
aware times once put autumn Fridays on Sunday.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from pipekit_analyzer.request import Strategy
from pipekit_analyzer.times import EPOCH, MICROSECOND, WEEKDAYS, format_time, to_datetime
from pipekit_analyzer.work.kernel import Windows

FRIDAY = 4
LONGEST_WINDOW = 3  # days from a slot's date to its expiry: Friday to Monday
_DAY = timedelta(days=1)


class Slot(NamedTuple):
    """A time of day at which orders are placed; sorts by session, then time."""

    session: str
    slot: time
    start: time
    stream: str  # with `{I}` for the instrument

    @property
    def key(self) -> tuple[str, str]:
        """Session and slot as they are written out: `("S1", "07:30")`."""
        return self.session, format_time(self.slot)


class Exchange(NamedTuple):
    """The exchange's time zone and trading times. `days` are weekdays, Monday is 0."""

    zone: ZoneInfo
    days: frozenset[int]
    latest_entry: time
    slots: tuple[Slot, ...]

    def trades_on(self, day: date) -> bool:
        """Whether slots of this date are analysed."""
        return day.weekday() in self.days

    def instant(self, day: date, at: time) -> int:
        """The instant of a local time.

        A time that a clock change skips moves on by the gap (02:30 means 03:30). A time that occurs
        twice means its first occurrence.
        """
        local = datetime.combine(day, at, self.zone)  # fold=0 means exactly this
        return (local - EPOCH) // MICROSECOND

    def instants(self) -> Callable[[date, time], int]:
        """`instant`, faster for many times on few days."""
        return _clock_of(self)

    def day_of(self, instant: int) -> date:
        """The exchange-local date of an instant."""
        return to_datetime(instant).astimezone(self.zone).date()

    def expiry(self, day: date, slot: Slot) -> int:
        """When a trade ends at the latest; the bar at that time is excluded."""
        return self.instant(expiry_day(day), slot.slot)

    def windows(self, slots: Iterable[tuple[date, Slot]]) -> Windows:
        """The windows of dates and slots, as arrays in the order given."""
        at = self.instants()
        edges: list[tuple[int, int, int, int]] = []
        for day, of_day in groupby(slots, itemgetter(0)):
            latest, end = at(day, self.latest_entry), expiry_day(day)
            edges += (
                (at(day, slot.start), at(day, slot.slot), latest, at(end, slot.slot))
                for _, slot in of_day
            )
        return Windows(*np.ascontiguousarray(np.array(edges, np.int64).reshape(-1, 4).T))


class _Clock:
    """`Exchange.instant` that remembers each day's midnight, from which most times follow."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._days: dict[date, tuple[int, bool]] = {}  # midnight; whether it has 24 hours
        self._times: dict[time, int] = {}

    def __call__(self, day: date, at: time) -> int:
        if day not in self._days:
            self._days[day] = self._day(day)
        midnight, plain = self._days[day]
        return midnight + self._time(at) if plain else self._exchange.instant(day, at)

    def _day(self, day: date) -> tuple[int, bool]:
        midnight, next = (self._exchange.instant(day + n * _DAY, time()) for n in (0, 1))
        return midnight, next - midnight == _DAY // MICROSECOND

    def _time(self, at: time) -> int:
        if at not in self._times:
            self._times[at] = (datetime.combine(date.min, at) - datetime.min) // MICROSECOND
        return self._times[at]


@lru_cache(maxsize=2)  # shared by all instruments
def _clock_of(exchange: Exchange) -> _Clock:
    return _Clock(exchange)


def expiry_day(day: date) -> date:
    """The next calendar day; after a Friday, Monday."""
    return day + timedelta(days=LONGEST_WINDOW if day.weekday() == FRIDAY else 1)


def exchange(strategy: Strategy) -> Exchange:
    """The exchange that a request describes."""
    slots = sorted(
        Slot(
            session=session.name,
            slot=time.fromisoformat(at),
            start=time.fromisoformat(session.start),
            stream=session.stream,
        )
        for session in strategy.sessions
        for at in session.slots
    )
    return Exchange(
        zone=ZoneInfo(strategy.timezone),
        days=frozenset(WEEKDAYS.index(name) for name in strategy.days),
        latest_entry=time.fromisoformat(strategy.latest_entry),
        slots=tuple(slots),
    )
