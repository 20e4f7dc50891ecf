"""Numbers and time stamps out of bytes, many at once, with numpy.

Fields of unusual form (numbers with exponents or more than 15 digits, signs other than `-`) are
marked as not read.
"""

from __future__ import annotations

import numpy as np

from pipekit_translator.dialects import Stamp
from pipekit_translator.work.parse.scan import FIRST_YEAR, LAST_YEAR, days_since_1970
from pipekit_translator.work.table import Bytes, Flags, Floats, Ints
from pipekit_translator.work.zones import DAY

NARROW = 1_000_000  # units in a second, beyond which 64 bits only hold FIRST_YEAR to LAST_YEAR

_DIGITS = 15  # a whole number of so many is exact as a double
_LONGEST = 16  # bytes of a plain number


def decimals(buffer: Bytes, start: Ints, end: Ints) -> tuple[Floats, Flags]:
    """The numbers in the fields [start, end), and which are plain decimal numbers."""
    length = end - start
    place = np.arange(min(length.max(initial=1), _LONGEST))[:, None]
    text = buffer.take(start + place, mode="clip")
    text[place >= length] = 0
    digits = (text - np.uint8(48) <= 9).sum(0)  # wraps: all other bytes are above 9
    points = (text == ord(".")).sum(0)
    ok = digits + points + (text[0] == ord("-")) == length
    ok &= (points <= 1) & (digits > 0) & (digits <= _DIGITS)
    text[:, ~ok] = ord("0")
    values = np.ascontiguousarray(text.T).view(f"S{len(text)}")[:, 0].astype(np.float64)
    return values + 0.0, ok  # + 0.0: no negative zero


def stamps(buffer: Bytes, start: Ints, end: Ints, layout: Stamp) -> tuple[dict[str, Ints], Flags]:
    """The parts (YmdHMSf) of the time stamp in each field, and which fields could be read."""
    ok = end - start == layout.width
    for position, literal in layout.literals:
        ok &= buffer.take(start + position, mode="clip") == ord(literal)
    parts = {}
    for code, positions in layout.digits.items():
        value = np.zeros(len(start), np.int64)
        for position in positions:
            digit = buffer.take(start + position, mode="clip") - np.uint8(48)
            ok &= digit <= 9
            value = value * 10 + digit
        parts[code] = value * 10 ** (9 - len(positions)) if code == "f" else value
    return parts, ok


def instants(parts: dict[str, Ints], ok: Flags, unit: int) -> tuple[Ints, Flags]:
    """Times since 1970, `unit` of them in a second, and which parts make a time that exists.

    `parts["f"]`: a fraction of seconds in billionths.
    """
    time, ok = _seconds(parts, ok)
    if unit > NARROW:
        ok &= (parts["Y"] >= FIRST_YEAR) & (parts["Y"] <= LAST_YEAR)
    fraction = parts["f"] // (1_000_000_000 // unit) if "f" in parts else 0
    return time * unit + fraction, ok


def _seconds(parts: dict[str, Ints], ok: Flags) -> tuple[Ints, Flags]:
    year, month, day = parts["Y"], parts["m"], parts["d"]
    hour, minute, second = parts["H"], parts["M"], parts.get("S", 0 * parts["M"])
    ok = ok & (month >= 1) & (month <= 12) & (day >= 1) & (year >= 1)
    ok &= (hour < 24) & (minute < 60) & (second < 60)
    month = np.where(ok, month, 1)
    ok &= day <= month_lengths(year, month)
    days: Ints = days_since_1970(np.where(ok, year, 1970), month, np.where(ok, day, 1))
    return days * DAY + hour * 3600 + minute * 60 + second, ok


def month_lengths(year: Ints, month: Ints) -> Ints:
    """Days of each month."""
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    lengths = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
    days: Ints = lengths[month] + (leap & (month == 2))
    return days
