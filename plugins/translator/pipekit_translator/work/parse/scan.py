"""The function that numba compiles: reads regular rows from bytes.

Written for the compiler: eight bytes are read as one number; a number is first tried
with the width that its column had in the row before; indices are unsigned. A position of -1 means
"not regular". numba notices only changes of this very file, so no constant is imported.
"""

from __future__ import annotations

from typing import Any

import numpy as np

WORD = 8  # bytes
FIRST_YEAR, LAST_YEAR = 1700, 2261  # of times in nanoseconds: others do not fit into 64 bits
SHORTEST_ROW = 16  # bytes: no row of any dialect is shorter
WIDEST = 64  # bytes of a time stamp
MARGIN = WIDEST + 2 * WORD  # bytes after a row that may be read

SKIP, STAMP, PRICE, VOLUME, NAME = range(5)  # kinds of columns
PARTS = "YmdHMS"  # of a time stamp; then a fraction's first eight digits, and its ninth
NEWLINE = 10
_RETURN, _POINT, _MINUS, _ZERO, _QUOTE = 13, 46, 45, 48, 34
_NEVER = -(1 << 62)
_DIGITS = 15  # an integer of so many is exact as a double, and so is its quotient by 10 ** 15
_POWERS = np.array([10.0**places for places in range(_DIGITS + 1)])

EIGHT = "eight"  # the field of a word

# Eight bytes as one number: all digits of a word are turned into a number in a few operations
_U = np.uint64
_ZEROS = _U(0x3030303030303030)
_BEYOND = _U(0x7676767676767676)  # sets the top bit of each byte above 9
_TOPS = _U(0x8080808080808080)
_EVEN = _U(0x000000FF000000FF)
_FIRST_PAIRS, _OTHER_PAIRS = _U(0x000F424000000064), _U(0x0000271000000001)
_EIGHT, _TEN, _BYTE, _DOT = _U(8), _U(10), _U(255), _U(0x2E ^ 0x30)


def scan(  # noqa: PLR0912, PLR0915  # one function, because parts that take arrays are slow
    data: Any,
    words: Any,
    stop: int,
    base: int,
    separator: int,
    layout: Any,
    state: tuple[int, int, int],
    found: Any,
    scratch: Any,
) -> tuple[int, int, int]:
    """How many rows, runs of names and lines there are; -1 rows at the first irregular one.

    The loop is long on purpose. numba counts references to each array that it passes on, with two
    atomic operations, even to a function that it inlines: split into parts by the kind of column,
    this loop took seven times as long. Only what takes no array, or is rare, is a function.

    Reads the whole lines of `data` up to `stop`; MARGIN bytes after it may be read.
    `words`: the eight bytes from each byte on, as records of one field (so they need not be
    aligned). `base`: where in the block these bytes begin.
    `layout`: see `kernel.Layout`. `state`: what was returned for the bytes before. `found`: arrays
    to fill with what `kernel.Found` holds. `scratch`: arrays for what is known of the last
    row: the parts of its time stamp, where they began, and the width and the point of its numbers.
    """
    kind, which, spans, fields, masks, unit, bars = layout
    local, prices, volume, lines, names = found
    row, runs, line = state
    at, first_row, columns = 0, row, len(kind)
    part, before, width, point = scratch
    part[:], before[:], width[:], point[:] = 0, 0, 1, 1
    date, midnight, seconds, divisor = -1, 0, 0, 1_000_000_000 // unit
    name = long = length = 0  # where the last name began, how long it was, and if that is a word
    while at < stop:
        begin, fresh = at, False
        if data[_U(at)] in (NEWLINE, _RETURN):
            at += 1
            if data[_U(at - 1)] == _RETURN:
                if data[_U(at)] != NEWLINE:
                    return -1, 0, 0
                at += 1
            line += 1
            continue
        for column in range(columns):
            what, place = kind[column], which[column]
            if what in (PRICE, VOLUME):
                chars, whole_chars = width[column], point[column]
                word = words[_U(at)][EIGHT] ^ _ZEROS
                end = data[_U(at + chars)]
                number = _usual(word, chars, whole_chars)
                places = chars - whole_chars - 1
                if number >= 0 and end in (separator, NEWLINE, _RETURN):
                    at += chars
                else:
                    negative = data[_U(at)] == _MINUS
                    first = at + negative
                    at, number, places = _number(data, first)
                    if at < 0:
                        return -1, 0, 0
                    chars = at - first
                    if places + 1 < chars <= WORD and not negative:  # a digit before the point
                        width[column], point[column] = chars, chars - places - 1
                    number = -number if negative else number
                value = np.float64(number)
                if places > 0:
                    value /= _POWERS[_U(places)]
                if what == PRICE:
                    prices[_U(place), _U(row)] = value
                else:
                    volume[_U(row)] = np.int64(value)
                    if value < 0 or volume[_U(row)] != value:
                        return -1, 0, 0
            elif what == STAMP:
                same, offset = row > first_row, 0
                mask = spans[_U(place), 4]
                while offset < spans[_U(place), 0]:
                    word = words[_U(at + offset)][EIGHT]
                    if word & masks[_U(mask), 0] != masks[_U(mask), 1]:
                        return -1, 0, 0
                    other = words[_U(before[_U(place)] + offset)][EIGHT]
                    same &= (word ^ other) & masks[_U(mask), 2] == 0
                    offset, mask = offset + WORD, mask + 1
                fresh |= not same
                before[_U(place)] = at
                number = spans[_U(place), 2] if same else spans[_U(place), 1]
                while number < spans[_U(place), 3]:
                    digits, code = fields[_U(number), 1], fields[_U(number), 2]
                    word = words[_U(at + fields[_U(number), 0])][EIGHT] ^ _ZEROS
                    value = _digits(word, digits)
                    if value < 0:
                        return -1, 0, 0
                    part[_U(code)] = value * fields[_U(number), 3]
                    number += 1
                at += spans[_U(place), 0]
            else:
                if data[_U(at)] == _QUOTE:  # it may hold separators
                    return -1, 0, 0
                first = at
                end = data[_U(at + length)]
                usual = length > 0 and end in (separator, NEWLINE, _RETURN)
                word = words[_U(at)][EIGHT] ^ words[_U(name)][EIGHT]
                if what == NAME and usual and _low(length) & word == 0:
                    at += length
                else:
                    at = _field_end(data, at, separator)
                    if what == NAME and not _same(data, first, at, name, long):
                        if runs >= names.shape[1] or at == first:
                            return -1, 0, 0
                        names[0, runs], names[1, runs], names[2, runs] = (
                            base + first,
                            base + at,
                            row,
                        )
                        name, long, runs = first, at - first, runs + 1
                        length = long if long <= WORD else 0
            if column < columns - 1:
                if data[_U(at)] != separator:
                    return -1, 0, 0
                at += 1
        if data[_U(at)] == _RETURN:
            at += 1
        if data[_U(at)] != NEWLINE:
            return -1, 0, 0
        at += 1
        if at - begin < SHORTEST_ROW:
            return -1, 0, 0
        if bars:
            opened, close = prices[0, _U(row)], prices[3, _U(row)]
            if prices[1, _U(row)] < max(opened, close) or prices[2, _U(row)] > min(opened, close):
                return -1, 0, 0
        if fresh:
            key = (part[0] * 16 + part[1]) * 32 + part[2]
            if key != date:
                date, midnight = key, _midnight(part[0], part[1], part[2])
            if midnight == _NEVER or part[3] > 23 or part[4] > 59 or part[5] > 59:
                return -1, 0, 0
            seconds = (midnight + part[3] * 3600 + part[4] * 60 + part[5]) * unit
        fraction = part[6] + part[7]
        local[_U(row)] = seconds + (fraction if divisor == 1 else fraction // divisor)
        lines[_U(row)] = line
        row, line = row + 1, line + 1
    return row, runs, line


def _field_end(data: Any, at: int, separator: int) -> int:
    while data[_U(at)] != separator:
        if data[_U(at)] in (NEWLINE, _RETURN):
            break
        at += 1
    return at


def _same(data: Any, begin: int, end: int, other: int, length: int) -> bool:
    """Whether two places hold the same bytes."""
    if length == 0 or end - begin != length:
        return False
    for offset in range(length):  # noqa: SIM110  # what numba compiles into a loop
        if data[_U(begin + offset)] != data[_U(other + offset)]:
            return False
    return True


def _number(data: Any, at: int) -> tuple[int, Any, Any]:
    """End, digits as a whole number, and places after the point (-1 without one)."""
    first, number, point = at, np.int64(0), -1
    while True:
        digit = np.int64(data[_U(at)]) - _ZERO
        if 0 <= digit <= 9:
            number = number * 10 + digit
        elif digit == _POINT - _ZERO and point < 0:
            point = at
        else:
            break
        at += 1
    digits = at - first - (point >= 0)
    if digits == 0 or digits > _DIGITS:
        return -1, 0, 0
    return at, number, at - point - 1 if point >= 0 else -1


def _usual(word: Any, chars: int, whole: int) -> Any:
    """The digits of a number: `chars` characters, `whole` before its point; -1 if not a number."""
    low = _low(whole)
    inside = _low(chars)
    found = _beyond(word) & inside
    if whole < chars:
        if found != (_TOPS & (low ^ _low(whole + 1))) or (word >> _U(8 * whole)) & _BYTE != _DOT:
            return -1
        digits = (word & low) | ((word >> _EIGHT) & ~low)
        return eight_digits((digits << _U(64 - 8 * chars)) << _EIGHT)
    if found != 0:
        return -1
    return eight_digits(word << _U(64 - 8 * chars))


def _low(count: int) -> Any:
    """The mask of the first `count` bytes (at least one)."""
    return ~_U(0) >> _U(64 - 8 * count)


def _beyond(word: Any) -> Any:
    """The top bit of each byte up to the first that is above 9, which has it set."""
    return ((word + _BEYOND) | word) & _TOPS


def _digits(word: Any, count: int) -> Any:
    """The number that the first `count` digits (at least one) make; -1 if not all are digits."""
    word = word << _U(64 - 8 * count)
    if _beyond(word):
        return -1
    return eight_digits(word)


def eight_digits(word: Any) -> Any:
    """The number that eight digits (0 to 9, not characters) make; also of arrays of words."""
    word = word * _TEN + (word >> _EIGHT)
    pairs = (word & _EVEN) * _FIRST_PAIRS + ((word >> _U(16)) & _EVEN) * _OTHER_PAIRS
    return np.int64(pairs >> _U(32))


def _midnight(year: int, month: int, day: int) -> Any:
    """Seconds since 1970 of a date that exists."""
    if year < FIRST_YEAR or year > LAST_YEAR or month < 1 or month > 12 or day < 1 or day > 31:
        return _NEVER
    if day > 28:
        leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
        longest = 31 - (month - 1) % 7 % 2 if month != 2 else 28 + leap
        if day > longest:
            return _NEVER
    return days_since_1970(year, month, day) * 86_400


def days_since_1970(year: Any, month: Any, day: Any) -> Any:
    """Days since 1970-01-01 in the Gregorian calendar, years counted from March; also of arrays."""
    marched = year - (month <= 2)
    era = marched // 400
    of_era = marched - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


CALLED = (
    _field_end, _same, _number, _usual, _low, _beyond, _digits, eight_digits, _midnight,
    days_since_1970,
)  # fmt: skip
