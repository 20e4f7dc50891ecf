"""The first and the last time that rows may have: a date, or a distance from now.

Plan and worker use it.
"""

from __future__ import annotations

import datetime as dt
import re

_FROM_NOW = re.compile(r"now(?:\s*([+-])\s*(\d+)\s*([wdhm]))?")
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60}


def instant(text: str, now: float) -> float:
    """Seconds since 1970 of `2024-01-31`, `now` or `now + 2d`. Raises ValueError."""
    if found := _FROM_NOW.fullmatch(text.strip()):
        sign, count, unit = found.groups()
        distance = int(count) * _SECONDS[unit] if count else 0
        return now - distance if sign == "-" else now + distance
    try:
        day = dt.date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"invalid date {text!r}: write for example '1990-01-01' or 'now + 2d'"
        ) from None
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()
