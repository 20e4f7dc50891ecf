"""A block of whole lines: where rows and fields lie, and which rows are invalid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipekit_translator.work.table import Bytes, Flags, Ints

_NEWLINE, _RETURN = 10, 13


class BadRow(NamedTuple):
    """An invalid row: its line number (from 1), the reason, and the line itself."""

    line: int
    reason: str
    text: bytes


class Block:
    """Whole lines of a file, split into rows of `width` fields; blank lines are left out.

    `start`, `end` (positions in `buffer`) and `number` (line, from 1) are of all rows. `rows` are
    those with the right number of fields; methods take and return positions in `rows`.
    """

    def __init__(
        self, data: bytes | memoryview, first_line: int, separator: int, width: int
    ) -> None:
        self.buffer: Bytes = np.frombuffer(data, np.uint8)
        self.width = width
        self.start, self.end, self.number = _lines(self.buffer, first_line)
        self._separator = separator
        self._reasons: dict[int, str] = {}
        self.rows, self._separators = self._split()

    @property
    def total(self) -> int:
        """How many rows, valid and invalid."""
        return len(self.start)

    def field(self, at: int) -> tuple[Ints, Ints]:
        """Where a field begins and ends in each of `rows`."""
        start = self.start[self.rows] if at == 0 else self._separators[:, at - 1] + 1
        end = self.end[self.rows] if at == self.width - 1 else self._separators[:, at]
        return start, end

    def text(self, row: int) -> str:
        """The text of one of `rows`."""
        return self.line(int(self.rows[row])).decode("utf-8", "replace")

    def mark_bad(self, rows: Ints | Flags, reason: str) -> None:
        """Some of `rows` are invalid."""
        self._reasons.update(dict.fromkeys(self.rows[rows].tolist(), reason))

    def bad(self) -> list[BadRow]:
        """All invalid rows in order, including those with a wrong number of fields."""
        odd = np.ones(self.total, np.bool_)
        odd[self.rows] = False
        reasons = {row: self._width_reason(row) for row in np.flatnonzero(odd).tolist()}
        reasons |= self._reasons
        return [
            BadRow(int(self.number[row]), reasons[row], self.line(row)) for row in sorted(reasons)
        ]

    def _width_reason(self, row: int) -> str:
        fields = self.line(row).count(bytes([self._separator])) + 1
        return f"{fields} field{'s' if fields > 1 else ''} instead of {self.width}"

    def line(self, row: int) -> bytes:
        """The bytes of one of all rows."""
        return self.buffer[self.start[row] : self.end[row]].tobytes()

    def _split(self) -> tuple[Ints, Ints]:
        """Rows with the right number of fields, and the positions of their separators."""
        inner = self.width - 1
        found = np.flatnonzero(self.buffer == self._separator)
        first = np.searchsorted(found, self.start)
        rows = np.flatnonzero(np.searchsorted(found, self.end) - first == inner)
        return rows, found[first[rows, None] + np.arange(inner)]


def _lines(buffer: Bytes, first_line: int) -> tuple[Ints, Ints, Ints]:
    """Begin, end and number of lines that are not blank; the last one may lack its newline."""
    ends = np.flatnonzero(buffer == _NEWLINE)
    if len(buffer) and buffer[-1] != _NEWLINE:
        ends = np.append(ends, len(buffer))
    starts = np.append(0, ends[:-1] + 1)[: len(ends)]
    ends = ends - ((buffer[ends - 1] == _RETURN) & (ends > starts))
    number = np.arange(first_line, first_line + len(starts))
    kept = ends > starts
    return (starts, ends, number) if kept.all() else (starts[kept], ends[kept], number[kept])
