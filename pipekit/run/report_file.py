"""Reads the report that a task's processes write through `pipekit.worker`."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipekit.model.records import FileRecord, FileRecords
from pipekit.model.secrets import Mask
from pipekit.model.status import StageStatus
from pipekit.model.task import UnitResult, Watch
from pipekit.storage.ledger import signature_text
from pipekit.worker import Signature, Verb
from pipekit.worker._files import open_own

MAX_REPORT_BYTES = 256 * 1024 * 1024  # more means a runaway worker
_LONGEST_LINE = 16 * 1024 * 1024  # bytes
_CHUNK = 1024 * 1024
_LONGEST_KEY = 200  # characters
_ONLY_APPEND = "the report was {}; programs may only append to it"
_IDENTIFIERS = frozenset({"verb", "status", "unit", "path", "sources", "fingerprint"})
_FILE_VERBS = frozenset({Verb.CONSUMED, Verb.WROTE, Verb.UNCHANGED, Verb.REJECTED})


class TaskReport:
    """The content of a task's report so far. A unit without a result has not finished.

    `state`: what to remember, as unit, key and value. `temporaries`: absolute paths of temporary
    files, as reported. `staged`: paths of files that a node has not published, but the run keeps.
    `damage`: why the report is incomplete; empty if it is complete. `torn`: whether its last line
    is.
    """

    def __init__(self) -> None:
        self.units: dict[str, UnitResult | None] = {}
        self.metrics: dict[str, float] = {}
        self.unit_metrics: dict[str, dict[str, float]] = {}
        self.files = FileRecords()
        self.state: list[tuple[str | None, str, Any]] = []
        self.warnings: list[str] = []
        self.temporaries: list[str] = []
        self.staged: list[str] = []
        self.damage = ""
        self.torn = False

    def add(self, record: Mapping[str, Any]) -> bool:
        """Add one record; returns whether it is valid. An invalid one becomes a warning."""
        try:
            self._add(record)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            self.warnings.append(f"ignored an invalid record in the report ({error!r})")
            return False
        return True

    def _add(self, record: Mapping[str, Any]) -> None:
        verb, unit = record["verb"], record.get("unit")
        if unit is not None:
            self.units.setdefault(_checked_text(unit), None)
        if verb == Verb.UNIT_END:
            name = _checked_text(unit)
            self.units[name] = UnitResult(
                name=name,
                status=StageStatus(record["status"]),
                reason=_checked_text(record.get("reason", "")),
                duration=record.get("duration"),
            )
        elif verb == Verb.METRIC:
            metrics = self.metrics if unit is None else self.unit_metrics.setdefault(unit, {})
            metrics[_checked_text(record["name"])] = _checked_number(record["value"])
        elif verb == Verb.WARNING:
            self.warnings.append(_checked_text(record["msg"]))
        elif verb == Verb.TEMPORARY:
            self.temporaries.append(_checked_path(record["path"]))
        elif verb == Verb.STATE:
            self.state.append((unit, _state_key(record["key"]), record.get("value")))
        elif verb == Verb.STAGED:
            self.staged.append(_checked_path(record["path"]))
        elif verb in _FILE_VERBS:
            self.files.append(_file_record(record))


def _file_record(record: Mapping[str, Any]) -> FileRecord:
    signature, sources = record.get("signature"), record.get("sources")
    return FileRecord(
        verb=Verb(record["verb"]),
        path=_checked_path(record["path"]),
        fingerprint=_storable(record.get("fingerprint", "")),
        signature="" if signature is None else _checked_signature(signature),
        unit=record.get("unit"),
        reason=_storable(record.get("reason", "")),
        detail=json.dumps(dict(record.get("detail") or {}), separators=(",", ":")),
        sources=None if sources is None else tuple(map(_checked_path, sources)),
        complete=bool(record.get("complete", True)),
    )


def _checked_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, got {value!r}")
    return value


def _state_key(value: object) -> str:
    key = _storable(value)
    if not 0 < len(key) <= _LONGEST_KEY:
        raise ValueError(f"the key of a state must have 1 to {_LONGEST_KEY} characters")
    return key


def _storable(value: object) -> str:
    """A text as the ledger can store it: half a surrogate pair is escaped."""
    return _checked_text(value).encode("utf-8", "backslashreplace").decode()


def _checked_path(value: object) -> str:
    """A path that the ledger can store: UTF-8 text without NUL characters."""
    path = _checked_text(value)
    if not path or "\0" in path:
        raise ValueError(f"{path!r} is not a valid path")
    path.encode()
    return path


def _checked_signature(value: Iterable[Any]) -> str:
    return signature_text(Signature(*map(int, value)))


def _checked_number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number


class ReportReader:
    """Follows a growing report file; `poll` returns the new records, from complete lines only.

    `damage`: why records are missing (empty if none are): an invalid line, a line or a file that is
    too large, one that cannot be read, that was cut, removed or replaced. It is empty as well while
    the last line is incomplete, which `torn` says.

    The run makes the file with `create` before it starts the task, and keeps it open. So what the
    task puts in its place, a link or a FIFO for example, is never opened, and is noticed. A report
    of an earlier run is opened by `poll`, if it is a regular file; so is one that was
    closed, since a run with many tasks elsewhere cannot keep all of theirs open.
    """

    def __init__(
        self, path: Path, *, limit: int = MAX_REPORT_BYTES, mask: Mask | None = None
    ) -> None:
        self.path = path
        self._mask = mask or Mask()
        self._has_secrets = False
        self.damage = ""
        self._limit = limit
        self._descriptor = -1
        self._created: tuple[os.stat_result, os.stat_result] | None = None  # file and folder
        self._stopped = False
        self._position = 0
        self._rest = b""
        self._line = 0

    @property
    def torn(self) -> bool:
        """Whether the last line is incomplete: its writer was killed, or the disk is full."""
        return bool(self._rest)

    def create(self, mode: int) -> None:
        """Create the file. Raises OSError, also if it is there already."""
        self._descriptor = open_own(self.path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, mode)
        self._created = os.fstat(self._descriptor), os.stat(self.path.parent)

    def poll(self) -> list[dict[str, Any]]:
        """The records added since the last call."""
        return list(self.records())

    def records(self) -> Iterator[dict[str, Any]]:
        """As `poll`, one by one: a report may be large."""
        try:
            if self._descriptor < 0:
                self._reopen()
            if os.fstat(self._descriptor).st_size < self._position:
                self._stop(_ONLY_APPEND.format("cut"))
            while chunk := self._next_chunk():
                yield from self._lines(chunk)
        except FileNotFoundError:
            pass  # no report yet
        except OSError as error:
            self.damage = f"the report cannot be read: {error.strerror}"

    def _reopen(self) -> None:
        """Open the file where it was left. Raises OSError."""
        self._descriptor = open_own(self.path, os.O_RDONLY)
        os.lseek(self._descriptor, self._position, os.SEEK_SET)

    def check(self) -> str:
        """Look at the file once more, after the task has ended and a last `poll`.

        Notes in `damage` what happened to it. Returns a warning if its folder was removed: nothing
        is missing then, as what was reported before is read, and nobody could report later.
        """
        if self._created is None or self._descriptor < 0:
            return ""
        file, folder = self._created
        if not self._position and os.fstat(self._descriptor).st_mtime_ns != file.st_mtime_ns:
            self._stop(
                "the report is empty though it was written to: it was emptied, or the disk is full"
            )
        try:
            if not os.path.samestat(os.lstat(self.path), file):
                self._stop(_ONLY_APPEND.format("replaced"))
        except FileNotFoundError:
            if not _is_there(self.path.parent, folder):
                return f"the folder {self.path.parent} was removed while the task was running"
            self._stop(_ONLY_APPEND.format("removed"))
        except OSError as error:
            self._stop(f"the report cannot be found: {error.strerror}")
        return ""

    def conceal(self) -> None:
        """Mask the secrets in the file itself, once nobody writes to it any more. Never raises."""
        unread = self._stopped and self._mask.forms  # what was not read may hold some
        if not (self._has_secrets or unread):
            return
        with contextlib.suppress(OSError), open(open_own(self.path, os.O_RDWR), "r+b") as file:
            if not os.path.samestat(os.fstat(file.fileno()), os.fstat(self._descriptor)):
                return
            file.truncate(min(os.fstat(file.fileno()).st_size, self._limit))
            written = 0
            while lines := file.readlines(_CHUNK):
                read = file.tell()
                file.seek(written)
                written += file.write(self._mask.data(b"".join(lines)))
                file.seek(read)
            file.truncate(written)

    def close(self) -> None:
        """Close the file; the next look opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _next_chunk(self) -> bytes:
        chunk = b"" if self._stopped else os.read(self._descriptor, _CHUNK)
        self._position += len(chunk)
        if self._position <= self._limit:
            return chunk
        self._stop(f"the report is larger than {self._limit} bytes")
        return b""

    def _stop(self, damage: str) -> None:
        """Read no further."""
        self.damage = self.damage or damage
        self._stopped, self._rest = True, b""

    def _lines(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        data = self._rest + chunk
        hidden = self._mask.forms and self._mask.data(data) is not data
        self._has_secrets = self._has_secrets or bool(hidden)
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            self._line += 1
            if line.strip() and (record := self._parsed(line)) is not None:
                yield _masked(record, self._mask) if hidden else record
        if len(self._rest) > _LONGEST_LINE:
            self._stop(f"line {self._line + 1} of the report exceeds {_LONGEST_LINE} bytes")

    def _parsed(self, line: bytes) -> dict[str, Any] | None:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict) and isinstance(record.get("verb"), str):
            return record
        self.damage = self.damage or f"the report has an invalid line: line {self._line}"
        return None


def _masked(record: dict[str, Any], mask: Mask) -> dict[str, Any]:
    """The record without secrets, apart from what files and units are found by."""
    return {
        key: value if key in _IDENTIFIERS else mask.value(value, keys=True)
        for key, value in record.items()
    }


def _is_there(path: Path, status: os.stat_result) -> bool:
    """Whether this path still is what had this status."""
    try:
        return os.path.samestat(os.stat(path), status)
    except OSError:
        return False


def watched(watch: Iterable[Watch], line: str) -> list[dict[str, Any]]:
    """The report records that a stage's `watch` patterns find in a line of output."""
    found = []
    for pattern, metric in ((each.pattern, each.metric) for each in watch):
        match = re.search(pattern, line)
        if match and metric:
            found.append({"verb": Verb.METRIC, "name": metric, "value": match["value"]})
        elif match:
            status = match.groupdict().get("status") or "success"
            found.append({"verb": Verb.UNIT_START, "unit": match["unit"]})
            found.append({"verb": Verb.UNIT_END, "unit": match["unit"], "status": status})
    return found
