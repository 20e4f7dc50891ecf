"""Parses whole lines of a raw file into rows by instrument, and invalid rows with reasons.

There are two ways to the same result. The compiled kernel reads blocks of regular rows. Everything
else is read in vectors with numpy: small input, blocks with anything unusual in them, and machines
without compiled code. Then only numbers of unusual form are read row by row.
"""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

import numpy as np

from pipekit_translator.columns import roles_in_order
from pipekit_translator.dialects import FileFormat
from pipekit_translator.work.parse import header, lines
from pipekit_translator.work.parse.dated import NamedDate
from pipekit_translator.work.parse.derived import layout_for, numbers_of, stamps_of
from pipekit_translator.work.parse.header import SHOWN, Columns
from pipekit_translator.work.parse.kernel import Found, Kernel, Layout, newlines
from pipekit_translator.work.parse.lines import BadRow, Block
from pipekit_translator.work.parse.numbers import scaled
from pipekit_translator.work.parse.plausible import Plausible
from pipekit_translator.work.parse.quotes import Quotes
from pipekit_translator.work.parse.stamps import EPOCH
from pipekit_translator.work.parse.symbols import Symbol, Symbols, grouped
from pipekit_translator.work.passes import Fold
from pipekit_translator.work.table import Flags, Floats, Ints, Table, whole_volume
from pipekit_translator.work.zones import Zone

Data = bytes | memoryview

EARLY = 10  # rows that show whether the separator is right
_NOT_WHOLE = 'volume is not whole: set volume_type = "float" if it may be a fraction'


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

    `unnamed`: line and reason of the first row that has no accepted instrument.
    """

    def __init__(
        self, format: FileFormat, name: str, folds: dict[str, Fold], kernel: Kernel | None = None
    ) -> None:
        self._format = format
        self._series = format.series_read
        self._separator = ord(format.separator)
        self._zone = Zone(format.timezone, self._series.unit)
        self._folds = folds
        closes = not self._series.grouped and format.bar_time == "close"
        self._shift = self._series.seconds * self._series.unit if closes else 0
        self._stamp = stamps_of(format)
        self._reader = numbers_of(format)
        by_row = bool(format.instrument.column)
        self._instrument = None if by_row else header.instrument_of(format, name)
        self._date = NamedDate(format, name)
        self._symbols = Symbols(format)
        self._plausible = Plausible(format)
        self.unnamed: tuple[int, str] | None = None  # the first row without an instrument, and why
        self._roles: tuple[str, ...] = ()
        self._prices: list[str] = []
        self._spare = False
        self._fits = self._fits_early = False  # whether a row had the right number of fields
        self._seen = 0  # rows, as long as none had
        self._first: BadRow | None = None  # the first row, if it has no separator
        self._kernel = kernel
        self._layout: Layout | None = None
        self._preamble = header.Preamble(format)
        self._quotes: dict[str, Quotes] = {}
        if not format.header:
            self._set_roles(Columns(roles_in_order(format.columns)))

    def begin(self, line: bytes) -> bool:
        """Whether the next line stands before the rows; finds the columns by their header."""
        if self._preamble.done:
            return False
        before = self._preamble.take(line)
        if self._preamble.done and self._format.header:
            self._set_roles(self._preamble.columns())
        return before

    def check_begun(self) -> None:
        """Raises RejectedError if a text that has ended has more lines before its rows."""
        self._preamble.check_ended()

    @property
    def ready(self) -> bool:
        """Whether the columns are known."""
        return bool(self._roles)

    def _set_roles(self, columns: Columns) -> None:
        self._roles, self._spare = columns
        self._prices = [role for role in self._series.prices if role in self._roles]
        if self._kernel is not None and self._reader.plain:
            self._layout = layout_for(self._format, self._roles)

    def feed(self, data: Data, first_line: int) -> Rows:
        """Parse whole lines of the file; the last one may have no newline."""
        return self._compiled(data, first_line) or self._vectorized(data, first_line)

    def separator_problem(self, *, early: bool = False) -> str:
        """Why no row had the right number of fields, if the separator is to blame; else empty.

        `early`: none of the first ten rows.
        """
        if (self._fits_early if early else self._fits) or self._first is None:
            return ""
        text = self._first.text.decode("utf-8", "replace")
        return header.wrong_separator(self._format, text, self._first.line)

    def _compiled(self, data: Data, first_line: int) -> Rows | None:
        """Parse with the kernel; None if it refuses the block or a local time never existed."""
        if self._kernel is None or self._layout is None:
            return None
        found = self._kernel.read(data, self._separator, self._layout)
        if found is None or not self._plausible.are_all(found.local):
            return None
        if len(found.local):
            self._fits = True
            self._fits_early |= self._seen < EARLY
            self._seen += len(found.local)
        prices = [found.prices[self._series.prices.index(role)] for role in self._prices]
        values = self._table(found.local, prices, found.volume)
        tables = {}
        before = {name: copy(fold) for name, fold in self._folds.items()}
        named = self._named(data, found)
        if named is None:
            return None
        for instrument, rows in named:
            here = values.at(rows)
            utc, missing = self._zone.to_utc(here, self._folds.setdefault(instrument, Fold()))
            if missing.any():
                self._folds.clear()
                self._folds.update(before)
                return None
            here = here._replace(time=utc - self._shift if self._shift else utc)
            tables[instrument] = here, first_line + found.lines[rows]
        for instrument, (here, numbers) in tables.items():
            tables[instrument] = self._complete(instrument, here, numbers), numbers
        total = sum(table.size for table, _ in tables.values())
        return Rows(tables, [], total, found.ended)

    def _table(self, time: Ints, prices: list[Floats], volume: Ints | Floats) -> Table:
        """A table with NaN for the prices that the file does not have, and nulls for its volume."""
        scale = self._format.price_scale
        given = dict(zip(self._prices, prices, strict=True))
        if scale != 1:
            given = {role: scaled(column, scale) for role, column in given.items()}
        absent = np.full(len(time) if len(given) < len(self._series.prices) else 0, np.nan)
        if self._format.volume:
            volume = np.full(len(time), np.nan)
        whole = self._format.volume_type == "int"
        columns = tuple(given.get(name, absent) for name in self._series.prices)
        return Table(time, columns, whole_volume(volume) if whole else volume.astype(np.float64))

    def _complete(self, instrument: str, table: Table, lines: Ints) -> Table:
        """Ticks with the prices that they take from elsewhere; bars as they are."""
        if not self._series.grouped or not (self._format.carry or self._format.price):
            return table
        if instrument not in self._quotes:
            self._quotes[instrument] = Quotes(self._format)
        return self._quotes[instrument].complete(table, lines)

    def _named(self, data: Data, found: Found) -> list[tuple[str, Ints | slice]] | None:
        """The instruments of a regular block, each with its rows; None if one is no instrument."""
        if self._instrument is not None:
            return [(self._instrument, slice(None))]
        return self._symbols.of_runs(data, found.names, len(found.local))

    def _vectorized(self, data: Data, first_line: int) -> Rows:
        """Parse with numpy."""
        width = len(self._roles)
        block = Block(data, first_line, self._separator, width, spare=self._spare)
        self._note_separator(block)
        symbols: list[Symbol] = []
        if self._instrument is None:
            symbols = self._symbols.of_rows(block.buffer, *self._field(block, "instrument"))
            if self._format.instrument.ignore:
                block.leave_out(np.array([symbol.ignored for symbol in symbols], np.bool_))
                symbols = [symbol for symbol in symbols if not symbol.ignored]
        if self._format.has_own_contract_column:
            known = symbols or [Symbol(self._instrument or "")] * len(block.rows)
            fields = self._field(block, "contract")
            symbols = self._symbols.with_contracts(known, block.buffer, *fields)
        local, ok = self._local_times(block)
        *prices, volume = self._read_numbers(block, ok)
        for reason, broken in self._broken(prices, volume):
            block.mark_bad(ok & broken, reason)
            ok &= ~broken
        values = self._table(local, prices, np.where(ok, volume, 0))
        tables = {
            instrument: self._placed(block, values, rows, instrument)
            for instrument, rows in self._instruments(block, np.flatnonzero(ok), symbols)
        }
        bad, total = block.bad(), block.total
        if bad and self._preamble.headers:
            kept = [row for row in bad if not self._is_header(row)]
            bad, total = kept, total - len(bad) + len(kept)
        return Rows(tables, bad, total, newlines(data))

    def is_row(self, row: BadRow) -> bool:
        """Whether an invalid row has a time stamp all the same."""
        fields = lines.split(row.text.decode("utf-8", "replace"), self._format.separator)
        for role, reader in self._stamp:
            at = self._roles.index(role)
            field = np.frombuffer(fields[at].encode() if at < len(fields) else b"", np.uint8)
            ends = np.array([0]), np.array([len(field)])
            if not len(field) or not reader.read(field, *ends, self._series.unit)[1].all():
                return False
        return True

    def _is_header(self, row: BadRow) -> bool:
        """Whether an invalid row is the header again, as in files that were put together.

        Raises RejectedError for one of other columns: the rows after it would be read wrongly.
        """
        if row.text.strip() in self._preamble.headers:
            return True
        return header.is_same(self._format, row, self._roles)

    def _field(self, block: Block, role: str) -> tuple[Ints, Ints]:
        return block.field(self._roles.index(role))

    def _local_times(self, block: Block) -> tuple[Ints, Flags]:
        """The local time of each row, and which rows have one that can be read."""
        parts: dict[str, Ints] = {}
        ok = np.ones(len(block.rows), np.bool_)
        for role, reader in self._stamp:
            found, read = reader.read(block.buffer, *self._field(block, role), self._series.unit)
            parts |= found
            ok &= read
        parts |= self._date.of_rows(ok)
        unit = self._series.unit
        local = parts.get(EPOCH)
        if local is None:
            local, ok = lines.instants(parts, ok, unit)
            local = local - parts["z"] * unit if "z" in parts else local
        unread = np.flatnonzero(~ok)
        texts = [block.texts(unread, self._roles.index(role)) for role, _ in self._stamp]
        for row, *text in zip(unread.tolist(), *texts, strict=True):
            shown = " ".join(text)[:SHOWN]
            reason = f"the time stamp is not {self._format.timestamp_format}: {shown!r}"
            block.mark_bad(np.array([row]), reason)
        return local, self._dated(block, local, ok)

    def _dated(self, block: Block, local: Ints, ok: Flags) -> Flags:
        """Which rows are valid and have a plausible time."""
        for wrong, reason in self._plausible.problems(local):
            block.mark_bad(ok & wrong, reason)
            ok = ok & ~wrong
        return ok

    def _read_numbers(self, block: Block, ok: Flags) -> list[Floats]:
        """The prices and the volume of each row; clears `ok` where one cannot be read."""
        buffer = self._reader.buffer(block.buffer)
        values: list[Floats] = []
        problems: dict[int, str] = {}
        for role in (*self._prices, "volume"):
            parts = []
            for at in [at for at, other in enumerate(self._roles) if other == role]:
                column, found = self._reader.read(buffer, role, *block.field(at), ok)
                problems = found | problems
                if role == "volume" and self._format.missing_volume == "zero":
                    column = np.where(np.isnan(column), 0.0, column)
                parts.append(column)
            values.append(_sum(parts) if parts else np.zeros(len(block.rows)))
        for row, reason in problems.items():
            ok[row] = False
            block.mark_bad(np.array([row]), reason)
        return values

    def _broken(self, prices: list[Floats], volume: Floats) -> list[tuple[str, Flags]]:
        """Each reason for a row to be invalid, with the rows it applies to."""
        found = [("volume is negative", volume < 0)]
        if self._format.volume_type == "int":
            fraction = ~np.isnan(volume) & (volume != np.floor(volume))
            found.append((_NOT_WHOLE, fraction))
        if not self._series.grouped:
            open_, high, low, close = prices
            return [
                ("high is below open or close", high < np.maximum(open_, close)),
                ("low is above open or close", low > np.minimum(open_, close)),
                *found,
            ]
        if not self._format.carry:
            found.append(("there is no price, bid or ask", np.all(np.isnan(prices), axis=0)))
        return found

    def _placed(
        self, block: Block, values: Table, rows: Ints, instrument: str
    ) -> tuple[Table, Ints]:
        """An instrument's rows in UTC; a local time that never existed makes a row invalid."""
        fold = self._folds.setdefault(instrument, Fold())
        utc, missing = self._zone.to_utc(values.at(rows), fold)
        block.mark_bad(rows[missing], f"this time does not exist in {self._format.timezone}")
        kept = rows[~missing]
        time, lines = utc[~missing] - self._shift, block.number[block.rows[kept]]
        table = self._complete(instrument, values.at(kept)._replace(time=time), lines)
        if self._format.carry and (unknown := np.all(np.isnan(table.prices), axis=0)).any():
            block.mark_bad(kept[unknown], "there is no price, bid or ask yet")
            return table.at(~unknown), lines[~unknown]
        return table, lines

    def _instruments(
        self, block: Block, rows: Ints, symbols: list[Symbol]
    ) -> list[tuple[str, Ints]]:
        """The instruments of these rows, each with its own."""
        if self._instrument is not None and not symbols:
            return [(self._instrument, rows)]
        found, problems = grouped(rows, symbols)
        for reason, wrong in problems:
            block.mark_bad(wrong, reason)
            self.unnamed = self.unnamed or (int(block.number[block.rows[wrong[0]]]), reason)
        return found

    def _note_separator(self, block: Block) -> None:
        """Note whether rows have the right number of fields, and whether the first had just one."""
        if block.total and not self._seen and self._separator not in block.line(0):
            self._first = BadRow(int(block.number[0]), "", block.line(0))
        self._fits |= bool(len(block.rows))
        self._fits_early |= bool((block.rows < EARLY - self._seen).any())
        self._seen += block.total


def _sum(parts: list[Floats]) -> Floats:
    """The sum of columns; negative where one of them is, so that none makes up for it."""
    if len(parts) == 1:
        return parts[0]
    least = np.fmin.reduce(parts)
    total: Floats = np.where(least < 0, least, sum(parts[1:], start=parts[0]))
    return total
