"""Durations and sizes between text and number; knows no keys."""

from __future__ import annotations

import math
import re

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}
_BYTES: dict[str, int] = {
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGT", 1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", 1)},
    "KB": 1000,
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ms|[smhdw]) ?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKMGT]?i?B)")


def seconds(value: object) -> float | None:
    """The seconds that `value` says: a number, `"90s"`, `"1h30m"`; None where it says none."""
    number = _number(value)
    if number is not None or not isinstance(value, str):
        return number
    parts = list(_DURATION.finditer(value))
    if not parts or "".join(part[0] for part in parts) != value:
        return None
    return float(sum(float(part[1]) * _SECONDS[part[2]] for part in parts))


def byte_count(value: object) -> int | None:
    """The bytes that `value` says: a whole number, `"500MB"`, `"64MiB"`; None where none."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if not match or match[2] not in _BYTES:
            return int(value) if value.isdecimal() else None
        size = _BYTES[match[2]]
        return int(match[1]) * size if match[1].isdecimal() else round(float(match[1]) * size)
    if isinstance(value, float):
        return int(value) if value >= 0 and value.is_integer() else None
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if whole else None  # type: ignore[return-value]  # whole says it is an int


def _number(value: object) -> float | None:
    """A finite number of 0 or more; a text of digits counts, since shells know only texts."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def duration_text(value: float) -> str:
    """As a person would write it: `1h30m`, `2d`, `0.5s`."""
    if value != int(value):
        return f"{value:g}s"
    rest, text = int(value), ""
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, int(_SECONDS[unit]))
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def size_text(value: int) -> str:
    """As a person would write it, and exactly: `100GB`, `64MiB`, `1234B`."""
    fitting = [name for name, size in _BYTES.items() if value and value % size == 0]
    unit = max(fitting, key=lambda name: _BYTES[name], default="B")
    return f"{value // _BYTES[unit]}{unit}"
