"""Whole lines of a raw file to columns, and to the rows that are invalid, with their lines.

`Parser.feed` gets whole lines and gives `Rows`. It knows the reading of a file, but neither the
file nor what becomes of the rows. Chunks of regular rows may go through the compiled kernel; all
others, and all of small input, are read in vectors by numpy.
"""

from __future__ import annotations

import math
import re
from copy import copy
from typing import NamedTuple

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan
from numpy.typing import NDArray  # noqa: TID253  # as above

from pipekit_translator import columns, digits
from pipekit_translator.columns import SHOWN, RejectedError
from pipekit_translator.dialects import BAR_SECONDS, Reading, Stamp
from pipekit_translator.kernel import Found, Kernel, Layout, layout_of
from pipekit_translator.lines import Bad, Chunk
from pipekit_translator.series import BARS
from pipekit_translator.table import Floats, Table
from pipekit_translator.zones import Flags, Fold, Ints, Zone

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_INFINITE = ("nan", "inf", "infinity")


class Rows(NamedTuple):
    """What a chunk held: rows by instrument with their lines, in file order; bad rows; all rows."""

    tables: dict[str, tuple[Table, Ints]]
    bad: list[Bad]
    total: int


class Parser:
    """Reads one file's chunks in order.

    `name`: the file's, which may say the instrument. `folds`: how far the file has come in a
    doubled hour, by instrument; it is kept up to date. Raises RejectedError.
    """

    def __init__(
        self, reading: Reading, name: str, folds: dict[str, Fold], kernel: Kernel | None = None
    ) -> None:
        self._reading = reading
        self._series = reading.read
        self._separator = ord(reading.separator)
        self._zone = Zone(reading.timezone, self._series.unit, repeats=self._series.grouped)
        self._folds = folds
        closes = self._series is BARS and reading.bar_time == "close"
        self._shift = BAR_SECONDS * self._series.unit if closes else 0
        self._stamp = [(role, Stamp.of(text)) for role, text in reading.stamp_formats()]
        by_row = bool(reading.instrument.column)
        self._instrument = None if by_row else columns.instrument_of(reading, name)
        self._roles: list[str] = []
        self._numbers: list[str] = []
        self._begun = False  # whether rows of the file have been seen
        self._kernel = kernel
        self._layout: Layout | None = None
        if not reading.header:
            self._take(columns.fixed(reading))

    def header(self, line: bytes) -> None:
        """Find the columns by their names in line 1."""
        self._take(columns.named(self._reading, line.decode("utf-8", "replace").strip()))

    def _take(self, roles: list[str]) -> None:
        self._roles = roles
        self._numbers = [role for role in self._series.columns[1:] if role in roles]
        if self._kernel is not None:
            self._layout = layout_of(roles, self._stamp, self._series)

    def scan(self, data: bytes | memoryview) -> Found | None:
        """What the kernel finds in whole lines, for `feed`; in any order and any thread.

        None where there is no kernel, and where a row is not regular.
        """
        if self._kernel is None or self._layout is None:
            return None
        return self._kernel.read(data, self._separator, self._layout)

    def feed(self, data: bytes | memoryview, first_line: int, found: Found | None = None) -> Rows:
        """The rows of whole lines, the first of which has the number `first_line`."""
        regular = self._regular(data, first_line, found) if found is not None else None
        self._begun |= regular is not None
        return regular or self._any(data, first_line)

    def _regular(self, data: bytes | memoryview, first_line: int, found: Found) -> Rows | None:
        """What the kernel found; None where a time never was, which `_any` sorts out."""
        places = [self._series.prices.index(role) for role in self._numbers[:-1]]
        values = self._table(found.local, [found.prices[at] for at in places], found.volume)
        tables = {}
        before = {name: copy(fold) for name, fold in self._folds.items()}
        for instrument, rows in self._named(data, found, first_line):
            utc, missing = self._zone.to_utc(
                values.time[rows], self._folds.setdefault(instrument, Fold())
            )
            if missing.any():
                self._folds.clear()
                self._folds.update(before)
                return None
            here = values.at(rows)._replace(time=utc - self._shift if self._shift else utc)
            tables[instrument] = here, first_line + found.lines[rows]
        return Rows(tables, [], len(found.local))

    def _table(self, time: Ints, prices: list[Floats], volume: Ints) -> Table:
        """With the prices that the file has, and those absent that it lacks."""
        given = dict(zip(self._numbers[:-1], prices, strict=True))
        absent = np.full(len(time) if len(given) < len(self._series.prices) else 0, np.nan)
        return Table(time, tuple(given.get(n, absent) for n in self._series.prices), volume)

    def _named(
        self, data: bytes | memoryview, found: Found, first_line: int
    ) -> list[tuple[str, Ints | slice]]:
        """The instruments of a regular chunk, each with its rows. Raises RejectedError."""
        if self._instrument is not None:
            return [(self._instrument, slice(None))]
        ends = [*found.names[2, 1:].tolist(), len(found.local)]
        spans: dict[str, list[tuple[int, int]]] = {}
        for (begin, end, first), last in zip(found.names.T.tolist(), ends, strict=True):
            text = bytes(data[begin:end]).decode("utf-8", "replace").strip().strip('"')
            line = first_line + int(found.lines[first])
            name = columns.accepted(self._reading, text, f"line {line}")
            spans.setdefault(name, []).append((first, last))
        if len(spans) == 1:
            return [(name, slice(None)) for name in spans]
        return [
            (name, np.concatenate([np.arange(*span) for span in of])) for name, of in spans.items()
        ]

    def _any(self, data: bytes | memoryview, first_line: int) -> Rows:
        """In vectors, and row by row what is of unusual form."""
        chunk = Chunk(data, first_line, self._separator, len(self._roles))
        if chunk.total and not len(chunk.rows) and not self._begun:
            self._check_separator(chunk)
        self._begun |= bool(chunk.total)
        local, ok = self._local_times(chunk)
        chunk.note(~ok, f"the time stamp is not {self._reading.timestamp_format}")
        *prices, volume = self._read_numbers(chunk, ok)
        for reason, broken in _broken(prices if self._series is BARS else [], volume):
            chunk.note(ok & broken, reason)
            ok &= ~broken
        values = self._table(local, prices, np.where(ok, volume, 0).astype(np.int64))
        tables = {
            instrument: self._placed(chunk, values, rows, instrument)
            for instrument, rows in self._instruments(chunk, np.flatnonzero(ok))
        }
        return Rows(tables, chunk.bad(), chunk.total)

    def _field(self, chunk: Chunk, role: str) -> tuple[Ints, Ints]:
        return chunk.field(self._roles.index(role))

    def _local_times(self, chunk: Chunk) -> tuple[Ints, Flags]:
        """The wall clock of each row, and which rows have a time that can be read."""
        parts: dict[str, Ints] = {}
        ok = np.ones(len(chunk.rows), np.bool_)
        for role, layout in self._stamp:
            start, end = self._field(chunk, role)
            found, read = digits.stamps(chunk.buffer, start, end, layout)
            parts |= found
            ok &= read
        return digits.instants(parts, ok, self._series.unit)

    def _read_numbers(self, chunk: Chunk, ok: Flags) -> list[Floats]:
        """The numbers of each row; `ok` is cleared where one cannot be read."""
        values, read = [], np.ones(len(chunk.rows), np.bool_)
        for role in self._numbers:
            number = digits.decimals(chunk.buffer, chunk.words, *self._field(chunk, role))
            read &= number.ok
            values.append(number.values())
        for row in np.flatnonzero(ok & ~read).tolist():
            try:
                for column, value in zip(values, self._read_slowly(chunk.text(row)), strict=True):
                    column[row] = value
            except ValueError as error:
                ok[row] = False
                chunk.note(np.array([row]), str(error))
        return values

    def _read_slowly(self, line: str) -> list[float]:
        """The numbers of a row of unusual form. Raises ValueError with the reason."""
        fields = line.split(self._reading.separator)
        optional = self._series.optional
        return [
            _number(role, fields[self._roles.index(role)], optional=role in optional)
            for role in self._numbers
        ]

    def _placed(
        self, chunk: Chunk, values: Table, rows: Ints, instrument: str
    ) -> tuple[Table, Ints]:
        """An instrument's rows at their instants; a time that never was makes a row bad."""
        fold = self._folds.setdefault(instrument, Fold())
        utc, missing = self._zone.to_utc(values.time[rows], fold)
        chunk.note(rows[missing], f"this time does not exist in {self._reading.timezone}")
        kept = rows[~missing]
        time = utc[~missing] - self._shift
        return values.at(kept)._replace(time=time), chunk.number[chunk.rows[kept]]

    def _instruments(self, chunk: Chunk, rows: Ints) -> list[tuple[str, Ints]]:
        """The instruments of a chunk, each with its rows. Raises RejectedError."""
        if self._instrument is not None:
            return [(self._instrument, rows)]
        start, end = self._field(chunk, "instrument")
        names = _names(chunk, start[rows], end[rows])
        found = []
        for name in np.unique(names).tolist():
            of = rows[names == name]
            text = name.decode("utf-8", "replace").strip().strip('"')
            line = int(chunk.number[chunk.rows[of[0]]])
            found.append((columns.accepted(self._reading, text, f"line {line}"), of))
        return found

    def _check_separator(self, chunk: Chunk) -> None:
        text = chunk.first_text()
        if self._reading.separator not in text:
            line = int(chunk.number[0])
            raise RejectedError(columns.wrong_separator(self._reading, text, line))


def _number(role: str, field: str, *, optional: bool) -> float:
    text = field.strip().strip('"')
    if optional and not text:
        return math.nan
    if text.lower().lstrip("+-") in _INFINITE:
        raise ValueError(f"{role} is not finite: {text}")
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{role} is no number: {text[:SHOWN]!r}")
    value = float(text) + 0.0  # + 0.0: no negative zero
    if not math.isfinite(value) or (role == "volume" and abs(value) >= 2**53):
        raise ValueError(f"{role} is out of range: {text[:SHOWN]}")
    return value


def _broken(prices: list[Floats], volume: Floats) -> list[tuple[str, Flags]]:
    """What a row must not be (spec: data, §1.3 rule 3), and which rows are."""
    found = []
    if prices:
        open_, high, low, close = prices
        found = [
            ("high is below open or close", high < np.maximum(open_, close)),
            ("low is above open or close", low > np.minimum(open_, close)),
        ]
    return [
        *found,
        ("volume is negative", volume < 0),
        ("volume is not whole", volume != np.floor(volume)),
    ]


def _names(chunk: Chunk, start: Ints, end: Ints) -> NDArray[np.bytes_]:
    """The text of each field; one look for each run of equal fields."""
    if not len(start):
        return np.zeros(0, "S1")
    length = end - start
    shift = 8 * np.clip(digits.WORD - length, 0, digits.WORD - 1).astype(np.uint64)
    word = chunk.words[end - digits.WORD] >> shift
    same = (length[1:] == length[:-1]) & (word[1:] == word[:-1]) & (length[1:] <= digits.WORD)
    begins = digits.runs(~same)
    texts = [chunk.buffer[start[row] : end[row]].tobytes() for row in begins.tolist()]
    return np.repeat(np.array(texts), np.diff(np.append(begins, len(start))))
