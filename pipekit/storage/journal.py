"""The files that a run writes its events to: the journal (JSON lines) and the log (text)."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pipekit.model.event import Event, EventKind
from pipekit.model.place import Place
from pipekit.model.text import escaped_output
from pipekit.storage.claims import claim
from pipekit.storage.kept import KeptFile
from pipekit.storage.tail import has_ended
from pipekit.worker._files import PRIVATE, open_own

OUTPUT_LIMIT = 1024 * 1024  # bytes of a program's output that the log repeats, half from the end
_BLOCK = 64 * 1024


class Journal:
    """Appends records to a JSONL file, each with one `write`.

    Opening removes an incomplete last line; it raises OSError, also if another process has this
    journal open. `append` never raises: if a record cannot be written, `problem` says why. If the
    file is deleted or moved away, it is written again (see `KeptFile`), and `notices` says so.
    """

    def __init__(self, path: Path, mode: int = PRIVATE, within: Place | None = None) -> None:
        self.path = path
        self.problem = ""
        self._file = KeptFile(path, mode, within)
        self.notices = self._file.notices
        try:
            if not claim(self._file.descriptor):
                raise OSError(errno.EBUSY, "another process is writing it")
            self._file.size = _drop_torn_line(self._file.descriptor)
        except BaseException:
            self._file.close()
            raise

    def append(self, record: Mapping[str, Any], *, sync: bool = False) -> None:
        """Write one record; with `sync`, also wait until it is on disk.

        Nothing follows the end of a run that another process has written.
        """
        self.look()
        line = _line(record)
        descriptor = self._file.descriptor
        try:
            if self.has_ended():
                raise OSError("another run has closed it")
            written = os.write(descriptor, line)
            if written != len(line):
                os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
                raise OSError("the disk is full")  # the only reason for a short write to a file
            self._file.size += written
            if sync:
                os.fsync(descriptor)
        except OSError as error:
            self.problem = f"{self.path.name}: {error.strerror or error}"

    def has_ended(self) -> bool:
        """Whether another process has written the end of the run."""
        return self._file.has_grown() and has_ended(self._file.descriptor)

    def look(self) -> None:
        """Look whether the file is still there; if it is not, write it again."""
        try:
            if self._file.look():
                claim(self._file.descriptor)
        except OSError as error:
            self.problem = f"{self.path.name}: {error.strerror or error}"
        if any("lost" in notice for notice in self.notices):
            self.problem = self.problem or f"{self.path.name} {self.notices[-1]}"

    def close(self) -> None:
        """Close the file; nothing is buffered."""
        self._file.close()


def _readable(output: bytes) -> bytes:
    return escaped_output(output.decode("utf-8", "backslashreplace")).encode()


def _line(record: Mapping[str, Any]) -> bytes:
    r"""A record as strict JSON, whatever it contains.

    File names that are not valid UTF-8 become `\udcXX` escapes; values that JSON does not have
    become strings.
    """
    try:
        text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        text = json.dumps(_plain(record), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _plain(value: Any, depth: int = 20) -> Any:
    """The nearest JSON value; NaN and infinity become null."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if depth and isinstance(value, Mapping):
        return {_text(key): _plain(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth - 1) for item in value]
    return _text(value)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # the isolation boundary of data in events
        return f"<{type(value).__name__}>"


def _drop_torn_line(descriptor: int) -> int:
    """Remove an incomplete last line, which a killed writer has left; returns the file's size."""
    end = size = os.fstat(descriptor).st_size
    while end > 0:
        start = max(end - _BLOCK, 0)
        os.lseek(descriptor, start, os.SEEK_SET)
        newline = os.read(descriptor, end - start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        os.ftruncate(descriptor, end)
    return end


def start_of_last(file: BinaryIO, count: int) -> int:
    """Where the last `count` complete lines of a journal begin. Raises OSError."""
    start, wanted = file.seek(0, os.SEEK_END), count + 1  # one more newline: before the first
    while start > 0:
        end, start = start, max(start - _BLOCK, 0)
        file.seek(start)
        block = file.read(end - start)
        found = block.count(b"\n")
        if found >= wanted:
            for _ in range(wanted):
                end = start + block.rindex(b"\n", 0, end - start)
            return end + 1
        wanted -= found
    return 0


def parsed_record(line: bytes) -> dict[str, Any] | None:
    """The record in a line of a journal; None if it is damaged."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


class RunLog:
    """The log of a run for people: its events and the output of its programs, as plain text.

    Named `pipeline_{YYYYMMDD_HHMMSS}_{run_id}.log`. Never raises; after an error it stays silent.
    Written again and `notices`: as for the journal.
    """

    def __init__(self, path: Path, mode: int = PRIVATE, within: Place | None = None) -> None:
        self.path = path
        self.notices: list[str] = []
        self._file: KeptFile | None = None
        try:
            self._file = KeptFile(path, mode, within)
            self.notices = self._file.notices
        except OSError:
            pass  # the journal has the same events, and its errors are reported

    def event(self, event: Event) -> None:
        """Write one line for an event, unless it is progress."""
        if event.event != EventKind.PROGRESS:
            line = f"{event.timestamp} {event.stage:<12} {event.event:<11} {event.msg}\n"
            self._write(line.encode("utf-8", "backslashreplace"))

    def output(self, task: str, stream: str, spool: Path | None) -> None:
        """Write a task's output; if it is long, its start, its end and where to find the rest."""
        if spool is None:
            return
        try:
            with open(open_own(spool, os.O_RDONLY), "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if not size:
                    return
                self._write(f"--- {task} {stream} ({size} bytes) ---\n".encode())
                if size <= OUTPUT_LIMIT:
                    self._write(_readable(file.read()))
                else:
                    self._write(_readable(file.read(OUTPUT_LIMIT // 2)))
                    self._write(f"\n... the rest is in {spool} ...\n".encode())
                    file.seek(-OUTPUT_LIMIT // 2, os.SEEK_END)
                    self._write(_readable(file.read()))
                self._write(b"\n--- end ---\n")
        except OSError:
            return

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def look(self) -> None:
        """Look whether the file is still there; if it is not, write it again."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # the old file is still open
                self._file.look()

    def _write(self, data: bytes) -> None:
        self.look()
        if self._file is None:
            return
        try:
            self._file.size += os.write(self._file.descriptor, data)
        except OSError:
            self.close()
