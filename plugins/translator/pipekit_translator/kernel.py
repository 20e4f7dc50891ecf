"""Rows of regular form out of bytes, in one pass; compiled by numba, and only for much input.

It takes what most rows are: the right number of fields, plain decimal numbers of at most 15 digits,
a time stamp of the stated layout, a valid bar. At the first row that is anything else it gives the
whole chunk back, for `parse.Parser` to read, which alone says what is valid and why not.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan
from numpy.typing import NDArray  # noqa: TID253  # as above

from pipekit_translator.bars import Floats, Ints
from pipekit_translator.dialects import Stamp

LARGE = 16 << 20  # bytes of input from which the 0.4 s of loading numba are won back
SHORTEST_ROW = 20  # bytes: no row of any dialect is shorter
MOST_NAMES = 4096  # changes of instrument in a chunk

PRICES = ("open", "high", "low", "close")
_SKIP, _STAMP, _PRICE, _VOLUME, _NAME = range(5)
_PARTS = "YmdHMS"
_DIGITS = 15  # an integer of so many is exact as a double, and so is its quotient by 10 ** 15
_Codes = NDArray[np.int64]


class Layout(NamedTuple):
    """What the columns of a reading are, as arrays.

    `kind` and `which` of each column: a part of the time stamp by its row in `stamp`, a price by
    its place in PRICES. `stamp`: for each byte of a part the place of its digit in YmdHMS, or the
    negative of the character that has to stand there; `width` of each part.
    """

    kind: _Codes
    which: _Codes
    stamp: _Codes
    width: _Codes


class Found(NamedTuple):
    """A chunk that is regular from end to end: local time (s), prices and volume of each row.

    `lines`: of each row, from 0. `names`: begin, end and first row of each run of one instrument.
    """

    local: Ints
    prices: Floats
    volume: Floats
    lines: Ints
    names: Ints


def layout_of(roles: list[str], stamps: list[tuple[str, Stamp]]) -> Layout:
    """The layout of columns with these roles; `stamps` as in `Parser`."""
    parts = [role for role, _ in stamps]
    kind = np.zeros(len(roles), np.int64)
    which = np.zeros(len(roles), np.int64)
    for column, role in enumerate(roles):
        if role in parts:
            kind[column], which[column] = _STAMP, parts.index(role)
        elif role in PRICES:
            kind[column], which[column] = _PRICE, PRICES.index(role)
        elif role == "volume":
            kind[column] = _VOLUME
        elif role == "instrument":
            kind[column] = _NAME
    width = np.array([stamp.width for _, stamp in stamps], np.int64)
    codes = np.zeros((len(stamps), int(width.max())), np.int64)
    for row, (_, stamp) in enumerate(stamps):
        for code, positions in stamp.digits.items():
            codes[row, list(positions)] = _PARTS.index(code)
        for position, literal in stamp.literals:
            codes[row, position] = -ord(literal)
    return Layout(kind, which, codes, width)


class Kernel:
    """The compiled function; making one takes a moment, and the first ever some seconds.

    `cache`: a folder for the compiled code; it need not exist, and may not be writable.
    """

    def __init__(self, cache: str) -> None:
        os.environ.setdefault("NUMBA_CACHE_DIR", os.path.abspath(cache))
        import numba

        try:
            self._scan = numba.njit(nogil=True, cache=True)(_scan)
        except RuntimeError:  # nowhere to write: compiled anew in each process
            self._scan = numba.njit(nogil=True)(_scan)

    def read(self, data: bytes | memoryview, separator: int, columns: Layout) -> Found | None:
        """Whole lines; None where any of them is not regular."""
        return read(self._scan, data, separator, columns)


def read(scan: Any, data: bytes | memoryview, separator: int, columns: Layout) -> Found | None:
    """As `Kernel.read`, with the function given: `_scan` itself does the same, slowly."""
    most = len(data) // SHORTEST_ROW + 1
    local, lines = np.empty(most, np.int64), np.empty(most, np.int64)
    prices, volume = np.empty((len(PRICES), most)), np.empty(most)
    names = np.empty((3, MOST_NAMES), np.int64)
    rows, runs = scan(
        np.frombuffer(data, np.uint8), separator, *columns, local, prices, volume, lines, names
    )
    if rows < 0:
        return None
    return Found(local[:rows], prices[:, :rows], volume[:rows], lines[:rows], names[:, :runs])


def _scan(  # noqa: PLR0912, PLR0915  # one pass: what numba compiles into one loop
    data: Any,
    separator: int,
    kind: Any,
    which: Any,
    stamp: Any,
    width: Any,
    local: Any,
    prices: Any,
    volume: Any,
    lines: Any,
    names: Any,
) -> tuple[int, int]:
    """How many rows there are and runs of names; -1 rows at the first that is not regular."""
    size, columns = len(data), len(kind)
    row = runs = line = at = 0
    part = np.zeros(6, np.int64)
    day_key, day_seconds = -1, 0
    power = np.ones(_DIGITS + 1)
    for places in range(_DIGITS):
        power[places + 1] = power[places] * 10.0
    while at < size:
        begin = at
        if data[at] == 10 or (data[at] == 13 and at + 1 < size and data[at + 1] == 10):
            at += 1 if data[at] == 10 else 2
            line += 1
            continue
        if row >= len(local):
            return -1, 0
        for number in range(6):
            part[number] = 0
        for column in range(columns):
            what, first = kind[column], at
            if what == _STAMP:
                codes = stamp[which[column]]
                end = first + width[which[column]]
                if end > size:
                    return -1, 0
                for position in range(width[which[column]]):
                    code, byte = codes[position], data[first + position]
                    if code < 0:
                        if byte != -code:
                            return -1, 0
                    elif byte < 48 or byte > 57:
                        return -1, 0
                    else:
                        part[code] = part[code] * 10 + (byte - 48)
                at = end
            elif what in (_PRICE, _VOLUME):
                negative = at < size and data[at] == 45
                if negative:
                    at += 1
                whole, digits, places = 0, 0, -1
                while at < size:
                    byte = data[at]
                    if 48 <= byte <= 57:
                        whole = whole * 10 + (byte - 48)
                        digits += 1
                        if places >= 0:
                            places += 1
                    elif byte == 46 and places < 0:
                        places = 0
                    else:
                        break
                    at += 1
                if digits == 0 or digits > _DIGITS:
                    return -1, 0
                value = whole / power[max(places, 0)]
                if negative and whole:
                    value = -value
                if what == _PRICE:
                    prices[which[column], row] = value
                else:
                    volume[row] = value
            else:
                while at < size and data[at] != separator and data[at] not in (10, 13):
                    at += 1
                if what == _NAME:
                    same = runs > 0 and names[1, runs - 1] - names[0, runs - 1] == at - first
                    if same:
                        for position in range(at - first):
                            if data[first + position] != data[names[0, runs - 1] + position]:
                                same = False
                                break
                    if not same:
                        if runs >= names.shape[1] or at == first:
                            return -1, 0
                        names[0, runs], names[1, runs], names[2, runs] = first, at, row
                        runs += 1
            if column < columns - 1:
                if at >= size or data[at] != separator:
                    return -1, 0
                at += 1
        if at < size and data[at] == 13:
            at += 1
        if at < size:
            if data[at] != 10:
                return -1, 0
            at += 1
        if at - begin < SHORTEST_ROW:
            return -1, 0
        key = (part[0] * 16 + part[1]) * 32 + part[2]
        if key != day_key:
            year, month, day = part[0], part[1], part[2]
            if year < 1 or month < 1 or month > 12 or day < 1 or day > 31:
                return -1, 0
            if day > 28:
                leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
                longest = 31 - (month - 1) % 7 % 2 if month != 2 else 28 + leap
                if day > longest:
                    return -1, 0
            marched = year - (month <= 2)
            era = marched // 400
            of_era = marched - era * 400
            of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
            days = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
            day_key, day_seconds = key, days * 86_400
        if part[3] > 23 or part[4] > 59 or part[5] > 59:
            return -1, 0
        local[row] = day_seconds + part[3] * 3600 + part[4] * 60 + part[5]
        opened, high, low, close = prices[0, row], prices[1, row], prices[2, row], prices[3, row]
        if high < max(opened, close) or low > min(opened, close):
            return -1, 0
        if volume[row] < 0 or volume[row] != np.floor(volume[row]):
            return -1, 0
        lines[row] = line
        row += 1
        line += 1
    return row, runs
