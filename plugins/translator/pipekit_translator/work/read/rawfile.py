"""Reads one raw file: which bytes of it count, whether it kept still, and its content hash."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Executor
from io import FileIO

import attrs
import numpy as np

from pipekit.worker import Signature, look
from pipekit_translator.dialects import FileFormat
from pipekit_translator.request import FileJob
from pipekit_translator.work.arrays import Ints
from pipekit_translator.work.assemble.file_rows import Assembly, FileRows
from pipekit_translator.work.assemble.minutes import MINUTE, Minutes
from pipekit_translator.work.parse.header import RejectedError
from pipekit_translator.work.parse.kernel import Kernel
from pipekit_translator.work.parse.lines import BadRow
from pipekit_translator.work.parse.parser import Parser
from pipekit_translator.work.read.digest import Digest
from pipekit_translator.work.table import Table
from pipekit_translator.work.zones import Fold

BLOCK = 4 << 20  # bytes; parsing takes about ten times as much memory
MIN_BAD_ROWS = 10
SHORTEST_ROW = 20  # bytes; a file's size limits how many rows it can have
LONGEST_LINE = 1 << 20
Bytes = bytes | memoryview
_NEAR = 1 << 12  # bytes: most lines are shorter
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class BusyError(Exception):
    """The file changed while it was read, so what was read does not count."""


@attrs.define(kw_only=True)
class RawFile:
    """What was read of a file.

    `prefix`: the bytes that count, `fingerprint` their hash, `lines` the newlines in them.
    `complete`: nothing is left unread. `resumed`: reading went on behind what was known. `last`:
    by instrument, the time of the latest tick.
    """

    job: FileJob
    format: FileFormat
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

    @property
    def path(self) -> str:
        """Relative to the project's root."""
        return self.job.path


class _StartAgainError(Exception):
    """New ticks come before known ones, so the file must be read from its beginning."""


@attrs.frozen(kw_only=True)
class ReadContext:
    """What reading any file needs: where rows go, who is told of bytes read, threads to use."""

    assembly: Assembly
    final_after: float
    progress: Callable[[int], None]
    threads: Executor
    kernel: Kernel | None = None


def read(
    job: FileJob, format: FileFormat, context: ReadContext
) -> tuple[RawFile, RejectedError | None]:
    """Read a file; the error says why it cannot be used.

    Raises BusyError when the file changed meanwhile, OSError when it cannot be read.
    """
    try:
        return _read(job, format, context)
    except _StartAgainError:
        return _read(attrs.evolve(job, resume=False), format, context)


def _read(
    job: FileJob, format: FileFormat, context: ReadContext
) -> tuple[RawFile, RejectedError | None]:
    with open(job.path, "rb", buffering=0) as file:
        signature = _signature(file) if job.growing else look(file.fileno())
        rows = FileRows(format.made, context.assembly)
        raw = RawFile(job=job, format=format, rows=rows, signature=signature)
        reader = _Reader(file, raw, context)
        rejected = None
        try:
            reader.run()
        except RejectedError as error:
            rejected = error
            reader.hash_all()
        _check_unchanged(file, job, signature)
    return raw, rejected


class _Reader:
    def __init__(self, file: FileIO, raw: RawFile, context: ReadContext) -> None:
        self.raw = raw
        self._file = file
        self._format = raw.format
        self._context = context
        self._size = raw.signature[2]
        self._hash = Digest(context.threads)
        self._header_read = not raw.format.header
        self._minutes: dict[str, Minutes] = {}

    def run(self) -> None:
        raw, before = self.raw, self.raw.job.before
        first = self._first_bytes()
        raw.resumed = self._skip_known()
        if raw.resumed:
            raw.folds = {name: Fold(last, bool(two)) for name, (last, two) in before.folds.items()}
            raw.last = dict(before.last)
        name = os.path.basename(raw.path)
        parser = Parser(raw.format, name, raw.folds, self._context.kernel)
        at = 0
        while raw.resumed and not self._header_read and at < len(first):
            at = self._read_header(parser, first, at)
        rest: Bytes = b""
        while (block := self._block(self._size, rest)) is not None:
            rest = self._feed_lines(parser, block)
            if len(rest) > LONGEST_LINE:
                raise RejectedError(
                    f"line {raw.lines + 1}: no end of line within {LONGEST_LINE:,} bytes"
                )
        if rest:
            self._last_line(parser, memoryview(rest))
        for instrument, minutes in self._minutes.items():
            raw.rows.add(instrument, *minutes.bars())
        raw.fingerprint = self._hash.hexdigest()
        self._check_bad(raw.total)

    def hash_all(self) -> None:
        """Set the fingerprint of a rejected file: that of its whole content."""
        self._file.seek(0)
        self._hash = Digest(self._context.threads)
        self._hash_upto(self._size)
        self.raw.fingerprint = self._hash.hexdigest()

    def _first_bytes(self) -> bytes:
        first = self._file.read(min(self._size, 1 << 16))
        self._file.seek(0)
        if first.startswith(_UTF16):
            raise RejectedError("line 1: the file is UTF-16; export or save it as UTF-8")
        return first

    def _skip_known(self) -> bool:
        """Whether the file still begins with the known content, which is then only hashed."""
        job = self.raw.job
        prefix = job.before.prefix if job.resume else 0
        if not prefix or prefix > self._size:
            return False
        self._hash_upto(prefix)
        if self._hash.hexdigest() == job.known:
            self.raw.prefix, self.raw.lines = prefix, job.before.lines
            return True
        self._hash = Digest(self._context.threads)
        self._file.seek(0)
        return False

    def _hash_upto(self, end: int) -> None:
        while (block := self._block(end)) is not None:
            self._hash.update(block)

    def _block(self, end: int, before: Bytes = b"") -> memoryview | None:
        """The bytes `before` and the next ones of the file; None at its end.

        The end was determined on opening: what is appended later does not count.
        """
        left = min(BLOCK, end - self._file.tell())
        if left <= 0:
            return None
        data = np.empty(len(before) + left, np.uint8).data
        data[: len(before)] = before
        count = self._file.readinto(data[len(before) :])
        if not count:
            raise BusyError("it became shorter while it was read")
        self._context.progress(count)
        return data[: len(before) + count]

    def _feed_lines(self, parser: Parser, data: memoryview) -> memoryview:
        """Parse the whole lines; return the rest."""
        end = _last_newline(data) + 1
        if end:
            self._feed(parser, data[:end])
        return data[end:]

    def _feed(self, parser: Parser, data: memoryview) -> None:
        raw = self.raw
        self._hash.update(data)
        at_start, first_line = raw.prefix == 0, raw.lines + 1
        raw.prefix += len(data)
        skipped = len(_BOM) if at_start and data[: len(_BOM)] == _BOM else 0
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
        self._check_bad(max(raw.total, self._size // SHORTEST_ROW))

    def _keep(self, instrument: str, table: Table, lines: Ints) -> None:
        if self._format.read.grouped:
            self._check_order(instrument, table)
        if self._format.aggregate:
            self._minutes.setdefault(instrument, Minutes()).add(table, lines)
        else:
            self.raw.rows.add(instrument, table, lines)

    def _check_order(self, instrument: str, ticks: Table) -> None:
        """Resumed reading must go on behind the latest known tick (or its minute).

        New ticks replace all of one time stamp, and new bars a whole minute.
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
        line = data[start:end].removeprefix(_BOM)
        if line.strip():
            parser.header(line)
            self._header_read = True
        return end

    def _last_line(self, parser: Parser, line: memoryview) -> None:
        """A last line without newline may be incomplete: it counts once the file rests."""
        raw = self.raw
        quiet = time.time() - max(raw.signature[3:]) / 1e9
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


def _signature(file: FileIO) -> Signature:
    """Of a growing file, without waiting: an append changes its size in any case."""
    stat = os.fstat(file.fileno())
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _check_unchanged(file: FileIO, job: FileJob, before: Signature) -> None:
    """Raises BusyError unless the path still names what was read."""
    now = _signature(file)
    if not job.growing and now != before:
        raise BusyError("it changed while it was read")
    if now[2] < before[2]:
        raise BusyError("it became shorter while it was read")
    stat = os.stat(job.path)
    if (stat.st_dev, stat.st_ino) != before[:2]:
        raise BusyError("another file took its place while it was read")


def _last_newline(data: memoryview) -> int:
    """The position of the last newline, or -1; the end is searched first."""
    begin = max(len(data) - _NEAR, 0)
    found = bytes(data[begin:]).rfind(b"\n")
    if found >= 0 or not begin:
        return begin + found if found >= 0 else -1
    return bytes(data).rfind(b"\n")
