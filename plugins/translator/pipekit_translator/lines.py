"""A chunk of a raw file: where lines and fields lie, which rows are bad; it reads no values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan

from pipekit_translator.digits import PADDING, Bytes, Words, padded, words_of
from pipekit_translator.zones import Flags, Ints

_NEWLINE, _RETURN = 10, 13


class Bad(NamedTuple):
    """A row that is no bar: its line (from 1), why, and the line as it stands."""

    line: int
    reason: str
    text: bytes


class Chunk:
    """Whole lines of a file, split into rows of `width` fields; blank lines are left out.

    Of all rows there are `start`, `end` (bytes in `buffer`) and `number` (line, from 1). `rows` are
    those with the right number of fields: all other methods speak of them, by their place in it.
    """

    def __init__(
        self, data: bytes | memoryview, first_line: int, separator: int, width: int
    ) -> None:
        self.buffer: Bytes = padded(data)
        self.words: Words = words_of(self.buffer)
        self.width = width
        self.start, self.end, self.number = _lines(self.buffer, first_line)
        self._separator = separator
        self._reasons: dict[int, str] = {}
        self.rows, self._separators = self._split()

    @property
    def total(self) -> int:
        """How many rows, good and bad."""
        return len(self.start)

    def field(self, at: int) -> tuple[Ints, Ints]:
        """Where the field of each row begins and ends."""
        start = self.start[self.rows] if at == 0 else self._separators[:, at - 1] + 1
        end = self.end[self.rows] if at == self.width - 1 else self._separators[:, at]
        return start, end

    def text(self, row: int) -> str:
        """One of `rows`, as text."""
        return self._line(int(self.rows[row])).decode("utf-8", "replace")

    def first_text(self) -> str:
        """The first row of all, as text."""
        return self._line(0).decode("utf-8", "replace")

    def note(self, rows: Ints | Flags, reason: str) -> None:
        """These of `rows` are bad."""
        self._reasons.update(dict.fromkeys(self.rows[rows].tolist(), reason))

    def bad(self) -> list[Bad]:
        """All bad rows in order, those with a wrong number of fields among them."""
        odd = np.ones(self.total, np.bool_)
        odd[self.rows] = False
        reasons = {row: self._width_reason(row) for row in np.flatnonzero(odd).tolist()}
        reasons |= self._reasons
        return [
            Bad(int(self.number[row]), reasons[row], self._line(row)) for row in sorted(reasons)
        ]

    def _width_reason(self, row: int) -> str:
        fields = self._line(row).count(bytes([self._separator])) + 1
        return f"{fields} field{'s' if fields > 1 else ''} instead of {self.width}"

    def _line(self, row: int) -> bytes:
        return self.buffer[self.start[row] : self.end[row]].tobytes()

    def _split(self) -> tuple[Ints, Ints]:
        """Rows that have the right number of fields, and where their separators stand."""
        inner = self.width - 1
        found = np.flatnonzero(self.buffer[PADDING:-PADDING] == self._separator) + PADDING
        if len(found) == inner * self.total:
            table = found.reshape(-1, inner)
            if (table[:, 0] >= self.start).all() and (table[:, -1] < self.end).all():
                return np.arange(len(table)), table
        first = np.searchsorted(found, self.start)
        rows = np.flatnonzero(np.searchsorted(found, self.end) - first == inner)
        return rows, found[first[rows][:, None] + np.arange(inner)]


def _lines(buffer: Bytes, first_line: int) -> tuple[Ints, Ints, Ints]:
    """Begin, end and number of the lines that are not blank; a last one without newline counts."""
    ends = np.flatnonzero(buffer[PADDING:-PADDING] == _NEWLINE) + PADDING
    stop = len(buffer) - PADDING
    if stop > PADDING and (not len(ends) or ends[-1] != stop - 1):
        ends = np.append(ends, stop)
    starts = np.concatenate(([PADDING], ends[:-1] + 1)) if len(ends) else ends
    ends = ends - ((buffer[ends - 1] == _RETURN) & (ends > starts))
    number = np.arange(first_line, first_line + len(starts))
    kept = ends > starts
    return (starts, ends, number) if kept.all() else (starts[kept], ends[kept], number[kept])
