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

from pipekit_translator.dialects import Stamp
from pipekit_translator.digits import FIRST_YEAR, LAST_YEAR
from pipekit_translator.series import Series
from pipekit_translator.table import Floats, Ints

LARGE = 16 << 20  # bytes of input from which the 0.4 s of loading numba are won back
SHORTEST_ROW = 16  # bytes: no row of any dialect is shorter
MOST_NAMES = 4096  # changes of instrument in a chunk

_SKIP, _STAMP, _PRICE, _VOLUME, _NAME = range(5)
_PARTS = "YmdHMSf"
_FRACTION = 6  # its place among them
_DIGITS = 15  # an integer of so many is exact as a double, and so is its quotient by 10 ** 15
_POWERS = np.array([10.0**places for places in range(_DIGITS + 1)])
_NEWLINE, _RETURN, _POINT, _MINUS, _ZERO = 10, 13, 46, 45, 48
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

    `lines`: of each row, from 0. `names`: begin, end and first row of each run of one instrument.
    """

    local: Ints
    prices: Floats
    volume: Ints
    lines: Ints
    names: Ints


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
        os.environ.setdefault("NUMBA_CACHE_DIR", os.path.abspath(cache))
        import numba
        from numba.extending import register_jitable

        for part in (_days, _date, _fields, _stamp, _number, _name, _same, _line_end):
            register_jitable(part)
        try:
            self._scan = numba.njit(nogil=True, cache=True)(_scan)
        except RuntimeError:  # nowhere to write: compiled anew in each process
            self._scan = numba.njit(nogil=True)(_scan)

    def read(self, data: bytes | memoryview, separator: int, columns: Layout) -> Found | None:
        """Whole lines; None where any of them is not regular."""
        return read(self._scan, data, separator, columns)


def read(scan: Any, data: bytes | memoryview, separator: int, columns: Layout) -> Found | None:
    """As `Kernel.read`, with the function given: `_scan` itself does the same, slowly."""
    bytes_ = np.frombuffer(data, np.uint8)
    most = _most_rows(bytes_)
    local, lines = np.empty(most, np.int64), np.empty(most, np.int64)
    count = max(int((columns.kind == _PRICE).sum()), int(columns.which.max()) + 1)
    prices, volume = np.empty((count, most)), np.empty(most, np.int64)
    names = np.empty((3, MOST_NAMES), np.int64)
    rows, runs = scan(bytes_, separator, *columns, local, prices, volume, lines, names)
    if rows < 0:
        return None
    return Found(local[:rows], prices[:, :rows], volume[:rows], lines[:rows], names[:, :runs])


def _most_rows(data: Any) -> int:
    """No fewer than there are rows."""
    return int(np.count_nonzero(data == _NEWLINE)) + 1


def _scan(
    data: Any,
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
) -> tuple[int, int]:
    """How many rows there are and runs of names; -1 rows at the first that is not regular."""
    row = runs = line = at = 0
    part = np.zeros(7, np.int64)
    seen = np.full(len(width), -1, np.int64)  # where each part of the last row's stamp began
    date, midnight = -1, 0
    size = len(data)
    while at < size:
        end = _line_end(data, at)
        if end >= 0:  # a blank line
            at, line = end, line + 1
            continue
        begin = at
        at, runs = _fields(
            data, at, separator, kind, which, stamp, width, clock,
            part, seen, prices, volume, names, row, runs,
        )  # fmt: skip
        if at < 0:
            return -1, 0
        at = _line_end(data, at)
        if at < begin + SHORTEST_ROW:
            return -1, 0
        key = (part[0] * 16 + part[1]) * 32 + part[2]
        if key != date:
            date, midnight = key, _date(part[0], part[1], part[2]) * 86_400
            if midnight == 0 and key != (1970 * 16 + 1) * 32 + 1:
                return -1, 0
        if part[3] > 23 or part[4] > 59 or part[5] > 59:
            return -1, 0
        seconds = midnight + part[3] * 3600 + part[4] * 60 + part[5]
        local[row] = seconds * unit + part[6] // (1_000_000_000 // unit)
        if volume[row] < 0:
            return -1, 0
        if bars:
            opened, high, low, close = (
                prices[0, row], prices[1, row], prices[2, row], prices[3, row]
            )  # fmt: skip
            if high < max(opened, close) or low > min(opened, close):
                return -1, 0
        lines[row] = line
        row += 1
        line += 1
    return row, runs


def _fields(
    data: Any,
    at: int,
    separator: int,
    kind: Any,
    which: Any,
    stamp: Any,
    width: Any,
    clock: Any,
    part: Any,
    seen: Any,
    prices: Any,
    volume: Any,
    names: Any,
    row: int,
    runs: int,
) -> tuple[int, int]:
    """Where a row's last field ends, and how many runs of names there are now."""
    for column in range(len(kind)):
        what, place = kind[column], which[column]
        if column:
            if at >= len(data) or data[at] != separator:
                return -1, 0
            at += 1
        if what == _STAMP:
            first = at
            at = _stamp(data, at, stamp[place], width[place], clock[place], seen[place], part)
            seen[place] = first
        elif what == _PRICE:
            at, value = _number(data, at)
            prices[place, row] = value
        elif what == _VOLUME:
            at, value = _number(data, at)
            volume[row] = np.int64(value)
            if volume[row] != value:
                return -1, 0
        else:
            first = at
            while at < len(data) and data[at] != separator and data[at] not in (_NEWLINE, _RETURN):
                at += 1
            if what == _NAME:
                runs = _name(data, first, at, names, row, runs)
                if runs < 0:
                    return -1, 0
        if at < 0:
            return -1, 0
    return at, runs


def _line_end(data: Any, at: int) -> int:
    """Where the line after the end of line at this place begins; -1 where there is none."""
    size = len(data)
    if at >= size:
        return size
    if data[at] == _RETURN and at + 1 < size:
        at += 1
    return at + 1 if data[at] == _NEWLINE else -1


def _stamp(data: Any, at: int, codes: Any, width: int, clock: int, before: int, part: Any) -> int:
    """Read a part of the time stamp into `part`; its end.

    What stands before the fraction is mostly that of the last row, which began at `before`.
    """
    if at + width > len(data):
        return -1
    position = 0
    if before >= 0 and _same(data, at, before, clock):
        position = clock
    for place in range(position, width):
        if codes[place] >= 0:
            part[codes[place]] = 0
    scale = 1_000_000_000
    for place in range(position, width):
        code, digit = codes[place], np.int64(data[at + place]) - _ZERO
        if code < 0:
            if digit + _ZERO != -code:
                return -1
        elif digit < 0 or digit > 9:
            return -1
        elif code == _FRACTION:
            scale //= 10
            part[code] += digit * scale
        else:
            part[code] = part[code] * 10 + digit
    return at + width


def _same(data: Any, one: int, other: int, length: int) -> bool:
    """Whether the same bytes stand at two places; looked at from their ends, which differ most."""
    for place in range(length - 1, -1, -1):  # noqa: SIM110  # what numba compiles into a loop
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
    value = float(whole)
    if point >= 0:
        value = value / _POWERS[at - point - 1]
    return at, -value if negative and whole else value


def _name(data: Any, first: int, end: int, names: Any, row: int, runs: int) -> int:
    """How many runs of names there are with this one; -1 for too many, and for no name."""
    if runs > 0:
        begin, length = names[0, runs - 1], names[1, runs - 1] - names[0, runs - 1]
        if length == end - first and _same(data, first, begin, length):
            return runs
    if runs >= names.shape[1] or end == first:
        return -1
    names[0, runs], names[1, runs], names[2, runs] = first, end, row
    return runs + 1


def _date(year: int, month: int, day: int) -> int:
    """Days since 1970 of a date that exists, else 0."""
    if year < FIRST_YEAR or year > LAST_YEAR or month < 1 or month > 12 or day < 1 or day > 31:
        return 0
    if day > 28:
        leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
        longest = 31 - (month - 1) % 7 % 2 if month != 2 else 28 + leap
        if day > longest:
            return 0
    return _days(year, month, day)


def _days(year: int, month: int, day: int) -> int:
    """As `digits`: days since 1970 in the Gregorian calendar, years counted from March."""
    marched = year - (month <= 2)
    era = marched // 400
    of_era = marched - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
