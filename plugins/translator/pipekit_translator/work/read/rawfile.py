"""Reads one raw file: which bytes to use, whether it changed meanwhile, and its content hash."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from io import FileIO

import attrs
import numpy as np

from pipekit.worker import Signature, hasher, look
from pipekit_translator import layout
from pipekit_translator.dialects import FileFormat
from pipekit_translator.request import NOTHING, FileGroup, FileJob, FileMemory
from pipekit_translator.work.assemble.file_rows import MINUTE, Assembly, FileRows, Minutes
from pipekit_translator.work.parse.header import RejectedError
from pipekit_translator.work.parse.kernel import Kernel
from pipekit_translator.work.parse.lines import BadRow
from pipekit_translator.work.parse.parser import Parser
from pipekit_translator.work.parse.scan import SHORTEST_ROW
from pipekit_translator.work.read.held import BusyError, open_raw
from pipekit_translator.work.table import Ints, Table
from pipekit_translator.work.zones import Fold

BLOCK = 4 << 20  # bytes; parsing takes about ten times as much memory
MIN_BAD_ROWS = 10
LONGEST_LINE = 1 << 20
_NEWLINE = ord("\n")
BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")


@attrs.define(kw_only=True, eq=False)
class RawFile:
    """What was read of a file.

    `prefix`: number of bytes used; `fingerprint`: their hash; `lines`: number of newlines in them.
    `complete`: nothing is left unread. `resumed`: reading continued after known content. `last`:
    by instrument, the time of the latest tick. `rejected`: why it cannot be used.
    """

    job: FileJob
    group: FileGroup
    rows: FileRows
    signature: Signature
    fingerprint: str = ""
    prefix: int = 0
    lines: int = 0
    complete: bool = True
    resumed: bool = False
    total: int = 0
    bad: list[BadRow] = attrs.field(factory=list)
    folds: dict[str, Fold] = attrs.field(factory=dict)
    last: dict[str, int] = attrs.field(factory=dict)
    warnings: list[str] = attrs.field(factory=list)
    rejected: str = ""

    @property
    def path(self) -> str:
        """The file's path, relative to the project's root."""
        return self.job.path

    @property
    def format(self) -> FileFormat:
        """How it is read."""
        return self.group.format

    @property
    def repeated(self) -> bool:
        """Whether this content was consumed before, so that its bad rows were reported."""
        return not self.resumed and self.fingerprint == self.job.known

    @property
    def is_empty(self) -> bool:
        """Whether it holds no rows."""
        return not self.total and not self.resumed

    def memory(self) -> FileMemory:
        """What the next plan needs to know of the file."""
        before = self.job.before if self.resumed else NOTHING
        late, days = self.rows.late, self.rows.days
        if before.days:
            days = layout.union([before.days, days])
        return FileMemory(
            reading=self.format.digest,
            source=self.group.source,
            prefix=self.prefix,
            lines=self.lines,
            days=dict(sorted(days.items())),
            quarantined=before.quarantined + len(self.bad) + sum(map(len, late.values())),
            empty=self.is_empty,
            late=sorted({*before.late, *late}),
            folds={
                name: [fold.last, int(fold.second)]
                for name, fold in self.folds.items()
                if fold.last is not None
            },
            last=dict(sorted(self.last.items())),
            unread=0 if self.complete else self.signature.size - self.prefix,
        )


class _StartAgainError(Exception):
    """New ticks come before known ones, so the file must be read from its beginning."""


@attrs.frozen(kw_only=True)
class ReadContext:
    """What is needed to read any file: where rows go, and the callback for bytes read."""

    assembly: Assembly
    final_after: float
    progress: Callable[[int], None]
    kernel: Kernel | None = None


def read(job: FileJob, group: FileGroup, context: ReadContext) -> RawFile:
    """Read a file, or find why it is rejected.

    Raises BusyError if the file changed while it was read or another program holds it, OSError if
    it cannot be read.
    """
    with open_raw(job.path) as file:
        signature = signature_of(file, group)
        rows = FileRows(group.format.series_written, context.assembly)
        raw = RawFile(job=job, group=group, rows=rows, signature=signature)
        reader = _Reader(file, raw, context)
        try:
            reader.run()
        except _StartAgainError:
            return read(attrs.evolve(job, resume=False), group, context)
        except RejectedError as error:
            raw.rejected = str(error)
            reader.hash_all()
        check_unchanged(file, job.path, group, signature)
    return raw


class _Reader:
    def __init__(self, file: FileIO, raw: RawFile, context: ReadContext) -> None:
        self.raw = raw
        self._file = file
        self._format = raw.format
        self._context = context
        self._size = raw.signature.size
        self._hash = hasher()
        self._header_read = not raw.format.header
        self._minutes: dict[str, Minutes] = {}

    def run(self) -> None:
        raw, before = self.raw, self.raw.job.before
        raw.resumed = self._skip_known()
        if raw.resumed:
            raw.folds = {name: Fold(last, bool(two)) for name, (last, two) in before.folds.items()}
            raw.last = dict(before.last)
        name = os.path.basename(raw.path)
        parser = Parser(raw.format, name, raw.folds, self._context.kernel)
        if raw.resumed:
            self._read_first_header(parser)
        while block := self._block(self._size):
            if not raw.prefix and bytes(block[:2]) in UTF16:
                raise RejectedError("line 1: the file is UTF-16; export or save it as UTF-8")
            end = len(block) if block[-1] == _NEWLINE else bytes(block).rfind(b"\n") + 1
            if end:
                self._feed(parser, block[:end])
            rest = block[end:]
            if len(rest) > LONGEST_LINE or (rest and self._file.tell() < self._size):
                raise RejectedError(
                    f"line {raw.lines + 1}: no end of line within {LONGEST_LINE:,} bytes"
                )
            if rest:
                self._last_line(parser, rest)
        for instrument, minutes in self._minutes.items():
            raw.rows.add(instrument, *minutes.bars())
        raw.fingerprint = self._hash.hexdigest()
        raw.folds = {name: fold for name, fold in raw.folds.items() if fold.last is not None}
        self._check_bad(raw.total)

    def hash_all(self) -> None:
        """Set the fingerprint of a rejected file: that of its whole content."""
        self._start_again()
        self._hash_upto(self._size)
        self.raw.fingerprint = self._hash.hexdigest()

    def _start_again(self) -> None:
        self._file.seek(0)
        self._hash = hasher()

    def _read_first_header(self, parser: Parser) -> None:
        """Read the header of a file that is read from further on."""
        here = self._file.tell()
        self._file.seek(0)
        first, at = self._file.read(min(self._size, 1 << 16)), 0
        self._file.seek(here)
        while not self._header_read and at < len(first):
            at = self._read_header(parser, first, at)

    def _skip_known(self) -> bool:
        """Hash the known content and skip it; False if the file no longer starts with it."""
        job = self.raw.job
        prefix = job.before.prefix if job.resume else 0
        if not prefix or prefix > self._size:
            return False
        self._hash_upto(prefix)
        if self._hash.hexdigest() == job.known:
            self.raw.prefix, self.raw.lines = prefix, job.before.lines
            return True
        self._start_again()
        return False

    def _hash_upto(self, end: int) -> None:
        while block := self._block(end):
            self._hash.update(block)

    def _block(self, end: int) -> memoryview:
        """The next bytes of the file, to the end of a line where possible; empty at its `end`.

        The end is fixed when the file is opened; bytes appended later are ignored.
        """
        left = end - self._file.tell()
        data = np.empty(min(BLOCK + LONGEST_LINE, left), np.uint8).data
        if not data:
            return data
        count = self._file.readinto(data[:BLOCK])
        if not count:
            raise BusyError("it became shorter while it was read")
        if data[count - 1] != _NEWLINE:
            line = self._file.readline(min(LONGEST_LINE, left - count))
            data[count : count + len(line)] = line
            count += len(line)
        self._context.progress(count)
        return data[:count]

    def _feed(self, parser: Parser, data: memoryview) -> None:
        raw = self.raw
        self._hash.update(data)
        at_start, first_line = raw.prefix == 0, raw.lines + 1
        raw.prefix += len(data)
        skipped = len(BOM) if at_start and data[: len(BOM)] == BOM else 0
        while not self._header_read and skipped < len(data):
            skipped = self._read_header(parser, bytes(data), skipped)
            first_line += 1
        raw.lines = first_line - 1
        if not self._header_read:
            return  # nothing but blank lines so far
        rows = parser.feed(data[skipped:], first_line)
        raw.lines += rows.lines
        for instrument, (table, lines) in rows.tables.items():
            if table.size:
                self._keep(instrument, table, lines)
        raw.bad += rows.bad
        raw.total += rows.total
        self._check_bad(max(raw.total, self._size // SHORTEST_ROW))  # rows the file may have

    def _keep(self, instrument: str, table: Table, lines: Ints) -> None:
        if self._format.series_read.grouped:
            self._check_order(instrument, table)
        if self._format.aggregate:
            self._minutes.setdefault(instrument, Minutes()).add(table, lines)
        else:
            self.raw.rows.add(instrument, table, lines)

    def _check_order(self, instrument: str, ticks: Table) -> None:
        """Resumed reading must continue after the latest known tick (or its minute).

        New ticks replace all ticks with the same time stamp; new bars replace a whole minute.
        """
        known = self.raw.job.before.last.get(instrument) if self.raw.resumed else None
        step = MINUTE if self._format.aggregate else 1
        if known is not None and int(ticks.time.min()) // step <= known // step:
            raise _StartAgainError
        last = self.raw.last
        last[instrument] = max(last.get(instrument, -(1 << 63)), int(ticks.time.max()))

    def _read_header(self, parser: Parser, data: bytes, start: int = 0) -> int:
        """Read the header if this line is not blank; return where the line ends."""
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end + 1
        line = data[start:end].removeprefix(BOM)
        if line.strip():
            parser.header(line)
            self._header_read = True
        return end

    def _last_line(self, parser: Parser, line: memoryview) -> None:
        """A last line without newline may be incomplete; it is used once the file is quiet."""
        raw = self.raw
        quiet = time.time() - max(raw.signature.mtime_ns, raw.signature.ctime_ns) / 1e9
        if quiet < self._context.final_after:
            raw.complete = False
            return
        raw.warnings.append(
            f"{raw.path}: the last line has no newline; it was read because the file has not "
            f"changed for {quiet / 60:.0f} minutes"
        )
        self._feed(parser, line)

    def _check_bad(self, total: int) -> None:
        """Reject a file with too many invalid rows (at least ten) among `total`."""
        bad = self.raw.bad
        limit = self._format.max_bad_fraction
        if len(bad) >= MIN_BAD_ROWS and len(bad) > limit * total:
            raise RejectedError(
                f"line {bad[0].line}: {bad[0].reason}; {len(bad):,} of {self.raw.total:,} rows are "
                f"invalid, more than max_bad_fraction = {limit:g} allows. Correct the export or "
                "the source's settings (dialect, timezone), or raise max_bad_fraction"
            )


def signature_of(file: FileIO, group: FileGroup) -> Signature:
    """A file's signature; of a growing one without waiting: an append always changes the size."""
    return _signature(file) if group.growing else look(file.fileno())


def _signature(file: FileIO) -> Signature:
    stat = os.fstat(file.fileno())
    return Signature(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def check_unchanged(file: FileIO, path: str, group: FileGroup, before: Signature) -> None:
    """Raises BusyError unless the path still names what was read."""
    now = _signature(file)
    if not group.growing and now != before:
        raise BusyError("it changed while it was read")
    if now.size < before.size:
        raise BusyError("it became shorter while it was read")
    stat = os.stat(path)
    if (stat.st_dev, stat.st_ino) != (before.device, before.inode):
        raise BusyError("another file took its place while it was read")
