"""Durations and sizes, read from text and written as text; times and counts, written."""

from __future__ import annotations

import datetime as dt
import math
import re
import sys
import time
from collections.abc import Sequence

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}
_BYTES: dict[str, int] = {
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGT", 1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", 1)},
    "KB": 1000,
}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_PART = rf"({_NUMBER}) ?(ms|[smhdw])"

DURATION_PATTERN = rf"{_NUMBER}|{_PART}(?: ?{_PART})*"
"""A duration as text: `90` (seconds), `90s`, `1h30m`, `1h 30m`."""

SIZE_PATTERN = rf"[0-9]+|({_NUMBER}) ?({'|'.join(_BYTES)})"
"""A size as text: `1000` (bytes), `500MB`, `64MiB`."""


def seconds(value: object) -> float | None:
    """Seconds from a number of 0 or more, or from text like `"90s"` or `"1h30m"`; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if 0 <= value <= sys.float_info.max else None
    if not isinstance(value, str) or not re.fullmatch(DURATION_PATTERN, value):
        return None
    if re.fullmatch(_NUMBER, value):
        total = float(value)
    else:
        parts = re.findall(_PART, value)
        total = float(sum(float(number) * _SECONDS[unit] for number, unit in parts))
    return total if math.isfinite(total) else None


def byte_count(value: object) -> int | None:
    """Bytes from a whole number of 0 or more, or from text like `"500MB"`; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value) if 0 <= value < math.inf and value == value // 1 else None
    match = re.fullmatch(SIZE_PATTERN, value) if isinstance(value, str) else None
    if match is None:
        return None
    try:
        if match[2] is None:
            return int(match[0])
        size = _BYTES[match[2]]
        return int(match[1]) * size if match[1].isdecimal() else round(float(match[1]) * size)
    except (OverflowError, ValueError):  # too large, or of more digits than Python reads
        return None


def duration_text(value: float) -> str:
    """Seconds as a person would write them: `1h30m`, `2d`, `0.5s`."""
    if value != int(value):
        return f"{value:g}s"
    rest, text = int(value), ""
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, int(_SECONDS[unit]))
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def size_text(value: int) -> str:
    """Bytes as a person would write them, and exactly: `100GB`, `64MiB`, `1234B`."""
    fitting = [name for name, size in _BYTES.items() if value and value % size == 0]
    unit = max(fitting, key=lambda name: _BYTES[name], default="B")
    return f"{value // _BYTES[unit]}{unit}"


def rough_size(value: float) -> str:
    """Bytes to two digits or so, for people: `1.2 GB`, `350 MB`."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        del units[0]
    return (
        f"{value:.0f} {units[0]}" if value >= 10 or units[0] == "B" else f"{value:.1f} {units[0]}"
    )


def local_time(moment: float | None) -> str:
    """A Unix time as local time, to the second; `-` for None."""
    if moment is None:
        return "-"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
    except (OverflowError, ValueError, OSError):  # from a damaged file
        return f"at the impossible time {moment}"


def stamp(moment: float) -> str:
    """Local time for file names, `YYYYMMDD_HHMMSS`."""
    return time.strftime("%Y%m%d_%H%M%S", time.localtime(moment))


def iso(moment: float, zone: dt.tzinfo | None = None) -> str:
    """Time with offset, ISO 8601 with milliseconds; `zone`: default the system's."""
    time_there = dt.datetime.fromtimestamp(moment, dt.UTC).astimezone(zone)
    return time_there.isoformat(timespec="milliseconds")


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun: `1 file`, `1,371 rows`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def listed(names: Sequence[str], most: int, between: str = ", ") -> str:
    """The first of some names, and how many more there are: `a, b and 7 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{between.join(names[:most])}{more}"
