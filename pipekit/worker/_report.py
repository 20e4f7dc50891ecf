"""Reports from a stage's process to the run: JSON lines in a file.

`PIPEKIT_REPORT` names the file. If it is not set, nothing is written, so that a worker can be run
by hand. Several processes and threads may report at the same time.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Any, NamedTuple

from pipekit.worker._append import append
from pipekit.worker._files import open_own

REPORT_VARIABLE = "PIPEKIT_REPORT"
PUBLISH_VARIABLE = "PIPEKIT_PUBLISH_DIR"
"""Names a folder to publish files in, instead of the project's root.

If it is set, `data/out/ES.parquet` is written to this path below the folder. The report still names
the path in the project.
"""
ABSENT = "absent"  # the fingerprint of a file that no longer exists

LARGEST_STATE = 64 * 1024  # bytes of JSON
_PROGRESS_INTERVAL = 0.2  # seconds between two progress lines of a unit
_GATHERED = 200  # records that are appended at once
_TICK = 0.02  # seconds; the resolution of file times is 4 ms on Linux, 16 ms on Windows
_COARSE_TICK = 2.0  # seconds, for file systems with whole seconds (FAT: two)

_MISTAKES = (AttributeError, ImportError, LookupError, NameError, TypeError)  # in the worker's code

AnyPath = str | os.PathLike[str]
_unit: ContextVar[str | None] = ContextVar("pipekit_unit", default=None)
_waiting: ContextVar[list[bytes] | None] = ContextVar("pipekit_waiting", default=None)


class Verb(StrEnum):
    """The kinds of records in a report (docs/reference/worker.md)."""

    UNIT_START = "unit_start"
    UNIT_END = "unit_end"
    PROGRESS = "progress"
    METRIC = "metric"
    WARNING = "warning"
    TEMPORARY = "temporary"
    STAGED = "staged"
    CONSUMED = "consumed"
    REJECTED = "rejected"
    WROTE = "wrote"
    UNCHANGED = "unchanged"
    STATE = "state"


class Signature(NamedTuple):
    """What identifies a file's content without reading it; `size` in bytes, times in ns (Unix)."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


def _line_of_mistake(error: Exception) -> str:
    """` (module.py:12)`, the last line of the worker's own code, for what is no answer to data."""
    step = error.__traceback__.tb_next if error.__traceback__ else None  # below `unit` itself
    if step is None or not isinstance(error, _MISTAKES):
        return ""
    folder = os.path.dirname(step.tb_frame.f_code.co_filename)
    where = ""
    while step is not None:
        place, name = os.path.split(step.tb_frame.f_code.co_filename)
        if place == folder:  # and not that of a library
            where = f" ({name}:{step.tb_lineno})"
        step = step.tb_next
    return where


def fingerprint(path: AnyPath) -> str:
    """The SHA-256 of a file's content, in hexadecimal. Raises OSError."""
    import hashlib  # see `hasher`

    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hasher(data: bytes = b"") -> Any:
    """A new hash object for fingerprints: SHA-256, as computed by `sha256sum`."""
    import hashlib  # loads OpenSSL, which takes 2 ms

    return hashlib.sha256(data)


def look(path: AnyPath | int) -> Signature:
    """The signature of a file (path or descriptor). Take it *before* reading the content.

    May wait for 20 ms, or 2 s on file systems that store whole seconds: a file changed within the
    last tick of the file system's clock could change again and keep its times (git guards its index
    in the same way). Raises OSError.
    """
    while True:
        stat = os.stat(path)
        youngest = max(stat.st_mtime_ns, stat.st_ctime_ns)
        whole = not (stat.st_mtime_ns % 1_000_000_000 or stat.st_ctime_ns % 1_000_000_000)
        age = (time.time_ns() - youngest) / 1e9
        tick = _COARSE_TICK if whole else _TICK
        if not 0 <= age < tick:
            return _signature(stat)
        time.sleep(tick - age)


def _signature(stat: os.stat_result) -> Signature:
    return Signature(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def target(path: AnyPath) -> str:
    """Where a published file is written: see PUBLISH_VARIABLE."""
    folder = os.environ.get(PUBLISH_VARIABLE)
    if not folder:
        return os.fspath(path)
    inside = os.path.relpath(path)
    if inside.startswith(os.pardir):
        raise ValueError(f"cannot publish {path}: it is outside the project")
    return os.path.join(folder, inside)


class Report:
    """Appends records to the run's report file; does nothing outside of a run.

    Files reported inside a unit count only if the unit succeeds. Report a file as consumed after
    everything made from it is published. Every report raises OSError if it cannot be written, for
    example on a full disk.
    """

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._path: str | None = None
        self._end = 0  # of the file after the last record of this process
        self._progressed: dict[str | None, float] = {}

    @contextmanager
    def unit(self, name: str) -> Iterator[None]:
        """A context manager for one unit's work. An exception fails the unit and is suppressed.

        The exception is reported, a mistake such as a NameError with its line, and its traceback
        printed. The worker can continue with the next unit. KeyboardInterrupt and SystemExit are
        not suppressed: they leave the unit unfinished, which counts as failed.
        """
        token = _unit.set(name)
        started = time.monotonic()
        self._write(Verb.UNIT_START)
        try:
            yield
        except Exception as error:  # the isolation boundary between units
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            reason += _line_of_mistake(error)
            self._write(Verb.UNIT_END, status="failure", reason=reason, duration=_since(started))
            import traceback  # only on failure

            traceback.print_exc()
        else:
            self._write(Verb.UNIT_END, status="success", duration=_since(started))
        finally:
            _unit.reset(token)

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """A context manager for reports on many files: some hundred are appended at once.

        That takes a tenth of the time. It is about the reports of this thread. If the process is
        killed, the last of them are missing, so their inputs stay pending.
        """
        waiting = list[bytes]()
        token = _waiting.set(waiting)
        try:
            yield
        finally:
            _waiting.reset(token)
            if waiting:
                self._append(b"".join(waiting))

    def progress(self, done: float, total: float | None = None) -> None:
        """Report the progress of the current unit (or the task), in any unit of measure."""
        now = time.monotonic()
        unit = _unit.get()
        finished = total is not None and done >= total
        if not finished and now - self._progressed.get(unit, 0.0) < _PROGRESS_INTERVAL:
            return
        self._progressed[unit] = now
        self._write(Verb.PROGRESS, done=done, total=total)

    def metric(self, name: str, value: float) -> None:
        """A named number. The last value in each unit is kept."""
        self._write(Verb.METRIC, name=name, value=value)

    def warning(self, message: str, **data: Any) -> None:
        """A message for a human reader. It does not change the status."""
        self._write(Verb.WARNING, msg=message, data=data)

    def consumed(
        self,
        path: AnyPath,
        fingerprint: str,
        signature: Signature | None = None,
        *,
        detail: Mapping[str, Any] | None = None,
        complete: bool = True,
    ) -> None:
        """This file's content has been processed, and everything made from it is published.

        `signature`: from `look`, before reading. `detail`: JSON for the stage's next plan; pipekit
        itself uses the keys `quarantined` (rows set aside) and `unread` (bytes), both of which keep
        the file from being deleted, `empty` (true if it had no content) and `rows`.
        `complete=False`: processed in part; the file stays pending. Without `signature` the file is
        looked at now, which raises OSError if it is gone: report one that no longer exists with the
        fingerprint `ABSENT`.
        """
        if signature is None and fingerprint != ABSENT:
            signature = look(path)
        what = {"path": os.fspath(path), "fingerprint": fingerprint, "signature": signature}
        self._write(Verb.CONSUMED, **what, detail=detail, complete=complete)

    def rejected(
        self,
        path: AnyPath,
        reason: str,
        fingerprint: str = "",
        signature: Signature | None = None,
    ) -> None:
        """This file cannot be used. It is left where it is; the stage ends as partial at best.

        `fingerprint`: the SHA-256 of its content, if it was read. `signature`: from `look`, before
        reading; without it the file is looked at now, which raises OSError if it is gone.
        """
        if signature is None:
            signature = look(path)
        what = {"path": os.fspath(path), "fingerprint": fingerprint, "signature": signature}
        self._write(Verb.REJECTED, **what, reason=reason)

    def wrote(
        self,
        path: AnyPath,
        fingerprint: str = "",
        *,
        sources: Iterable[AnyPath] | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """This file has been published: it is complete under its final name.

        `sources`: the inputs it was made from; by default, all that the unit consumed. `detail`:
        JSON; the lifecycle uses `series` and `last` (ISO 8601) to tell how old its data is.
        `fingerprint`: the SHA-256 of its content. Raises OSError if the file is not there.
        """
        self._published(Verb.WROTE, path, fingerprint, sources, detail)

    def unchanged(
        self,
        path: AnyPath,
        fingerprint: str = "",
        *,
        sources: Iterable[AnyPath] | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """This output was already up to date and was left alone.

        The arguments are those of `wrote`. Raises OSError if the file is not there.
        """
        self._published(Verb.UNCHANGED, path, fingerprint, sources, detail)

    def state(self, key: str, value: Any) -> None:
        """Remember a value (JSON, 64 KiB at most) for the next plans: `ctx.state[key]`.

        Call it after everything that it stands for is published. None forgets the key. Raises
        ValueError for a value that is too large, TypeError for one that JSON does not know.
        """
        if len(json.dumps(value)) > LARGEST_STATE:
            raise ValueError(f"the state {key!r} is larger than {LARGEST_STATE} bytes")
        self._write(Verb.STATE, key=key, value=value)

    def temporary(self, path: AnyPath) -> None:
        """The temporary file that `publish` creates next; the run removes it if it remains."""
        self._write(Verb.TEMPORARY, path=os.path.abspath(path))

    def staged(self, path: AnyPath) -> None:
        """A file that `staged` has a place for; the run moves it to this path."""
        self._write(Verb.STAGED, path=os.fspath(path))

    def _published(
        self,
        verb: Verb,
        path: AnyPath,
        fingerprint: str,
        sources: Iterable[AnyPath] | None,
        detail: Mapping[str, Any] | None,
    ) -> None:
        named = None if sources is None else [os.fspath(source) for source in sources]
        published = target(path)  # an unchanged file may be only in the project
        there = published if verb == Verb.WROTE or os.path.exists(published) else path
        signature = _signature(os.stat(there))
        what = {"path": os.fspath(path), "fingerprint": fingerprint, "signature": signature}
        self._write(verb, **what, sources=named, detail=detail)

    def _write(self, verb: Verb, **fields: Any) -> None:
        """One line, appended at once, so that writers do not mix; or some, see `gathered`."""
        path = os.environ.get(REPORT_VARIABLE)
        if not path:
            return
        if path != self._path:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._descriptor, self._path, self._end = open_own(path, flags), path, 0
        record = {"verb": verb, "at": time.time(), "unit": _unit.get(), **fields}
        line = json.dumps({k: v for k, v in record.items() if v is not None}).encode() + b"\n"
        waiting = _waiting.get()
        if waiting is None or verb == Verb.TEMPORARY:  # the file is created next
            self._append(line)
            return
        waiting.append(line)
        if len(waiting) == _GATHERED:
            self._append(b"".join(waiting))
            waiting.clear()

    def _append(self, lines: bytes) -> None:
        path = self._path
        assert path is not None
        assert self._descriptor is not None
        end_before = self._end
        if append(self._descriptor, lines) != len(lines):
            raise OSError(errno.ENOSPC, "the report could not be written", path)
        self._end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        if self._end < end_before:
            raise OSError(errno.EIO, "the report was cut: records are missing", path)


def _since(started: float) -> float:
    return round(time.monotonic() - started, 6)


report = Report()
