"""Rows of regular form out of bytes, in one pass; compiled by numba, and only for much input.

It takes what most rows are: the right number of fields, plain decimal numbers of at most 15 digits,
a time stamp of the stated layout, a valid row. At the first row that is anything else it gives the
whole chunk back, for `parse.Parser` to read, which alone says what is valid and why not.

`scan` is what is compiled; what stands here surrounds it.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan
from numpy.typing import NDArray  # noqa: TID253  # as above

from pipekit.machinecode import place
from pipekit_translator import machine, scan
from pipekit_translator.dialects import Stamp
from pipekit_translator.digits import WORD
from pipekit_translator.series import Series
from pipekit_translator.table import Floats, Ints

BESIDE = os.path.join(os.path.dirname(__file__), "__pycache__", "numba")
LARGE = 16 << 20  # bytes of input from which the 0.4 s of loading numba are won back
MOST_NAMES = 4096  # changes of instrument in a chunk
WORDS = np.dtype([(scan.EIGHT, "<u8")])
_NEAR = 4096  # bytes: most lines are shorter
_Codes = NDArray[np.int64]
_Words = NDArray[np.uint64]


class Layout(NamedTuple):
    """What the columns of a reading are, as arrays.

    `kind` and `which` of each column: a part of the time stamp by its number, a price by its place
    among the series' prices. `spans`: of each part its width, its first row in `fields`, the
    first one of a fraction and the end, and its first row in `masks`, of which it has one for each
    eight bytes. `fields`: where a number stands in the part, how many digits it has (at most 8),
    its place in `scan.PARTS`, behind which come those of a fraction, and its factor. `masks`: which
    of the bytes are fixed, what they are, and which lie before the fraction. `unit`: of
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
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == scan.NEWLINE))


def layout_of(roles: list[str], stamps: list[tuple[str, Stamp]], series: Series) -> Layout | None:
    """The layout of columns with these roles; `stamps` as in `Parser`.

    None, so that `parse` alone reads it, for what is longer than anybody's time stamps are, or has
    more than ASCII in it.
    """
    if not all(_fits(stamp) for _, stamp in stamps):
        return None
    parts = [role for role, _ in stamps]
    places = {role: (scan.STAMP, at) for at, role in enumerate(parts)}
    places |= {role: (scan.PRICE, at) for at, role in enumerate(series.prices)}
    places |= {"volume": (scan.VOLUME, 0), "instrument": (scan.NAME, 0)}
    kind, which = np.array([places.get(role, (scan.SKIP, 0)) for role in roles], np.int64).T
    spans: list[tuple[int, ...]] = []
    fields: list[tuple[int, ...]] = []
    masks: list[list[int]] = []
    for _, stamp in stamps:
        clock, fraction, words = _clock(stamp), _fraction(stamp), _masks(stamp)
        first = len(fields), len(fields) + len(clock)
        spans.append((stamp.width, *first, first[1] + len(fraction), len(masks)))
        fields += clock + fraction
        masks += words
    return Layout(
        np.ascontiguousarray(kind),
        np.ascontiguousarray(which),
        np.array(spans, np.int64),
        np.array(fields, np.int64),
        np.array(masks, np.uint64),
        series.unit,
        not series.grouped,
    )


def _fits(stamp: Stamp) -> bool:
    return stamp.width <= scan.WIDEST and all(literal.isascii() for _, literal in stamp.literals)


def _clock(stamp: Stamp) -> list[tuple[int, ...]]:
    """See `Layout.fields`."""
    return [
        (at[0], len(at), scan.PARTS.index(code), 1)
        for code, at in stamp.digits.items()
        if code in scan.PARTS
    ]


def _fraction(stamp: Stamp) -> list[tuple[int, ...]]:
    """See `Layout.fields`: in billionths, eight digits and then what is left."""
    at = stamp.digits.get("f", ())
    pieces = [at[start : start + WORD] for start in range(0, len(at), WORD)]
    return [
        (piece[0], len(piece), len(scan.PARTS) + number, 10 ** (9 - (piece[-1] - at[0] + 1)))
        for number, piece in enumerate(pieces)
    ]


def _masks(stamp: Stamp) -> list[list[int]]:
    """See `Layout.masks`."""
    masks = [[0, 0, 0] for _ in range(0, stamp.width, WORD)]
    for position, literal in stamp.literals:
        masks[position // WORD][0] |= 0xFF << position % WORD * 8
        masks[position // WORD][1] |= ord(literal) << position % WORD * 8
    for position in range(min(stamp.digits.get("f", (stamp.width,)))):
        masks[position // WORD][2] |= 0xFF << position % WORD * 8
    return masks


class Kernel:
    """The compiled function; making one takes a moment, and the first ever some seconds.

    `cache`: a folder for the compiled code, where none can be had beside this module; it need not
    exist, and may not be writable.
    """

    def __init__(self, cache: str) -> None:
        self._scan = machine.compiled(place(BESIDE, cache))

    def read(self, data: bytes | memoryview, separator: int, columns: Layout) -> Found | None:
        """Whole lines; None where any of them is not regular."""
        return read(self._scan, data, separator, columns)


def read(function: Any, data: bytes | memoryview, separator: int, columns: Layout) -> Found | None:
    """As `Kernel.read`, with the function given: `scan` itself does the same, slowly."""
    scratch = tuple(np.empty((4, max(len(columns.kind), len(columns.spans), 8)), np.int64))
    most = len(data) // scan.SHORTEST_ROW + 1  # memory that is not written to is not taken
    local, lines = np.empty(most, np.int64), np.empty(most, np.int64)
    count = max(int((columns.kind == scan.PRICE).sum()), int(columns.which.max()) + 1)
    prices, volume = np.empty((count, most)), np.empty(most, np.int64)
    names = np.empty((3, MOST_NAMES), np.int64)
    found = local, prices, volume, lines, names
    cut = _cut(data)
    rest = np.zeros(len(data) - cut + scan.MARGIN + 1, np.uint8)
    rest[: len(data) - cut] = np.frombuffer(data[cut:], np.uint8)
    rest[len(data) - cut] = scan.NEWLINE
    end = len(data) - cut + (cut < len(data) and data[-1] != scan.NEWLINE)
    state = 0, 0, 0
    for bytes_, stop, base in ((np.frombuffer(data, np.uint8), cut, 0), (rest, end, cut)):
        words = np.ndarray((max(len(bytes_) - 7, 0),), WORDS, bytes_, strides=(1,))
        if stop and state[0] >= 0:
            state = function(bytes_, words, stop, base, separator, columns, state, found, scratch)
    rows, runs, ends = state
    if rows < 0:
        return None
    return Found(local[:rows], prices[:, :rows], volume[:rows], lines[:rows], names[:, :runs], ends)


def _cut(data: bytes | memoryview) -> int:
    """After the last line with MARGIN bytes behind it; 0 where there is no such line nearby."""
    end = max(len(data) - scan.MARGIN, 0)
    begin = max(end - _NEAR, 0)
    return begin + bytes(data[begin:end]).rfind(b"\n") + 1 if end else 0
