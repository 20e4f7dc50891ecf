"""Exchange time: which days are traded, and when a slot's window starts, closes and expires.

Knows no bars. All arithmetic is done on naive exchange-local times, which are then localised: date
arithmetic on aware times once put autumn Fridays on Sunday.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pipekit_analyzer.kernel import Windows

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
FRIDAY = 4
LONGEST_WINDOW = 3  # days from a slot's date to its expiry: Friday to Monday
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
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
        return self.session, clock(self.slot)


class Exchange(NamedTuple):
    """The exchange's zone and habits. `days` are weekdays, Monday is 0."""

    zone: tzinfo
    days: frozenset[int]
    latest_entry: time
    slots: tuple[Slot, ...]

    def trades_on(self, day: date) -> bool:
        """Whether slots of this date are analysed."""
        return day.weekday() in self.days

    def instant(self, day: date, at: time) -> int:
        """Microseconds of UTC.

        A time that a clock change skips moves on by the gap (02:30 means 03:30); of a time that
        comes twice the first is meant.
        """
        local = datetime.combine(day, at, self.zone)  # fold=0 means exactly this
        return (local - _EPOCH) // _MICROSECOND

    def instants(self) -> Callable[[date, time], int]:
        """`instant`, quicker for many times of few days."""
        return _clock_of(self)

    def day_of(self, instant: int) -> date:
        """The exchange-local date of an instant."""
        return moment(instant).astimezone(self.zone).date()

    def expiry(self, day: date, slot: Slot) -> int:
        """When a trade of this date and slot ends at the latest: the bar then does not count."""
        return self.instant(expiry_day(day), slot.slot)

    def windows(self, wanted: Iterable[tuple[date, Slot]]) -> Windows:
        """The windows of dates and slots, as arrays in the order given."""
        import numpy as np

        from pipekit_analyzer.kernel import Windows

        at = self.instants()
        edges: list[tuple[int, int, int, int]] = []
        for day, asked in groupby(wanted, itemgetter(0)):
            latest, end = at(day, self.latest_entry), expiry_day(day)
            edges += (
                (at(day, slot.start), at(day, slot.slot), latest, at(end, slot.slot))
                for _, slot in asked
            )
        return Windows(*np.ascontiguousarray(np.array(edges, np.int64).reshape(-1, 4).T))


class _Clock:
    """`Exchange.instant`, with what it found for a day kept for its other times."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._days: dict[date, tuple[int, bool]] = {}  # midnight; whether the day has 24 hours
        self._times: dict[time, int] = {}

    def __call__(self, day: date, at: time) -> int:
        if day not in self._days:
            self._days[day] = self._day(day)
        midnight, plain = self._days[day]
        return midnight + self._time(at) if plain else self._exchange.instant(day, at)

    def _day(self, day: date) -> tuple[int, bool]:
        midnight, next = (self._exchange.instant(day + n * _DAY, time()) for n in (0, 1))
        return midnight, next - midnight == _DAY // _MICROSECOND

    def _time(self, at: time) -> int:
        if at not in self._times:
            self._times[at] = (datetime.combine(date.min, at) - datetime.min) // _MICROSECOND
        return self._times[at]


@lru_cache(maxsize=2)  # what it has found serves all instruments
def _clock_of(exchange: Exchange) -> _Clock:
    return _Clock(exchange)


def expiry_day(day: date) -> date:
    """The next calendar day; after a Friday, Monday."""
    return day + timedelta(days=LONGEST_WINDOW if day.weekday() == FRIDAY else 1)


def exchange(strategy: dict[str, Any]) -> Exchange:
    """From the strategy's settings as a request carries them (`settings.strategy_record`)."""
    slots = sorted(
        Slot(
            session["name"],
            time.fromisoformat(at),
            time.fromisoformat(session["start"]),
            session["stream"],
        )
        for session in strategy["sessions"]
        for at in session["slots"]
    )
    from zoneinfo import ZoneInfo  # which no plan needs

    return Exchange(
        ZoneInfo(strategy["timezone"]),
        frozenset(WEEKDAYS.index(name) for name in strategy["days"]),
        time.fromisoformat(strategy["latest_entry"]),
        tuple(slots),
    )


def clock(at: time) -> str:
    """A time of day as it is written out: `07:30`, with seconds only where there are some."""
    return at.isoformat("auto" if at.second or at.microsecond else "minutes")


def moment(instant: int) -> datetime:
    """An instant (microseconds of UTC) as an aware time."""
    return _EPOCH + timedelta(microseconds=instant)


def instant_of(text: str) -> int:
    """An ISO 8601 time with its offset as microseconds of UTC. Raises ValueError without one."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(
            f"{text!r} names no zone: end it with Z or an offset, as in 2013-10-11T15:00:00-05:00"
        )
    return (parsed - _EPOCH) // _MICROSECOND
