"""Parses whole lines of a raw file into rows by instrument, and invalid rows with reasons.

There are two ways to the same result. The compiled kernel reads blocks of regular rows. Everything
else is read in vectors with numpy: small input, blocks with anything unusual in them, and machines
without compiled code. Then only numbers of unusual form are read row by row.
"""

from __future__ import annotations

import math
import re
from copy import copy
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from pipekit_translator.dialects import BAR_SECONDS, FileFormat, Stamp, roles_of
from pipekit_translator.layout import BARS
from pipekit_translator.work.parse import header, lines
from pipekit_translator.work.parse.header import SHOWN, RejectedError
from pipekit_translator.work.parse.kernel import Found, Kernel, Layout, layout_of, newlines
from pipekit_translator.work.parse.lines import BadRow, Block
from pipekit_translator.work.table import Flags, Floats, Ints, Table
from pipekit_translator.work.zones import Fold, Zone

Data = bytes | memoryview

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_INFINITE = ("nan", "inf", "infinity")


class Rows(NamedTuple):
    """The rows of a block.

    `tables`: by instrument, valid rows in file order, each with its line. `bad`: invalid rows.
    `total`: how many rows there are. `lines`: how many lines end in the block.
    """

    tables: dict[str, tuple[Table, Ints]]
    bad: list[BadRow]
    total: int
    lines: int


class Parser:
    """Parses the blocks of one file in order.

    `name`: the file's, which may contain the instrument. `folds`: by instrument, the position in
    a repeated hour; updated while parsing. Raises RejectedError.
    """

    def __init__(
        self, format: FileFormat, name: str, folds: dict[str, Fold], kernel: Kernel | None = None
    ) -> None:
        self._format = format
        self._series = format.series_read
        self._separator = ord(format.separator)
        self._zone = Zone(format.timezone, self._series.unit, repeats=self._series.grouped)
        self._folds = folds
        closes = self._series is BARS and format.bar_time == "close"
        self._shift = BAR_SECONDS * self._series.unit if closes else 0
        self._stamp = _stamps(format)
        by_row = bool(format.instrument.column)
        self._instrument = None if by_row else header.instrument_of(format, name)
        self._roles: tuple[str, ...] = ()
        self._numbers: list[str] = []
        self._begun = False  # whether rows of the file have been seen
        self._kernel = kernel
        self._layout: Layout | None = None
        if not format.header:
            self._set_roles(tuple(role for role, _ in roles_of(format.columns)))

    def header(self, line: bytes) -> None:
        """Find the columns by their names in line 1."""
        text = line.decode("utf-8", "replace").strip()
        self._set_roles(header.roles_of_header(self._format, text))

    def _set_roles(self, roles: tuple[str, ...]) -> None:
        self._roles = roles
        self._numbers = [role for role in self._series.columns[1:] if role in roles]
        if self._kernel is not None:
            self._layout = _layout(self._format, roles)

    def feed(self, data: Data, first_line: int) -> Rows:
        """Parse whole lines of the file; the last one may have no newline."""
        rows = self._compiled(data, first_line) or self._vectorized(data, first_line)
        self._begun |= bool(rows.total)
        return rows

    def _compiled(self, data: Data, first_line: int) -> Rows | None:
        """Parse with the kernel; None if it refuses the block or a local time never existed."""
        if self._kernel is None or self._layout is None:
            return None
        found = self._kernel.read(data, self._separator, self._layout)
        if found is None:
            return None
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
        return Rows(tables, [], len(found.local), found.ended)

    def _table(self, time: Ints, prices: list[Floats], volume: Ints) -> Table:
        """A table with NaN for the prices that the file does not have."""
        given = dict(zip(self._numbers[:-1], prices, strict=True))
        absent = np.full(len(time) if len(given) < len(self._series.prices) else 0, np.nan)
        return Table(time, tuple(given.get(n, absent) for n in self._series.prices), volume)

    def _named(self, data: Data, found: Found, first_line: int) -> list[tuple[str, Ints | slice]]:
        """The instruments of a regular block, each with its rows. Raises RejectedError."""
        if self._instrument is not None:
            return [(self._instrument, slice(None))]
        if not len(found.local):
            return []
        ends = [*found.names[2, 1:].tolist(), len(found.local)]
        spans: dict[str, list[tuple[int, int]]] = {}
        for (begin, end, first), last in zip(found.names.T.tolist(), ends, strict=True):
            name = self._accepted(bytes(data[begin:end]), first_line + int(found.lines[first]))
            spans.setdefault(name, []).append((first, last))
        if len(spans) == 1:
            return [(name, slice(None)) for name in spans]
        return [
            (name, np.concatenate([np.arange(*span) for span in of])) for name, of in spans.items()
        ]

    def _vectorized(self, data: Data, first_line: int) -> Rows:
        """Parse with numpy."""
        block = Block(data, first_line, self._separator, len(self._roles))
        if block.total and not len(block.rows) and not self._begun:
            self._check_separator(block)
        local, ok = self._local_times(block)
        block.mark_bad(~ok, f"the time stamp is not {self._format.timestamp_format}")
        *prices, volume = self._read_numbers(block, ok)
        for reason, broken in _broken(prices if self._series is BARS else [], volume):
            block.mark_bad(ok & broken, reason)
            ok &= ~broken
        values = self._table(local, prices, np.where(ok, volume, 0).astype(np.int64))
        tables = {
            instrument: self._placed(block, values, rows, instrument)
            for instrument, rows in self._instruments(block, np.flatnonzero(ok))
        }
        return Rows(tables, block.bad(), block.total, newlines(data))

    def _field(self, block: Block, role: str) -> tuple[Ints, Ints]:
        return block.field(self._roles.index(role))

    def _local_times(self, block: Block) -> tuple[Ints, Flags]:
        """The local time of each row, and which rows have one that can be read."""
        parts: dict[str, Ints] = {}
        ok = np.ones(len(block.rows), np.bool_)
        for role, layout in self._stamp:
            start, end = self._field(block, role)
            found, read = lines.stamps(block.buffer, start, end, layout)
            parts |= found
            ok &= read
        return lines.instants(parts, ok, self._series.unit)

    def _read_numbers(self, block: Block, ok: Flags) -> list[Floats]:
        """The numbers of each row; clears `ok` where one cannot be read."""
        values, read = [], np.ones(len(block.rows), np.bool_)
        for role in self._numbers:
            column, plain = lines.decimals(block.buffer, *self._field(block, role))
            read &= plain
            values.append(column)
        for row in np.flatnonzero(ok & ~read).tolist():
            try:
                for column, value in zip(
                    values, self._unusual_numbers(block.line(int(block.rows[row]))), strict=True
                ):
                    column[row] = value
            except ValueError as error:
                ok[row] = False
                block.mark_bad(np.array([row]), str(error))
        return values

    def _unusual_numbers(self, line: bytes) -> list[float]:
        """The numbers of a row in which one is of unusual form. Raises ValueError."""
        fields = line.decode("utf-8", "replace").split(self._format.separator)
        optional = self._series.optional
        return [
            _number(role, fields[self._roles.index(role)], optional=role in optional)
            for role in self._numbers
        ]

    def _placed(
        self, block: Block, values: Table, rows: Ints, instrument: str
    ) -> tuple[Table, Ints]:
        """An instrument's rows in UTC; a local time that never existed makes a row invalid."""
        fold = self._folds.setdefault(instrument, Fold())
        utc, missing = self._zone.to_utc(values.time[rows], fold)
        block.mark_bad(rows[missing], f"this time does not exist in {self._format.timezone}")
        kept = rows[~missing]
        time = utc[~missing] - self._shift
        return values.at(kept)._replace(time=time), block.number[block.rows[kept]]

    def _instruments(self, block: Block, rows: Ints) -> list[tuple[str, Ints]]:
        """The instruments of these rows, each with its own. Raises RejectedError."""
        if self._instrument is not None:
            return [(self._instrument, rows)]
        start, end = (places.tolist() for places in self._field(block, "instrument"))
        found: dict[str, list[int]] = {}
        known: dict[bytes, list[int]] = {}
        data = block.buffer.tobytes()
        for row in rows.tolist():
            text = data[start[row] : end[row]]
            if text not in known:
                name = self._accepted(text, int(block.number[block.rows[row]]))
                known[text] = found.setdefault(name, [])
            known[text].append(row)
        return [(name, np.array(of, np.int64)) for name, of in found.items()]

    def _accepted(self, field: bytes, line: int) -> str:
        """The instrument in a field. Raises RejectedError."""
        name = field.decode("utf-8", "replace").strip().strip('"')
        return header.accepted(self._format, name, f"line {line}")

    def _check_separator(self, block: Block) -> None:
        text = block.line(0).decode("utf-8", "replace")
        if self._format.separator not in text:
            line = int(block.number[0])
            raise RejectedError(header.wrong_separator(self._format, text, line))


@cache
def _stamps(format: FileFormat) -> list[tuple[str, Stamp]]:
    return [(role, Stamp.of(text)) for role, text in format.stamp_formats()]


@lru_cache(256)
def _layout(format: FileFormat, roles: tuple[str, ...]) -> Layout | None:
    return layout_of(roles, _stamps(format), format.series_read)


def _number(role: str, field: str, *, optional: bool) -> float:
    text = field.strip().strip('"')
    if optional and not text:
        return math.nan
    if text.lower().lstrip("+-") in _INFINITE:
        raise ValueError(f"{role} is not finite: {text}")
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{role} is not a number: {text[:SHOWN]!r}")
    value = float(text) + 0.0  # + 0.0: no negative zero
    if not math.isfinite(value) or (role == "volume" and abs(value) >= 2**53):
        raise ValueError(f"{role} is out of range: {text[:SHOWN]}")
    return value


def _broken(prices: list[Floats], volume: Floats) -> list[tuple[str, Flags]]:
    """Each reason for a row to be invalid, with the rows it applies to."""
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
