"""Reading one raw file: what of it counts, whether it held still meanwhile, and its content hash.

Knows nothing of what was published; bytes become rows in `parse`, which are kept in `pieces`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import BinaryIO

import attrs
import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan

from pipekit.worker import Signature, look
from pipekit_translator.aggregate import MINUTE, Minutes
from pipekit_translator.columns import RejectedError
from pipekit_translator.dialects import Reading
from pipekit_translator.digest import Digest
from pipekit_translator.kernel import Kernel, newlines
from pipekit_translator.lines import Bad
from pipekit_translator.parse import Parser
from pipekit_translator.pieces import Pieces, Shelf
from pipekit_translator.table import Ints, Table
from pipekit_translator.zones import Fold

BLOCK = 4 << 20  # bytes; the parser needs about ten times as much for a moment
MIN_BAD_ROWS = 10
SHORTEST_ROW = 20  # bytes: no row of any dialect is shorter, so a file's size bounds its rows
LONGEST_LINE = 1 << 20
Bytes = bytes | memoryview
_NEAR = 1 << 12  # bytes: most lines are shorter
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class BusyError(Exception):
    """The file changed while it was read: what was read does not count."""


@attrs.frozen(kw_only=True)
class Job:
    """A file to read. `source`: the glob that found it. `growing`: it may be written to meanwhile.

    `known`: the fingerprint of the content that was consumed before; `prefix` bytes and `lines`
    newlines of it, where it is to be gone on with, the `folds` it had come to, and the `last` tick
    of each instrument. `fed`: the days that content fed; `quarantined` rows of it, and the parts
    (`late`) that it came too late for.
    `role`: `new`, `stale` (its settings changed: the days it fed are rebuilt) or
    `helper` (read again for the days of others that are rebuilt).
    """

    path: str
    reading: int
    source: str = ""
    growing: bool = False
    priority: int = 0
    role: str = "new"
    known: str = ""
    prefix: int = 0
    lines: int = 0
    folds: dict[str, list[int]] = attrs.field(factory=dict)
    last: dict[str, int] = attrs.field(factory=dict)
    fed: dict[str, dict[str, int]] = attrs.field(factory=dict)
    quarantined: int = 0
    late: list[str] = attrs.field(factory=list)


@attrs.define(kw_only=True)
class Raw:
    """What was read of a file. `prefix`: bytes that count, and `fingerprint` their hash.

    `complete`: nothing is left unread. `resumed`: it went on after the known prefix. `exported`:
    the rank among files with the same bar (a later export wins). `last`: the highest time of each
    instrument's ticks.
    """

    job: Job
    pieces: Pieces
    signature: Signature
    fingerprint: str = ""
    prefix: int = 0
    lines: int = 0
    complete: bool = True
    resumed: bool = False
    total: int = 0
    bad: list[Bad] = attrs.field(factory=list)
    folds: dict[str, Fold] = attrs.field(factory=dict)
    last: dict[str, int] = attrs.field(factory=dict)
    warnings: list[str] = attrs.field(factory=list)

    @property
    def path(self) -> str:
        """Relative to the project's root."""
        return self.job.path


class _StartAgainError(Exception):
    """Ticks that came before others which are known: the file cannot simply be gone on with."""


@attrs.frozen
class Means:
    """What reading needs besides the file: where rows go, and what is said and spent meanwhile."""

    shelf: Shelf
    final_after: float
    progress: Callable[[int], None]
    threads: Executor
    kernel: Kernel | None = None


def read(job: Job, reading: Reading, means: Means) -> tuple[Raw, RejectedError | None]:
    """Read a file; the error says why it cannot be used.

    Raises BusyError when the file changed meanwhile, OSError when it cannot be read.
    """
    try:
        return _read(job, reading, means)
    except _StartAgainError:
        return _read(attrs.evolve(job, prefix=0), reading, means)


def _read(job: Job, reading: Reading, means: Means) -> tuple[Raw, RejectedError | None]:
    with open(job.path, "rb", buffering=0) as file:
        signature = _signature(file) if job.growing else look(file.fileno())
        pieces = Pieces(reading.made, means.shelf)
        reader = _Reader(file, Raw(job=job, pieces=pieces, signature=signature), reading, means)
        rejected = None
        try:
            reader.run()
        except RejectedError as error:
            rejected = error
            reader.hash_rest()
        _check_still(file, job, signature)
    return reader.raw, rejected


class _Reader:
    def __init__(self, file: BinaryIO, raw: Raw, reading: Reading, means: Means) -> None:
        self.raw = raw
        self._file = file
        self._reading = reading
        self._means = means
        self._size = raw.signature[2]
        self._hash = Digest(means.threads)
        self._headed = not reading.header
        self._minutes: dict[str, Minutes] = {}

    def run(self) -> None:
        raw, job = self.raw, self.raw.job
        first = self._first_bytes()
        raw.resumed = self._skip_known()
        if raw.resumed:
            raw.folds = {
                name: Fold(last, bool(second)) for name, (last, second) in job.folds.items()
            }
            raw.last = dict(job.last)
        name = os.path.basename(job.path)
        parser = Parser(self._reading, name, raw.folds, self._means.kernel)
        at = 0
        while raw.resumed and not self._headed and at < len(first):
            at = self._head(parser, first, at)
        rest: Bytes = b""
        while (block := self._block(self._size, rest)) is not None:
            rest = self._feed_lines(parser, block)
            if len(rest) > LONGEST_LINE:
                raise RejectedError(f"line {raw.lines + 1}: no end of line in {LONGEST_LINE} bytes")
        if rest:
            self._last_line(parser, memoryview(rest))
        for instrument, minutes in self._minutes.items():
            raw.pieces.add(instrument, *minutes.bars())
        raw.fingerprint = self._hash.hexdigest()
        self._check_bad(raw.total)

    def hash_rest(self) -> None:
        """The fingerprint of a rejected file: of its whole content."""
        self._file.seek(0)
        self._hash = Digest(self._means.threads)
        self._hash_upto(self._size)
        self.raw.fingerprint = self._hash.hexdigest()

    def _first_bytes(self) -> bytes:
        first = self._file.read(min(self._size, 1 << 16))
        self._file.seek(0)
        if first.startswith(_UTF16):
            raise RejectedError("line 1: the file is UTF-16; export or save it as UTF-8 (or ASCII)")
        return first

    def _skip_known(self) -> bool:
        """Whether the file still begins with what is known of it; then that is not read again."""
        job = self.raw.job
        if not job.prefix or job.prefix > self._size:
            return False
        self._hash_upto(job.prefix)
        if self._hash.hexdigest() == job.known:
            self.raw.prefix, self.raw.lines = job.prefix, job.lines
            return True
        self._hash = Digest(self._means.threads)
        self._file.seek(0)
        return False

    def _hash_upto(self, end: int) -> None:
        while (block := self._block(end)) is not None:
            self._hash.update(block)

    def _block(self, end: int, before: Bytes = b"") -> memoryview | None:
        """What comes `before` and the next bytes of the file; None at its end.

        The end is seen at opening: what is appended meanwhile does not count.
        """
        left = min(BLOCK, end - self._file.tell())
        if left <= 0:
            return None
        data = memoryview(np.empty(len(before) + left, np.uint8))  # type: ignore[arg-type]  # it is
        data[: len(before)] = before
        count = self._file.readinto(data[len(before) :])  # type: ignore[attr-defined]  # unbuffered
        if not count:
            raise BusyError("it became shorter while it was read")
        self._means.progress(count)
        return data[: len(before) + count]

    def _feed_lines(self, parser: Parser, data: memoryview) -> memoryview:
        """Parse the whole lines, give back the rest."""
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
        while not self._headed and skipped < len(data):
            skipped = self._head(parser, bytes(data), skipped)
            first_line += 1
        raw.lines = first_line - 1
        if not self._headed:
            return  # nothing but blank lines so far
        whole = data[skipped:]
        found = parser.scan(whole)
        raw.lines += newlines(whole) if found is None else found.ends
        rows = parser.feed(whole, first_line, found)
        for instrument, (table, lines) in rows.tables.items():
            if table.size:
                self._keep(instrument, table, lines)
        raw.bad += rows.bad
        raw.total += rows.total
        self._check_bad(max(raw.total, self._size // SHORTEST_ROW))

    def _keep(self, instrument: str, table: Table, lines: Ints) -> None:
        if self._reading.read.grouped:
            self._check_goes_on(instrument, table)
        if self._reading.aggregate:
            self._minutes.setdefault(instrument, Minutes()).add(table, lines)
        else:
            self.raw.pieces.add(instrument, table, lines)

    def _check_goes_on(self, instrument: str, ticks: Table) -> None:
        """What replaces a time stamp's ticks, or a minute, must hold all of them.

        So a file can only be gone on with after the last time that is known of it.
        """
        known = self.raw.job.last.get(instrument) if self.raw.resumed else None
        step = MINUTE if self._reading.aggregate else 1
        if known is not None and int(ticks.time.min()) // step <= known // step:
            raise _StartAgainError
        last = self.raw.last
        last[instrument] = max(last.get(instrument, -(1 << 63)), int(ticks.time.max()))

    def _head(self, parser: Parser, data: bytes, start: int = 0) -> int:
        """Read the header, the first line that is not blank; give back where its line ends."""
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end + 1
        line = data[start:end].removeprefix(_BOM)
        if line.strip():
            parser.header(line)
            self._headed = True
        return end

    def _last_line(self, parser: Parser, line: memoryview) -> None:
        """A last line without newline may be half a line: it counts when nobody goes on with it."""
        raw = self.raw
        quiet = time.time() - max(raw.signature[3:]) / 1e9
        if quiet < self._means.final_after:
            raw.complete = False
            return
        raw.warnings.append(
            f"{raw.path}: the last line has no newline; it was taken, since the file has not "
            f"changed for {quiet / 60:.0f} minutes"
        )
        self._feed(parser, line)

    def _check_bad(self, total: int) -> None:
        """Reject a file with too many bad rows among `total`, at least ten."""
        bad = self.raw.bad
        limit = self._reading.max_bad_fraction
        if len(bad) >= MIN_BAD_ROWS and len(bad) > limit * total:
            raise RejectedError(
                f"line {bad[0].line}: {bad[0].reason}; {len(bad)} of {self.raw.total} rows are "
                f"invalid, more than {limit:.4g} of them: correct the export or the source's "
                "settings (dialect, timezone), or raise max_bad_fraction"
            )


def _signature(file: BinaryIO) -> Signature:
    """Of a growing file, without waiting for it to hold still: an append changes its size."""
    stat = os.fstat(file.fileno())
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _check_still(file: BinaryIO, job: Job, before: Signature) -> None:
    """Raises BusyError unless the path still names what was read (spec: operation, §6)."""
    now = _signature(file)
    if not job.growing and now != before:
        raise BusyError("it changed while it was read")
    if now[2] < before[2]:
        raise BusyError("it became shorter while it was read")
    stat = os.stat(job.path)
    if (stat.st_dev, stat.st_ino) != before[:2]:
        raise BusyError("another file took its place while it was read")


def _last_newline(data: memoryview) -> int:
    """Where the last newline is; -1 for none. It is sought near the end first."""
    begin = max(len(data) - _NEAR, 0)
    found = bytes(data[begin:]).rfind(b"\n")
    if found >= 0 or not begin:
        return begin + found if found >= 0 else -1
    return bytes(data).rfind(b"\n")
