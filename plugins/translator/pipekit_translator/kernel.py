"""Rows of regular form out of bytes, in one pass; compiled by numba, and only for much input.

It takes what most rows are: the right number of fields, plain decimal numbers of at most 15 digits,
a time stamp of the stated layout, a valid row. At the first row that is anything else it gives the
whole chunk back, for `parse.Parser` to read, which alone says what is valid and why not.

All but `Kernel`, `read` and `layout_of` is plain Python that numba can compile: functions of one
field each, put together by `_scan`. A place of -1 means: not regular.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan
from numpy.typing import NDArray  # noqa: TID253  # as above

from pipekit.machinecode import kept
from pipekit_translator.dialects import Stamp
from pipekit_translator.digits import FIRST_YEAR, LAST_YEAR
from pipekit_translator.series import BARS, Series
from pipekit_translator.table import Floats, Ints

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


class Layout(NamedTuple):
    """What the columns of a reading are, as arrays.

    `kind` and `which` of each column: a part of the time stamp by its row in `stamp`, a price by
    its place among the series' prices. `stamp`: for each byte of a part the place of its digit in
    YmdHMSf, or the negative of the character that has to stand there; `width` of each part, and
    `clock`: how many bytes at its beginning hold no fraction. `unit`: of time, in a second;
    `bars`: whether the four prices have to make one.
    """

    kind: _Codes
    which: _Codes
    stamp: _Codes
    width: _Codes
    clock: _Codes
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


def layout_of(roles: list[str], stamps: list[tuple[str, Stamp]], series: Series) -> Layout:
    """The layout of columns with these roles; `stamps` as in `Parser`."""
    parts = [role for role, _ in stamps]
    places = {role: (_STAMP, at) for at, role in enumerate(parts)}
    places |= {role: (_PRICE, at) for at, role in enumerate(series.prices)}
    places |= {"volume": (_VOLUME, 0), "instrument": (_NAME, 0)}
    columns = np.array([places.get(role, (_SKIP, 0)) for role in roles], np.int64)
    width = np.array([stamp.width for _, stamp in stamps], np.int64)
    clock = np.array([min(stamp.digits.get("f", (stamp.width,))) for _, stamp in stamps], np.int64)
    codes = np.zeros((len(stamps), int(width.max())), np.int64)
    for row, (_, stamp) in enumerate(stamps):
        for code, positions in stamp.digits.items():
            codes[row, list(positions)] = _PARTS.index(code)
        for position, literal in stamp.literals:
            codes[row, position] = -ord(literal)
    kind, which = np.ascontiguousarray(columns.T)
    return Layout(kind, which, codes, width, clock, series.unit, not series.grouped)


class Kernel:
    """The compiled function; making one takes a moment, and the first ever some seconds.

    `cache`: a folder for the compiled code; it need not exist, and may not be writable.
    """

    def __init__(self, cache: str) -> None:
        import numba
        from numba.extending import register_jitable

        config: Any = numba.config  # set by NUMBA_CACHE_DIR, where that is
        config.CACHE_DIR = config.CACHE_DIR or os.path.abspath(cache)
        for part in PARTS:
            register_jitable(part)
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
    read(scan, lines, ord(","), layout)


def read(scan: Any, data: bytes | memoryview, separator: int, columns: Layout) -> Found | None:
    """As `Kernel.read`, with the function given: `_scan` itself does the same, slowly."""
    bytes_ = np.frombuffer(data, np.uint8)
    most = len(data) // SHORTEST_ROW + 1  # memory that is not written to is not taken
    local, lines = np.empty(most, np.int64), np.empty(most, np.int64)
    count = max(int((columns.kind == _PRICE).sum()), int(columns.which.max()) + 1)
    prices, volume = np.empty((count, most)), np.empty(most, np.int64)
    names = np.empty((3, MOST_NAMES), np.int64)
    words = np.ndarray((max(len(data) - 7, 0),), "<u8", data, strides=(1,))
    rows, runs, count = scan(
        bytes_, words, separator, *columns, local, prices, volume, lines, names
    )
    if rows < 0:
        return None
    return Found(
        local[:rows], prices[:, :rows], volume[:rows], lines[:rows], names[:, :runs], count
    )


def _scan(  # noqa: PLR0912  # a row's columns in one loop: what numba compiles best
    data: Any,
    words: Any,
    separator: int,
    kind: Any,
    which: Any,
    stamp: Any,
    width: Any,
    clock: Any,
    unit: int,
    bars: bool,
    local: Any,
    prices: Any,
    volume: Any,
    lines: Any,
    names: Any,
) -> tuple[int, int, int]:
    """How many rows, runs of names and lines there are; -1 rows at the first irregular one."""
    row = runs = line = at = 0
    part = np.zeros(7, np.int64)
    seen = np.full(len(width), -1, np.int64)  # where each part of the last row's stamp began
    date, midnight, size, columns = -1, 0, len(data), len(kind)
    finest = unit == 1_000_000_000  # a division a row less
    while at < size:
        begin = at
        if _line_end(data, at) >= 0:  # a blank line
            at, line = _line_end(data, at), line + 1
            continue
        for column in range(columns):
            what, place = kind[column], which[column]
            if column:
                if at >= size or data[at] != separator:
                    return -1, 0, 0
                at += 1
            first = at
            if what == _PRICE:
                at, prices[place, row] = _number(data, at)
            elif what == _STAMP:
                at = _stamp(data, words, at, stamp, place, width[place], clock[place], seen, part)
            elif what == _VOLUME:
                at, value = _number(data, at)
                volume[row] = np.int64(value)
                if value < 0 or volume[row] != value:
                    return -1, 0, 0
            else:
                at = _field_end(data, at, separator)
                runs = _name(data, words, first, at, names, row, runs) if what == _NAME else runs
            if at < 0 or runs < 0:
                return -1, 0, 0
        at = _line_end(data, at)
        if at < begin + SHORTEST_ROW or (bars and not _makes_bar(prices, row)):
            return -1, 0, 0
        key = (part[0] * 16 + part[1]) * 32 + part[2]
        if key != date:
            date, midnight = key, _midnight(part[0], part[1], part[2])
        if midnight == _NEVER or part[3] > 23 or part[4] > 59 or part[5] > 59:
            return -1, 0, 0
        seconds = midnight + part[3] * 3600 + part[4] * 60 + part[5]
        local[row] = seconds * unit + (part[6] if finest else part[6] // (1_000_000_000 // unit))
        lines[row] = line
        row, line = row + 1, line + 1
    return row, runs, line


def _makes_bar(prices: Any, row: int) -> bool:
    """Whether no price of a row is above its high or below its low."""
    opened, close = prices[0, row], prices[3, row]
    valid: bool = prices[1, row] >= max(opened, close) and prices[2, row] <= min(opened, close)
    return valid


def _field_end(data: Any, at: int, separator: int) -> int:
    while at < len(data) and data[at] != separator and data[at] not in (_NEWLINE, _RETURN):
        at += 1
    return at


def _line_end(data: Any, at: int) -> int:
    """Where the line after the end of line at this place begins; -1 where there is none."""
    size = len(data)
    if at >= size:
        return size
    if data[at] == _RETURN and at + 1 < size:
        at += 1
    return at + 1 if data[at] == _NEWLINE else -1


def _stamp(
    data: Any,
    words: Any,
    at: int,
    codes: Any,
    which: int,
    width: int,
    clock: int,
    seen: Any,
    part: Any,
) -> int:
    """Read a part of the time stamp into `part`; its end.

    What stands before the fraction is mostly that of the last row.
    """
    if at + width > len(data):
        return -1
    position, before = 0, seen[which]
    seen[which] = at
    if before >= 0 and _same(data, words, at, before, clock):
        position = clock
    while position < width:
        code, value = codes[which, position], np.int64(0)
        if code < 0:
            if data[at + position] != -code:
                return -1
            position += 1
            continue
        first = position
        while position < width and codes[which, position] == code:
            digit = np.int64(data[at + position]) - _ZERO
            if digit < 0 or digit > 9:
                return -1
            value = value * 10 + digit
            position += 1
        part[code] = value if code != _FRACTION else value * _BILLIONTHS[position - first]
    return at + width


def _same(data: Any, words: Any, one: int, other: int, length: int) -> bool:
    """Whether the same bytes stand at two places that lie a row apart at least."""
    if 8 <= length <= 16 and one + length <= len(data):
        last = length - 8
        same: bool = words[one] == words[other] and words[one + last] == words[other + last]
        return same
    for place in range(length):  # noqa: SIM110  # what numba compiles into a loop
        if data[one + place] != data[other + place]:
            return False
    return True


def _number(data: Any, at: int) -> tuple[int, float]:
    """A plain decimal number and its end."""
    size = len(data)
    negative = at < size and data[at] == _MINUS
    if negative:
        at += 1
    whole, first, point = np.int64(0), at, -1
    while at < size:
        digit = np.int64(data[at]) - _ZERO
        if 0 <= digit <= 9:
            whole = whole * 10 + digit
        elif digit == _POINT - _ZERO and point < 0:
            point = at
        else:
            break
        at += 1
    digits = at - first - (point >= 0)
    if digits == 0 or digits > _DIGITS:
        return -1, 0.0
    value = np.float64(whole)
    if point >= 0:
        value = value / _POWERS[at - point - 1]
    return at, -value if negative and whole else value


def _name(data: Any, words: Any, first: int, end: int, names: Any, row: int, runs: int) -> int:
    """How many runs of names there are with this one; -1 for too many, and for no name."""
    if runs > 0:
        begin, length = names[0, runs - 1], names[1, runs - 1] - names[0, runs - 1]
        if length == end - first and _same(data, words, first, begin, length):
            return runs
    if runs >= names.shape[1] or end == first:
        return -1
    names[0, runs], names[1, runs], names[2, runs] = first, end, row
    return runs + 1


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
    _makes_bar, _field_end, _line_end, _stamp, _same, _number, _name,
    _midnight, _days,
)  # fmt: skip
