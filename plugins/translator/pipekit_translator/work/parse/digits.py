"""Numbers and time stamps out of bytes, many at once, with numpy.

A field is read from the eight bytes that end where it ends, as one 64-bit word: all digits of a
word are turned into a number in a few operations. Fields that do not fit (more than eight digits
before or seven behind the point, exponents, signs other than `-`) are marked as not read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipekit_translator.dialects import Stamp
from pipekit_translator.work.arrays import Bytes, Flags, Floats, Ints, Words
from pipekit_translator.work.parse.scan import (
    FIRST_YEAR,
    LAST_YEAR,
    WORD,
    days_since_1970,
    eight_digits,
)
from pipekit_translator.work.zones import DAY

NARROW = 1_000_000  # units in a second, beyond which 64 bits only hold FIRST_YEAR to LAST_YEAR
PADDING = 16  # bytes before the first field of a buffer, so that every word lies within it

_ZEROS = np.uint64(0x3030303030303030)
_HIGH = np.uint64(0xF0F0F0F0F0F0F0F0)
_SIXES = np.uint64(0x0606060606060606)
_POINTS = np.uint64(0x2E2E2E2E2E2E2E2E)
_ONES = np.uint64(0x0101010101010101)
_TOPS = np.uint64(0x8080808080808080)
_KEEP = np.array([0] + [(2**64 - 1) & ~(2 ** (8 * (8 - n)) - 1) for n in range(1, 9)], np.uint64)
_FILL = ~_KEEP & _ZEROS
_POWERS = np.array([10**n for n in range(9)], np.int64)
_SCALES = _POWERS.astype(np.float64)
_MINUS = ord("-")


class Decimals(NamedTuple):
    """Decimal numbers: `whole / 10 ** places`, the double nearest to the text; `ok` where read."""

    whole: Ints
    places: Ints
    ok: Flags

    def values(self) -> Floats:
        """As doubles, correctly rounded: an exact integer divided by an exact power of ten."""
        return self.whole / _SCALES[self.places] + 0.0  # + 0.0: no negative zero


def padded(data: bytes | memoryview) -> Bytes:
    """The bytes in a buffer with PADDING bytes before and after them."""
    buffer = np.full(len(data) + 2 * PADDING, ord("0"), np.uint8)
    buffer[PADDING:-PADDING] = np.frombuffer(data, np.uint8)
    return buffer


def words_of(buffer: Bytes) -> Words:
    """The word that begins at each byte of the buffer, as a view."""
    return np.ndarray((len(buffer) - WORD + 1,), "<u8", buffer, strides=(1,))


def decimals(buffer: Bytes, words: Words, start: Ints, end: Ints) -> Decimals:
    """The numbers in the fields [start, end) of a padded buffer."""
    negative = buffer[start] == _MINUS
    start = start + negative
    last = words[end - WORD]
    length = np.minimum(end - start, WORD)
    point = _point(last | ~_KEEP[np.maximum(length, 0)])  # bytes before the field: no point there
    has_point = point < WORD
    places = np.where(has_point, WORD - 1 - point, 0)
    stop = end - places - has_point
    digits = stop - start
    ok = (digits >= 0) & (digits <= WORD) & (digits + places > 0)
    digits = np.clip(digits, 0, WORD)
    high, high_ok = _number(words[stop - WORD], digits)
    low, low_ok = _number(last, places)
    whole = high * _POWERS[places] + low
    return Decimals(np.where(negative, -whole, whole), places, ok & high_ok & low_ok)


def _point(word: Words) -> Ints:
    """Which byte of a word is a point (the last of several); 8 if none is."""
    other = word ^ _POINTS
    # Exact zero-byte test: carries cannot cross bytes, unlike in the usual shorter one.
    found = ~(((other & ~_TOPS) + ~_TOPS) | other | ~_TOPS)
    return np.where(found == 0, WORD, _highest(found))


def _highest(found: Words) -> Ints:
    """The highest byte whose top bit is set; undefined if there is none."""
    exponent = np.frexp((found >> np.uint64(7)).astype(np.float64))[1].astype(np.int64)
    highest: Ints = (exponent - 1) >> 3
    return highest


def _number(word: Words, length: Ints) -> tuple[Ints, Flags]:
    """The number in the last `length` (0 to 8) bytes of each word, and whether all are digits."""
    word = (word & _KEEP[length]) | _FILL[length]
    valid = ((word & _HIGH) | (((word + _SIXES) & _HIGH) >> np.uint64(4))) == (
        _ZEROS | (_ZEROS >> np.uint64(4))
    )
    return eight_digits(word - _ZEROS), valid


def stamps(buffer: Bytes, start: Ints, end: Ints, layout: Stamp) -> tuple[dict[str, Ints], Flags]:
    """The parts (YmdHMSf) of the time stamp in each field, and which fields could be read."""
    ok = end - start == layout.width
    for position, literal in layout.literals:
        ok &= buffer[start + position] == ord(literal)
    parts = {}
    for code, positions in layout.digits.items():
        value = np.zeros(len(start), np.int64)
        for position in positions:
            digit = buffer[start + position] - np.uint8(48)  # wraps: what is no digit is above 9
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


def runs(changed: Flags) -> Ints:
    """Where runs of equal neighbours begin; `changed` says it of each row but the first."""
    return np.concatenate(([0], np.flatnonzero(changed) + 1))
