"""Names of time zones: those of the tz database, fixed offsets, and zones with a constant shift.

`America/New_York`, `+02:00`, `America/New_York+07:00`: local time of the last is New York's plus
seven hours, the clock of brokers that follow the American changes. Plan and worker use it.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from functools import cache
from typing import NamedTuple

UTC = "UTC"
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
_FARTHEST = 14 * 3600  # seconds: no zone is farther from UTC
_LOOKS = 12  # a year
_YEARS = range(1970, 2038)  # in which two zones are compared


class ZoneName(NamedTuple):
    """A zone of the tz database, and the seconds that local time is ahead of it."""

    base: str
    shift: int


@cache
def zone_name(text: str) -> ZoneName:
    """What a name means. Raises ValueError, whose message says what to write instead."""
    if _is_known(text):
        return ZoneName(text, 0)
    found = _OFFSET.fullmatch(text[-6:])
    base = text[:-6] or UTC
    if found is None or not _is_known(base):
        raise ValueError(
            f"{text!r} is not in the tz database; use a name such as 'UTC' or 'America/Chicago', "
            "an offset such as '+02:00', or both: 'America/New_York+07:00'"
        )
    sign, hours, minutes = found.groups()
    shift = int(hours) * 3600 + int(minutes) * 60
    if shift > _FARTHEST or int(minutes) > 59:
        raise ValueError(f"{text!r}: an offset is between -14:00 and +14:00, for example '+02:00'")
    return ZoneName(base, -shift if sign == "-" else shift)


def _is_known(name: str) -> bool:
    try:
        return bool(name) and bool(zoneinfo.ZoneInfo(name))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False


def named(offset: int) -> str:
    """The name of a fixed offset in seconds."""
    if not offset:
        return UTC
    return f"{'-' if offset < 0 else '+'}{abs(offset) // 3600:02}:{abs(offset) // 60 % 60:02}"


@cache
def are_same(one: str, other: str) -> bool:
    """Whether two zones have the same offset all the time."""
    return one == other or _offsets(one) == _offsets(other)


@cache
def _offsets(text: str) -> tuple[int, ...]:
    """Offsets from UTC in seconds, several a year."""
    base, shift = zone_name(text)
    zone = zoneinfo.ZoneInfo(base)
    months = (dt.datetime(y, m, 1, tzinfo=dt.UTC) for y in _YEARS for m in range(1, _LOOKS + 1))
    offsets = (moment.astimezone(zone).utcoffset() or dt.timedelta() for moment in months)
    return tuple(int(offset.total_seconds()) + shift for offset in offsets)
