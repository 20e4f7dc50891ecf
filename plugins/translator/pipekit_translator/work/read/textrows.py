"""Reads the rows of one text, block by block: its first lines, its rows, and its last lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy

from pipekit_translator.contracts import with_contract
from pipekit_translator.work import contracts
from pipekit_translator.work.assemble.file_rows import Minutes, OrderError
from pipekit_translator.work.parse import header
from pipekit_translator.work.parse.header import RejectedError
from pipekit_translator.work.parse.kernel import Kernel
from pipekit_translator.work.parse.lines import BadRow
from pipekit_translator.work.parse.parser import EARLY, Parser
from pipekit_translator.work.parse.scan import SHORTEST_ROW
from pipekit_translator.work.read.decode import BOM
from pipekit_translator.work.read.record import RawFile
from pipekit_translator.work.read.sieve import Sieve
from pipekit_translator.work.read.spacing import Spacing
from pipekit_translator.work.table import Ints, Table
from pipekit_translator.work.zones import Zone

MIN_BAD_ROWS = EARLY  # so the first check comes after these rows
LONGEST_FOOTER = 10
MOST_HELD = 64 << 20  # bytes of invalid rows, which are held until the file has been read


class StartAgainError(Exception):
    """New ticks come before known ones, so the file must be read from its beginning."""


class TextReader:
    """Passes the rows of a text to a file's rows.

    `name`: what may contain the instrument. `member`: the member of an archive that the text is;
    its lines follow those of the members before it. `size`: how many bytes it has at most.
    """

    def __init__(
        self, raw: RawFile, kernel: Kernel | None, name: str, size: int, member: str = ""
    ) -> None:
        self._raw = raw
        self._format = raw.format
        self._size = size
        self._member = member
        self._parser = Parser(raw.format, name, raw.folds, kernel)
        self._above = raw.lines if member else 0  # lines of the members before
        self._bad: list[BadRow] = []  # with lines of this text
        self._total = 0
        self._held = 0  # bytes of invalid rows
        self._in_rows = False  # the lines before the first row are read
        self._at_start = True
        self._last_row = 0  # the line of the last valid row
        self._minutes: dict[str, Minutes] = {}
        self._sieves: dict[str, Sieve] = {}
        self._code = header.code_of(raw.format, name)
        self._spacing = None if raw.format.series_read.grouped else Spacing(raw.format)

    def begin(self, first: bytes) -> None:
        """Read the lines before the first row, of a text whose first rows are known."""
        self._read_preamble(first)
        self._at_start = False

    def prime(self, known: bytes) -> None:
        """Show the last lines before those to read, so that these are judged by them as well."""
        folds = {name: copy(fold) for name, fold in self._raw.folds.items()}
        rows = self._parser.feed(known, 1)
        self._raw.folds.clear()
        self._raw.folds.update(folds)
        for instrument, (table, _) in rows.tables.items():
            if table.size:
                self._sieves[instrument] = Sieve(self._format)
                self._sieves[instrument].prime(table)
                if self._spacing is not None:
                    self._spacing.prime(instrument, table.time)

    def feed(self, data: memoryview) -> None:
        """Read whole lines; the last one may have no newline. Raises RejectedError."""
        raw = self._raw
        if not self._in_rows:
            skipped, count = self._read_preamble(bytes(data))
            raw.lines += count
            data = data[skipped:]
            if not self._in_rows:
                return  # no row so far
        rows = self._parser.feed(data, raw.lines - self._above + 1)
        raw.lines += rows.lines
        for instrument, (table, lines) in rows.tables.items():
            if table.size:
                self._last_row = max(self._last_row, int(lines[-1]))
                self._sift(instrument, table, lines + self._above if self._above else lines)
        self._bad += rows.bad
        self._total += rows.total
        self._held += sum(len(row.text) for row in rows.bad)
        likely = max(self._total, self._size // SHORTEST_ROW)  # rows that the text may have
        self._check_bad(likely, LONGEST_FOOTER if self._format.skip_footer else 0)

    def finish(self) -> None:
        """Note what belongs to the whole text. Raises RejectedError."""
        if not self._in_rows and self._raw.complete and not self._raw.group.growing:
            self._parser.check_begun()
        for instrument, sieve in self._sieves.items():
            for rows in sieve.finish():
                self._keep(instrument, *rows)
            for reason, aside in sieve.aside():
                self._set_aside(reason, aside)
        if self._spacing is not None:
            self._spacing.check()
            for doubt in self._spacing.doubts():
                where = f"{self._raw.path}: " + (f"{self._member}: " if self._member else "")
                self._raw.warnings.append(f"{where}{doubt}; check interval")
            self._set_aside(self._spacing.reason, self._spacing.lines)
        with self._order_expected():
            for instrument, minutes in self._minutes.items():
                self._add(instrument, *minutes.bars())
        if self._format.skip_footer:
            self._drop_footer()
        if problem := self._parser.separator_problem():
            raise RejectedError(problem)
        if self._parser.unnamed and not self._last_row and not self._raw.resumed:
            line, problem = self._parser.unnamed
            raise RejectedError(f"line {line}: {problem}")
        self._check_bad(self._total)
        self._raw.contracts()
        self._raw.total += self._total
        self._raw.bad += [self._of_file(row) for row in self._bad]

    def _set_aside(self, reason: str, lines: list[int]) -> None:
        if lines:
            self._raw.aside.setdefault(reason, []).extend(lines)

    def _of_file(self, row: BadRow) -> BadRow:
        """A row with its line among those of all members."""
        if not self._member:
            return row
        reason = f"line {row.line} of {self._member}: {row.reason}"
        return row._replace(line=row.line + self._above, reason=reason)

    def _drop_footer(self) -> None:
        """Count the lines after the last row that have no time stamp; they are no rows."""
        rows = (row.line for row in self._bad if self._parser.is_row(row))
        last = max([self._last_row, *rows])
        footer = [row for row in self._bad if row.line > last]
        if len(footer) <= LONGEST_FOOTER:
            self._bad = self._bad[: len(self._bad) - len(footer)]
            self._total -= len(footer)
            self._raw.footer += len(footer)

    def _sift(self, instrument: str, table: Table, lines: Ints) -> None:
        """Keep the rows that can be right."""
        if self._spacing is not None:
            table, lines = self._spacing.right(instrument, table, lines)
            if not table.size:
                return
        if instrument not in self._sieves:
            self._sieves[instrument] = Sieve(self._format)
        for rows in self._sieves[instrument].feed(table, lines):
            self._keep(instrument, *rows)

    def _keep(self, instrument: str, table: Table, lines: Ints) -> None:
        format = self._format
        if format.series_read.grouped or format.aggregate:
            self._check_order(instrument, table)
        if not format.aggregate:
            self._add(instrument, table, lines)
            return
        new = Minutes(format.series_read, format.series_written)
        with self._order_expected():
            self._minutes.setdefault(instrument, new).add(table, lines)

    def _add(self, instrument: str, table: Table, lines: Ints) -> None:
        """Give rows to the instrument, or to its contract where contracts are kept apart."""
        name, raw = with_contract(instrument, self._code), self._raw
        zone = Zone(self._format.exchange_timezone, self._format.series_written.unit)
        for contract, rows in contracts.split(name, table.time, zone):
            target = contracts.target(self._format, name, contract)
            contracts.note(raw.rows.contracts, self._format, target, contract)
            raw.rows.add(target, table.at(rows), lines[rows])

    @contextmanager
    def _order_expected(self) -> Iterator[None]:
        try:
            yield
        except OrderError as error:
            raise RejectedError(
                f"line {error}: its bars are not in order of time, so they cannot be made into "
                f"bars of {self._format.aggregate}: sort the file"
            ) from None

    def _check_order(self, instrument: str, ticks: Table) -> None:
        """Resumed reading must continue after the latest known row (or the bar that it is part of).

        New ticks replace all ticks with the same time stamp; new bars replace whole bars.
        """
        known = self._raw.job.before.last.get(instrument) if self._raw.resumed else None
        read, written = self._format.series_read, self._format.series_written
        step = written.seconds * read.unit if self._format.aggregate else 1
        if known is not None and int(ticks.time.min()) // step <= known // step:
            raise StartAgainError
        last = self._raw.last
        last[instrument] = max(last.get(instrument, -(1 << 63)), int(ticks.time.max()))

    def _read_preamble(self, data: bytes) -> tuple[int, int]:
        """Read the lines before the first row; return where they end, and how many they are."""
        at = len(BOM) if self._at_start and data.startswith(BOM) else 0
        self._at_start, count = False, 0
        while at < len(data):
            end = data.find(b"\n", at)
            end = len(data) if end < 0 else end + 1
            if not self._parser.begin(data[at:end]):
                self._in_rows = True
                break
            at, count = end, count + 1
        return at, count

    def _check_bad(self, total: int, footer: int = 0) -> None:
        """Reject a file with too many invalid rows (at least ten) among `total`.

        `footer`: how many of them may turn out to be none.
        """
        bad = self._bad[: max(len(self._bad) - footer, 0)]
        limit = self._format.max_bad_fraction
        if self._held > MOST_HELD:
            raise RejectedError(
                f"line {self._bad[0].line}: {self._bad[0].reason}; its invalid rows have more than "
                f"{MOST_HELD >> 20} MiB. Correct the export"
            )
        if len(bad) >= MIN_BAD_ROWS and len(bad) > limit * total:
            if problem := self._parser.separator_problem(early=True):
                raise RejectedError(problem)
            said = f"line {bad[0].line}: {bad[0].reason}"
            share = f"{len(bad):,} of {self._total:,} rows are invalid"
            if bad[0].reason.endswith(header.INSTRUMENT_REMEDIES):  # says what to do
                raise RejectedError(f"{said} ({share})")
            raise RejectedError(
                f"{said}; {share}, more than max_bad_fraction = {limit:g} allows. Correct the "
                "export or the source's settings (dialect, timezone), or raise max_bad_fraction"
            )
