"""When scheduled runs start: an interval, weekdays and hours, by the clock of the machine."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from pipekit.model.quantity import duration_text

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WHOLE_DAY = "00:00-24:00"
INTERVALS = (
    *(60 * minutes for minutes in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)),
    *(3600 * hours for hours in (1, 2, 3, 4, 6, 8, 12, 24)),
)
"""Seconds; those that divide the hour or the day, so that every day has the same starts."""

_HOUR = 3600
_BETWEEN = r"(\d\d):00-(\d\d):00"


def check_interval(seconds: float) -> None:
    """Raise ValueError for an interval that a clock face cannot show."""
    if seconds not in INTERVALS:
        fitting = ", ".join(map(duration_text, INTERVALS))
        text = f"{duration_text(seconds)} does not divide the hour or the day evenly"
        raise ValueError(f"{text}; use one of {fitting}")


def hours_between(text: str) -> tuple[int, int]:
    """The first hour of `08:00-22:00`, and how many there are; it may go past midnight.

    Raises ValueError.
    """
    match = re.fullmatch(_BETWEEN, text)
    first, end = map(int, match.groups()) if match else (0, 0)
    if first == end or first > 23 or end > 24:
        raise ValueError(f'"{text}" is not a span of whole hours such as "08:00-22:00"')
    return first, (end - first) % 24 or 24


class Timetable(NamedTuple):
    """Starts every so many seconds, on some weekdays, in some hours of the day.

    `every`: one of INTERVALS. Intervals of an hour or more count from the beginning of `between`,
    whose end is no start. A start belongs to the weekday on which it happens.
    """

    every: int
    days: tuple[str, ...] = WEEKDAYS
    between: str = WHOLE_DAY

    @property
    def minutes(self) -> tuple[int, ...]:
        """The minutes of an hour at which runs start."""
        return tuple(range(0, 60, self.every // 60)) if self.every < _HOUR else (0,)

    @property
    def hours(self) -> tuple[int, ...]:
        """The hours of a day in which runs start."""
        first, count = hours_between(self.between)
        step = max(1, self.every // _HOUR)
        return tuple(sorted((first + passed) % 24 for passed in range(0, count, step)))

    def __str__(self) -> str:
        days = "" if len(self.days) == len(WEEKDAYS) else f" on {', '.join(self.days)}"
        hours = (
            "" if self.between == WHOLE_DAY else f" between {self.between.replace('-', ' and ')}"
        )
        return f"every {duration_text(self.every)}{hours}{days}"

    def starts(self, begin: float, end: float) -> Iterator[float]:
        """The starts from `begin` until before `end`, as Unix times."""
        day = dt.datetime.fromtimestamp(begin).date()
        last = dt.datetime.fromtimestamp(end).date()
        while day <= last:
            if WEEKDAYS[day.weekday()] in self.days:
                yield from (start for start in self._of(day) if begin <= start < end)
            day += dt.timedelta(days=1)

    def next_start(self, now: float) -> float:
        """The first start after `now`."""
        return next(self.starts(now + 1e-6, now + 9 * 24 * _HOUR))

    def _of(self, day: dt.date) -> Iterator[float]:
        for hour in self.hours:
            for minute in self.minutes:
                local = dt.datetime.combine(day, dt.time(hour, minute))
                start = local.timestamp()
                if dt.datetime.fromtimestamp(start) == local:  # else it is skipped in spring
                    yield start
