"""Rows of regular form out of bytes, in one pass; compiled by numba, and only for much input.

It takes what most rows are: the right number of fields, plain decimal numbers of at most 15 digits,
a time stamp of the stated layout, a valid row. At the first row that is anything else it gives the
whole chunk back, for `parse.Parser` to read, which alone says what is valid and why not.

`_scan` and what it calls is plain Python that numba can compile, and what it compiles well: eight
bytes are read as one number (see `digits`); a number is first tried with the width that its column
had last; indices are unsigned; and few functions take arrays. A place of -1 means: not regular.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan
from numpy.typing import NDArray  # noqa: TID253  # as above

from pipekit.machinecode import kept, place
from pipekit_translator.dialects import Stamp
from pipekit_translator.digits import FIRST_YEAR, LAST_YEAR
from pipekit_translator.series import BARS, Series
from pipekit_translator.table import Floats, Ints

BESIDE = os.path.join(os.path.dirname(__file__), "__pycache__", "numba")
LARGE = 16 << 20  # bytes of input from which the 0.4 s of loading numba are won back
SHORTEST_ROW = 16  # bytes: no row of any dialect is shorter
MOST_NAMES = 4096  # changes of instrument in a chunk

_SKIP, _STAMP, _PRICE, _VOLUME, _NAME = range(5)
_PARTS = "YmdHMSf"
_FRACTION = 6  # its place among them
_DIGITS = 15  # an integer of so many is exact as a double, and so is its quotient by 10 ** 15
_POWERS = np.array([10.0**places for places in range(_DIGITS + 1)])
_NEVER = -(1 << 62)
_NEWLINE, _RETURN, _POINT, _MINUS, _ZERO = 10, 13, 46, 45, 48
_BILLIONTHS = np.array([10 ** (9 - places) for places in range(10)], np.int64)
_Codes = NDArray[np.int64]
_Words = NDArray[np.uint64]

# Eight bytes as one number: see `digits`
_ZEROS = np.uint64(0x3030303030303030)
_BEYOND = np.uint64(0x7676767676767676)  # sets the top bit of each byte above 9
_TOPS = np.uint64(0x8080808080808080)
_ONES = np.uint64(0x0101010101010101)
_EVEN = np.uint64(0x000000FF000000FF)
_FIRST_PAIRS, _OTHER_PAIRS = np.uint64(0x000F424000000064), np.uint64(0x0000271000000001)
_U = np.uint64
_EIGHT = np.uint64(8)
_ONE, _TEN, _BYTE = np.uint64(1), np.uint64(10), np.uint64(255)
_SIGN, _DOT = np.uint64(0x2D ^ 0x30), np.uint64(0x2E ^ 0x30)
_WHOLE_POWERS = np.array([10**places for places in range(8)], np.int64)
_WORD = 8
WIDEST = 64  # bytes of a time stamp
MARGIN = WIDEST + 2 * _WORD
_NEAR = 4096


class Layout(NamedTuple):
    """What the columns of a reading are, as arrays.

    `kind` and `which` of each column: a part of the time stamp by its number, a price by its place
    among the series' prices. `spans`: of each part its width, and which rows in `fields` and in
    `masks` are its own, those in `fields` from the fraction on apart. `fields`: where a number
    stands in the part, how many digits it has (at most 8) and its place in YmdHMSf. `masks`: of
    eight bytes each which are fixed, what they are, and which lie before the fraction. `unit`: of
    time, in a second; `bars`: whether the four prices have to make one.
    """

    kind: _Codes
    which: _Codes
    spans: _Codes
    fields: _Codes
    masks: _Words
    unit: int
    bars: bool


class Found(NamedTuple):
    """A chunk that is regular from end to end: local time, prices and volume of each row.

    `lines`: of each row, from 0, and their count, `ends`. `names`: begin, end and first row of each
    run of one instrument.
    """

    local: Ints
    prices: Floats
    volume: Ints
    lines: Ints
    names: Ints
    ends: int


def newlines(data: bytes | memoryview) -> int:
    """How many lines have an end."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == _NEWLINE))


def layout_of(roles: list[str], stamps: list[tuple[str, Stamp]], series: Series) -> Layout | None:
    """The layout of columns with these roles; `stamps` as in `Parser`. None: only for `parse`."""
    parts = [role for role, _ in stamps]
    places = {role: (_STAMP, at) for at, role in enumerate(parts)}
    places |= {role: (_PRICE, at) for at, role in enumerate(series.prices)}
    places |= {"volume": (_VOLUME, 0), "instrument": (_NAME, 0)}
    kind, which = np.array([places.get(role, (_SKIP, 0)) for role in roles], np.int64).T
    spans: list[tuple[int, ...]] = []
    fields: list[tuple[int, int, int]] = []
    masks: list[list[int]] = []
    for _, stamp in stamps:
        numbers = sorted((at[0], len(at), _PARTS.index(code)) for code, at in stamp.digits.items())
        numbers.sort(key=lambda number: number[2] == _FRACTION)
        words = _masks(stamp)
        fraction = len(fields) + len(numbers) - ("f" in stamp.digits)
        own = len(masks), len(masks) + len(words)
        spans.append((stamp.width, len(fields), fraction, len(fields) + len(numbers), *own))
        fields += numbers
        masks += words
    if max(span[0] for span in spans) > WIDEST or max(digits for _, digits, _ in fields) > _WORD:
        return None
    return Layout(
        np.ascontiguousarray(kind),
        np.ascontiguousarray(which),
        np.array(spans, np.int64),
        np.array(fields, np.int64),
        np.array(masks, np.uint64),
        series.unit,
        not series.grouped,
    )


def _masks(stamp: Stamp) -> list[list[int]]:
    """See `Layout.masks`."""
    masks = [[0, 0, 0] for _ in range(0, stamp.width, _WORD)]
    for position, literal in stamp.literals:
        masks[position // _WORD][0] |= 0xFF << position % _WORD * 8
        masks[position // _WORD][1] |= ord(literal) << position % _WORD * 8
    for position in range(min(stamp.digits.get("f", (stamp.width,)))):
        masks[position // _WORD][2] |= 0xFF << position % _WORD * 8
    return masks


class Kernel:
    """The compiled function; making one takes a moment, and the first ever some seconds.

    `cache`: a folder for the compiled code, where none can be had beside this module; it need not
    exist, and may not be writable.
    """

    def __init__(self, cache: str) -> None:
        import numba
        from numba.extending import register_jitable

        config: Any = numba.config  # set by NUMBA_CACHE_DIR, where that is
        config.CACHE_DIR = config.CACHE_DIR or place(BESIDE, cache)
        for part in PARTS:
            register_jitable(forceinline=True)(part)
        self._scan = kept(
            lambda cache: numba.njit(nogil=True, error_model="numpy", cache=cache)(_scan), _used
        )

    def read(self, data: bytes | memoryview, separator: int, columns: Layout) -> Found | None:
        """Whole lines; None where any of them is not regular."""
        return read(self._scan, data, separator, columns)


def _used(scan: Any) -> None:
    """With the types that a file's blocks have, shown on lines without rows."""
    lines = memoryview(np.full(SHORTEST_ROW, _NEWLINE, np.uint8))  # type: ignore[arg-type]  # it is
    layout = layout_of(["timestamp"], [("timestamp", Stamp.of("%Y%m%d"))], BARS)
    assert layout is not None
    read(scan, lines, ord(","), layout)


def read(scan: Any, data: bytes | memoryview, separator: int, columns: Layout) -> Found | None:
    """As `Kernel.read`, with the function given: `_scan` itself does the same, slowly."""
    most = len(data) // SHORTEST_ROW + 1  # memory that is not written to is not taken
    local, lines = np.empty(most, np.int64), np.empty(most, np.int64)
    count = max(int((columns.kind == _PRICE).sum()), int(columns.which.max()) + 1)
    prices, volume = np.empty((count, most)), np.empty(most, np.int64)
    names = np.empty((3, MOST_NAMES), np.int64)
    found = local, prices, volume, lines, names
    cut = _cut(data)
    rest = np.zeros(len(data) - cut + MARGIN + 1, np.uint8)
    rest[: len(data) - cut] = np.frombuffer(data[cut:], np.uint8)
    rest[len(data) - cut] = _NEWLINE
    end = len(data) - cut + (cut < len(data) and data[-1] != _NEWLINE)
    state = 0, 0, 0
    for bytes_, stop, base in ((np.frombuffer(data, np.uint8), cut, 0), (rest, end, cut)):
        words = np.ndarray((max(len(bytes_) - 7, 0),), "<u8", bytes_, strides=(1,))
        if stop and state[0] >= 0:
            state = scan(bytes_, words, stop, base, separator, *columns, *state, *found)
    rows, runs, ends = state
    if rows < 0:
        return None
    return Found(local[:rows], prices[:, :rows], volume[:rows], lines[:rows], names[:, :runs], ends)


def _cut(data: bytes | memoryview) -> int:
    """After the last line that has MARGIN bytes behind it; 0 where there is no such line nearby."""
    end = max(len(data) - MARGIN, 0)
    begin = max(end - _NEAR, 0)
    return begin + bytes(data[begin:end]).rfind(b"\n") + 1 if end else 0


def _scan(  # noqa: PLR0912, PLR0915  # handing an array to a function costs two atomic operations
    data: Any,
    words: Any,
    stop: int,
    base: int,
    separator: int,
    kind: Any,
    which: Any,
    spans: Any,
    fields: Any,
    masks: Any,
    unit: int,
    bars: bool,
    row: int,
    runs: int,
    line: int,
    local: Any,
    prices: Any,
    volume: Any,
    lines: Any,
    names: Any,
) -> tuple[int, int, int]:
    """How many rows, runs of names and lines there are; -1 rows at the first irregular one.

    Reads the whole lines up to `stop`, behind which MARGIN bytes may be looked at.
    """
    at, first_row, columns = 0, row, len(kind)
    part = np.zeros(7, np.int64)
    before = np.zeros(len(spans), np.int64)  # where each part of the last row's stamp began
    width, point = np.ones(columns, np.int64), np.ones(columns, np.int64)  # of its numbers
    date, midnight, seconds, divisor = -1, 0, 0, 1_000_000_000 // unit
    name = long = length = 0  # where the last name began, how long it was, and if that is a word
    while at < stop:
        begin, fresh = at, row == first_row
        if data[_U(at)] in (_NEWLINE, _RETURN):
            at += 1
            if data[_U(at - 1)] == _RETURN:
                if data[_U(at)] != _NEWLINE:
                    return -1, 0, 0
                at += 1
            line += 1
            continue
        for column in range(columns):
            what, place = kind[column], which[column]
            if what in (_PRICE, _VOLUME):
                chars, whole_chars = width[column], point[column]
                word = words[_U(at)] ^ _ZEROS
                end = data[_U(at + chars)]
                number = _usual(word, chars, whole_chars)
                places = chars - whole_chars - 1
                if number >= 0 and end in (separator, _NEWLINE, _RETURN):
                    at += chars
                else:
                    negative = data[_U(at)] == _MINUS
                    first = at + negative
                    at, number, places = _number(data, first)
                    if at < 0:
                        return -1, 0, 0
                    chars = at - first
                    if chars <= _WORD and not negative:
                        width[column], point[column] = chars, chars - places - 1
                    number = -number if negative else number
                value = np.float64(number)
                if places > 0:
                    value /= _POWERS[_U(places)]
                if what == _PRICE:
                    prices[_U(place), _U(row)] = value
                else:
                    volume[_U(row)] = np.int64(value)
                    if value < 0 or volume[_U(row)] != value:
                        return -1, 0, 0
            elif what == _STAMP:
                same, offset = row > first_row, 0
                for mask in range(spans[_U(place), 4], spans[_U(place), 5]):
                    word = words[_U(at + offset)]
                    if word & masks[_U(mask), 0] != masks[_U(mask), 1]:
                        return -1, 0, 0
                    other = words[_U(before[_U(place)] + offset)]
                    same &= (word ^ other) & masks[_U(mask), 2] == 0
                    offset += 8
                fresh |= not same
                before[_U(place)] = at
                number = spans[_U(place), 2] if same else spans[_U(place), 1]
                while number < spans[_U(place), 3]:
                    digits, code = fields[_U(number), 1], fields[_U(number), 2]
                    word = words[_U(at + fields[_U(number), 0])] ^ _ZEROS
                    value = _digits(word, digits)
                    if value < 0:
                        return -1, 0, 0
                    part[_U(code)] = value if code != _FRACTION else value * _BILLIONTHS[_U(digits)]
                    number += 1
                at += spans[_U(place), 0]
            else:
                first = at
                end = data[_U(at + length)]
                usual = length > 0 and end in (separator, _NEWLINE, _RETURN)
                if (
                    what == _NAME
                    and usual
                    and _low(length) & (words[_U(at)] ^ words[_U(name)]) == 0
                ):
                    at += length
                else:
                    at = _field_end(data, at, separator)
                    if what == _NAME and not _same(data, first, at, name, long):
                        if runs >= names.shape[1] or at == first:
                            return -1, 0, 0
                        names[0, runs], names[1, runs], names[2, runs] = (
                            base + first,
                            base + at,
                            row,
                        )
                        name, long, runs = first, at - first, runs + 1
                        length = long if long <= _WORD else 0
            if column < columns - 1:
                if data[_U(at)] != separator:
                    return -1, 0, 0
                at += 1
        if data[_U(at)] == _RETURN:
            at += 1
        if data[_U(at)] != _NEWLINE:
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
        local[_U(row)] = seconds + (part[6] if divisor == 1 else part[6] // divisor)
        lines[_U(row)] = line
        row, line = row + 1, line + 1
    return row, runs, line


def _field_end(data: Any, at: int, separator: int) -> int:
    while data[_U(at)] != separator:
        if data[_U(at)] in (_NEWLINE, _RETURN):
            break
        at += 1
    return at


def _same(data: Any, begin: int, end: int, other: int, length: int) -> bool:
    """Whether the same bytes stand at two places."""
    if length == 0 or end - begin != length:
        return False
    for offset in range(length):  # noqa: SIM110  # what numba compiles into a loop
        if data[_U(begin + offset)] != data[_U(other + offset)]:
            return False
    return True


def _number(data: Any, at: int) -> tuple[int, Any, Any]:
    """End, digits as a whole number, and places behind the point (-1 without one)."""
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
    """The digits of a number of so many characters, so many before its point; -1 if it is none."""
    low = _low(whole)
    inside = _low(chars)
    found = _beyond(word) & inside
    if whole < chars:
        if found != (_TOPS & (low ^ _low(whole + 1))) or (word >> _U(8 * whole)) & _BYTE != _DOT:
            return -1
        digits = (word & low) | ((word >> _EIGHT) & ~low)
        return _value((digits << _U(64 - 8 * chars)) << _EIGHT)
    if found != 0:
        return -1
    return _value(word << _U(64 - 8 * chars))


def _low(count: int) -> Any:
    """The mask of the first `count` bytes (at least one)."""
    return ~_U(0) >> _U(64 - 8 * count)


def _beyond(word: Any) -> Any:
    """The top bit of each byte up to the first that is above 9, which has it set."""
    return ((word + _BEYOND) | word) & _TOPS


def _digits(word: Any, count: int) -> Any:
    """The number that the first `count` digits (at least one) make; -1 where not all are digits."""
    word = word << _U(64 - 8 * count)
    if _beyond(word):
        return -1
    return _value(word)


def _value(word: Any) -> Any:
    """The number that eight digits (0 to 9, not their characters) make."""
    word = word * _TEN + (word >> _EIGHT)
    pairs = (word & _EVEN) * _FIRST_PAIRS + ((word >> _U(16)) & _EVEN) * _OTHER_PAIRS
    return np.int64(pairs >> _U(32))


def _midnight(year: int, month: int, day: int) -> int:
    """Seconds since 1970 of a date that exists."""
    if year < FIRST_YEAR or year > LAST_YEAR or month < 1 or month > 12 or day < 1 or day > 31:
        return _NEVER
    if day > 28:
        leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
        longest = 31 - (month - 1) % 7 % 2 if month != 2 else 28 + leap
        if day > longest:
            return _NEVER
    return _days(year, month, day) * 86_400


def _days(year: int, month: int, day: int) -> int:
    """As `digits`: days since 1970 in the Gregorian calendar, years counted from March."""
    marched = year - (month <= 2)
    era = marched // 400
    of_era = marched - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


PARTS = (
    _field_end, _same, _number, _usual, _low, _beyond, _digits, _value, _midnight, _days,
)  # fmt: skip
