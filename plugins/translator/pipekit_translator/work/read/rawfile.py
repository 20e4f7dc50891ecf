"""Reads one raw file: which bytes to use, whether it changed meanwhile, and its content hash."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from io import FileIO

import attrs
import numpy as np

from pipekit.worker import Signature, hasher, look
from pipekit_translator.request import FileGroup, FileJob
from pipekit_translator.work.assemble.file_rows import FileRows
from pipekit_translator.work.parse.header import RejectedError
from pipekit_translator.work.passes import Fold
from pipekit_translator.work.read import decode
from pipekit_translator.work.read.ahead import ahead
from pipekit_translator.work.read.held import BusyError, open_raw
from pipekit_translator.work.read.record import RawFile, ReadContext
from pipekit_translator.work.read.textrows import StartAgainError, TextReader
from pipekit_translator.work.read.texts import Source, Text, texts_of

BLOCK = 4 << 20  # bytes; parsing takes about ten times as much memory
LONGEST_LINE = 1 << 20
_LARGE = 256 << 10  # bytes of a stream from which a thread for it pays
_STEP = 64 << 10  # bytes
_BEFORE = 16 << 10  # bytes before new rows that say what is usual
_NEWLINE = ord("\n")


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
        except StartAgainError:
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
        self._context = context
        self._size = raw.signature.size
        self._hash = hasher()

    def run(self) -> None:
        """Read the file as it is: plain text as it lies there, anything else as a stream."""
        raw = self.raw
        raw.resumed = self._skip_known()
        kind = "" if raw.resumed else self._kind()
        first = self._block(self._size)
        if kind:
            self._read_stream(kind)
        else:
            self._read_plain(first)
        self._check_any_valid()
        raw.fingerprint = self._hash.hexdigest()
        raw.folds = {name: fold for name, fold in raw.folds.items() if fold.last is not None}

    def _check_any_valid(self) -> None:
        """Reject a file all of whose rows are invalid, however few: it is none of its source's."""
        raw, count = self.raw, len(self.raw.bad)
        if not count or count < raw.total or raw.resumed or raw.format.max_bad_fraction >= 1:
            return
        which = "its only row is" if count == 1 else f"all {count:,} of its rows are"
        raise RejectedError(
            f"line {raw.bad[0].line}: {raw.bad[0].reason}; {which} invalid. Correct the export or "
            "the source's settings (dialect, timezone)"
        )

    def _kind(self) -> str:
        """What the whole file is, whatever is read of it at once."""
        begin = self._file.tell()
        head = self._file.read(decode.SNIFFED)
        self._file.seek(begin)
        return decode.kind_of(head)

    def _read_plain(self, block: memoryview) -> None:
        raw, before = self.raw, self.raw.job.before
        if raw.resumed:
            raw.folds = {name: Fold(last, bool(two)) for name, (last, two) in before.folds.items()}
            raw.last = dict(before.last)
        reader = TextReader(raw, self._context.kernel, os.path.basename(raw.path), self._size)
        if raw.resumed:
            self._read_first_lines(reader)
        while block:
            end = len(block) if block[-1] == _NEWLINE else bytes(block).rfind(b"\n") + 1
            if end:
                self._feed(reader, block[:end])
            rest = block[end:]
            if len(rest) > LONGEST_LINE or (rest and self._file.tell() < self._size):
                raise _too_long(raw.lines + 1)
            if rest:
                self._last_line(reader, rest)
            block = self._block(self._size)
        reader.finish()

    def _feed(self, reader: TextReader, data: memoryview) -> None:
        self._hash.update(data)
        self.raw.prefix += len(data)
        reader.feed(data)

    def _read_stream(self, kind: str) -> None:
        """Read text that is compressed, or in another encoding, or has other line ends."""
        raw = self.raw
        if raw.group.growing:
            what = "its lines end with CR alone" if kind == decode.CR else f"it is {kind}"
            raise RejectedError(
                f"{what}, so it cannot be read while it grows: set growing = false for its source"
            )
        self._start_again()
        source = Source(self._file, self._size, self._see)
        name = os.path.basename(raw.path)
        with closing(texts_of(source, kind, name, raw.format, self._warn)) as texts:
            for text in texts:
                self._read_text(text, packed=decode.is_packed(kind))
        source.drain()
        raw.prefix = self._size

    def _read_text(self, text: Text, *, packed: bool) -> None:
        raw = self.raw
        raw.folds = {}
        reader = TextReader(raw, self._context.kernel, text.name, self._size, text.member)
        with closing(self._blocks(text.pieces)) as blocks:
            for block in filter(None, blocks):
                unended = block[-1] != _NEWLINE
                if unended and not packed:
                    self._expect_quiet()
                reader.feed(block)
                raw.lines += unended  # the next member's lines come after it
        reader.finish()

    def _blocks(self, pieces: Iterator[bytes]) -> Generator[memoryview]:
        """Blocks of whole lines; the last one may have no newline. Raises RejectedError."""
        held = bytearray()
        with closing(ahead(pieces) if self._size > _LARGE else _own(pieces)) as found:
            for piece in found:
                held += piece
                if len(held) >= BLOCK:
                    end = self._whole(held)
                    yield memoryview(held)[:end]
                    held = held[end:]
        end = self._whole(held)
        yield memoryview(held)[:end]
        yield memoryview(held)[end:]

    def _whole(self, data: bytearray) -> int:
        """Where the last whole line ends. Raises RejectedError if what follows it is too long."""
        end = data.rfind(b"\n") + 1
        if len(data) - end > LONGEST_LINE:
            raise _too_long(self.raw.lines + data.count(b"\n") + 1)
        return end

    def _see(self, piece: bytes) -> None:
        self._hash.update(piece)
        self._context.progress(len(piece))

    def _warn(self, message: str) -> None:
        self.raw.warnings.append(f"{self.raw.path}: {message}")

    def _expect_quiet(self) -> None:
        """Leave a last line that may be incomplete to a later run. Raises BusyError."""
        if self._quiet() < self._context.final_after:
            raise BusyError("its last line has no end, and may not be complete")

    def hash_all(self) -> None:
        """Set the fingerprint of a rejected file: that of its whole content."""
        self._start_again()
        self._hash_upto(self._size)
        self.raw.fingerprint = self._hash.hexdigest()

    def _start_again(self) -> None:
        self._file.seek(0)
        self._hash = hasher()

    def _read_first_lines(self, reader: TextReader) -> None:
        """Read the header of a file that is read from further on, and the last lines before."""
        here = self._file.tell()
        self._file.seek(0)
        reader.begin(self._file.read(min(self.raw.prefix, LONGEST_LINE)))
        begin = max(self.raw.prefix - _BEFORE, 0)
        self._file.seek(begin)
        known = self._file.read(self.raw.prefix - begin)
        reader.prime(known[known.find(b"\n") + 1 :] if begin else known)
        self._file.seek(here)

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
        while block := self._file.read(min(BLOCK, end - self._file.tell())):
            self._hash.update(block)
            self._context.progress(len(block))
        if self._file.tell() < end:
            raise BusyError("it became shorter while it was read")

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
            count = self._to_end_of_line(data, count)
        self._context.progress(count)
        return data[:count]

    def _to_end_of_line(self, data: memoryview, count: int) -> int:
        """Read on after `count` bytes of a block, to the end of the line; return where that is.

        Unbuffered files have a `readline` that asks the system for each byte.
        """
        while more := self._file.readinto(data[count : count + _STEP]):
            end = bytes(data[count : count + more]).find(b"\n") + 1
            if end:
                self._file.seek(end - more, os.SEEK_CUR)
                return count + end
            count += more
        return count

    def _last_line(self, reader: TextReader, line: memoryview) -> None:
        """A last line without newline may be incomplete; it is used once the file is quiet."""
        raw = self.raw
        quiet = self._quiet()
        if quiet < self._context.final_after:
            raw.complete = False
            return
        raw.warnings.append(
            f"{raw.path}: the last line has no newline; it was read because the file has not "
            f"changed for {quiet / 60:.0f} minutes"
        )
        self._feed(reader, line)

    def _quiet(self) -> float:
        """For how many seconds the file has not changed."""
        signature = self.raw.signature
        return time.time() - max(signature.mtime_ns, signature.ctime_ns) / 1e9


def _too_long(line: int) -> RejectedError:
    return RejectedError(
        f"line {line}: no end of line within {LONGEST_LINE:,} bytes; the file is damaged, or no "
        "text: export it again"
    )


def _own(pieces: Iterator[bytes]) -> Generator[bytes]:
    """The pieces, made by this thread."""
    yield from pieces


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
