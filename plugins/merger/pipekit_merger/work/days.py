"""Days counted from 1970-01-01, and months counted from January of the year 0."""

from __future__ import annotations

from datetime import date

_EPOCH = date(1970, 1, 1).toordinal()


def day_of(when: date) -> int:
    """The number of a day."""
    return when.toordinal() - _EPOCH


def date_of(day: int) -> date:
    """The inverse of `day_of`."""
    return date.fromordinal(day + _EPOCH)


def month_of(day: int) -> int:
    """The month that a day is in."""
    when = date_of(day)
    return when.year * 12 + when.month - 1


def first_and_last_day(month: int) -> tuple[int, int]:
    """The first and the last day of a month."""
    first = day_of(date(month // 12, month % 12 + 1, 1))
    following = month + 1
    if following // 12 > date.max.year:
        return first, day_of(date.max)
    return first, day_of(date(following // 12, following % 12 + 1, 1)) - 1
