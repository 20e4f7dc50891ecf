"""Reads rows of regular form from bytes, in one pass, by a compiled function.

It reads what most rows are: the right number of fields, plain decimal numbers of at most 15 digits,
a time stamp of the stated layout, a valid row. At the first row that is anything else it refuses
the whole block, which `parser` then reads with numpy; only `parser` decides what is valid.

The compiled function is `scan.scan`; this module prepares its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import attrs
import numpy as np
from pipekit_kernels import compiled

from pipekit_translator.layout import BARS, Series
from pipekit_translator.stampformat import Stamp
from pipekit_translator.work.parse import scan
from pipekit_translator.work.parse.scan import WORD
from pipekit_translator.work.table import Floats, Ints, Words

LARGE = 16 << 20  # bytes of input from which importing numba (0.4 s) pays
SECONDS = 5  # about how long compiling takes
MOST_NAMES = 4096  # changes of instrument in a block
WORDS = np.dtype([(scan.EIGHT, "<u8")])
_NEAR = 4096  # bytes: most lines are shorter
_Function = Callable[..., tuple[int, int, int]]


class Layout(NamedTuple):
    """The columns of a format, as arrays.

    `kind`, `which`: one value a column; `which` numbers the parts of the time stamp and the prices
    of the series. `spans`: one row a part of the time stamp: its width; where its rows of `fields`
    begin, those of the fraction begin, and all end; where its rows of `masks` begin. `fields`: one
    row a number in the time stamp: offset, digits (at most 8), place in `scan.PARTS` (fractions
    come after these), factor. `masks`: one row for each eight bytes of the time stamp: which bytes
    are literals, which literals, which bytes lie before the fraction. `unit`: units of time in a
    second. `bars`: whether the four prices must make a valid bar.
    """

    kind: Ints
    which: Ints
    spans: Ints
    fields: Ints
    masks: Words
    unit: int
    bars: bool


class Found(NamedTuple):
    """The rows of a regular block: local time, prices and volume of each.

    `lines`: the line of each row, from 0. `names`: begin, end and first row of each run of one
    instrument. `ended`: how many lines end in the block.
    """

    local: Ints
    prices: Floats
    volume: Ints
    lines: Ints
    names: Ints
    ended: int


def newlines(data: bytes | memoryview) -> int:
    """How many lines end in these bytes."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == scan.NEWLINE))


def layout_of(
    roles: Sequence[str], stamps: Sequence[tuple[str, Stamp]], series: Series
) -> Layout | None:
    """The layout of columns with these roles; `stamps` as in `Parser`.

    None if the kernel cannot read the time stamps: they are too long or not ASCII.
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
    """See `Layout.fields`: in billionths, the first eight digits and then the rest."""
    at = stamp.digits.get("f", ())
    groups = [at[start : start + WORD] for start in range(0, len(at), WORD)]
    return [
        (group[0], len(group), len(scan.PARTS) + number, 10 ** (9 - (group[-1] - at[0] + 1)))
        for number, group in enumerate(groups)
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


@attrs.frozen
class Kernel:
    """The compiled function `scan.scan`."""

    function: _Function

    @classmethod
    def load(cls, cache: str) -> Self | None:
        """Compile it, or load what was compiled before; None if this machine forbids it.

        `cache`: a folder for compiled code if it cannot be kept next to this module.
        """
        function = compiled(
            scan.scan,
            parts=scan.CALLED,
            warm_up=lambda function: _warm_up(cls(function)),
            beside=__file__,
            otherwise=cache,
            seconds=SECONDS,
        )
        return None if function is None else cls(function)

    def read(self, data: bytes | memoryview, separator: int, layout: Layout) -> Found | None:
        """The rows of whole lines; None if any line is not regular."""
        found, scratch = _memory(len(data), layout)
        cut = _cut(data)
        rest = np.zeros(len(data) - cut + scan.MARGIN + 1, np.uint8)
        rest[: len(data) - cut] = np.frombuffer(data[cut:], np.uint8)
        rest[len(data) - cut] = scan.NEWLINE
        unended = cut < len(data) and data[-1] != scan.NEWLINE
        end = len(data) - cut + unended
        state = 0, 0, 0
        for block, stop, base in ((np.frombuffer(data, np.uint8), cut, 0), (rest, end, cut)):
            words = np.ndarray((max(len(block) - 7, 0),), WORDS, block, strides=(1,))
            if stop and state[0] >= 0:
                state = self.function(
                    block, words, stop, base, separator, layout, state, found, scratch
                )
        rows, runs, lines = state
        if rows < 0:
            return None
        local, prices, volume, numbers, names = found
        return Found(
            local[:rows],
            prices[:, :rows],
            volume[:rows],
            numbers[:rows],
            names[:, :runs],
            lines - unended,
        )


def _memory(
    size: int, layout: Layout
) -> tuple[tuple[Ints, Floats, Ints, Ints, Ints], tuple[Ints, ...]]:
    """Arrays for the rows in `size` bytes, and for what `scan` keeps of the last row."""
    most = size // scan.SHORTEST_ROW + 1  # pages that are not written to take no memory
    prices = max(int((layout.kind == scan.PRICE).sum()), int(layout.which.max()) + 1)
    found = (
        np.empty(most, np.int64),
        np.empty((prices, most)),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty((3, MOST_NAMES), np.int64),
    )
    columns = max(len(layout.kind), len(layout.spans), 8)
    return found, tuple(np.empty((4, columns), np.int64))


def _warm_up(kernel: Kernel) -> None:
    """Read lines without rows, as a memoryview: with the argument types of a file's blocks."""
    lines = np.full(scan.SHORTEST_ROW, scan.NEWLINE, np.uint8).data
    layout = layout_of(["timestamp"], [("timestamp", Stamp.of("%Y%m%d"))], BARS)
    assert layout is not None
    kernel.read(lines, ord(","), layout)


def _cut(data: bytes | memoryview) -> int:
    """The end of the last line followed by MARGIN bytes; 0 if there is none nearby."""
    end = max(len(data) - scan.MARGIN, 0)
    begin = max(end - _NEAR, 0)
    return begin + bytes(data[begin:end]).rfind(b"\n") + 1 if end else 0
