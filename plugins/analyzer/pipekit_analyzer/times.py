"""Times as texts, and as instants: microseconds since 1970 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WINDOW_DAYS = 3  # at most, from a slot's date to its expiry: Friday to Monday


def format_time(at: time) -> str:
    """A time of day as text: `07:30`, with seconds only if they are not zero."""
    return at.isoformat("auto" if at.second or at.microsecond else "minutes")


def to_datetime(instant: int) -> datetime:
    """An instant as an aware time."""
    return EPOCH + timedelta(microseconds=instant)


def to_instant(at: datetime) -> int:
    """The instant of an aware time."""
    return (at - EPOCH) // timedelta(microseconds=1)


def parse_instant(text: str) -> int:
    """The instant of an ISO 8601 time with an offset. Raises ValueError if it has none."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(
            f"{text!r} has no time zone: end it with Z or an offset, as in "
            "2013-10-11T15:00:00-05:00"
        )
    return to_instant(parsed)
