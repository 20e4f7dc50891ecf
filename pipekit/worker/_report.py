"""How a stage's process tells the run what it does: one JSON line for each fact, in a file.

    from pipekit.worker import report, request

    for name in request()["instruments"]:
        with report.unit(name):
            ...
            report.wrote("data/out/ES.parquet")

The file is named by `PIPEKIT_REPORT`; where that is not set nothing is written and everything else
works, so a worker can be run by hand. Several processes and threads may report at once. Standard
library only, so that importing it costs a worker next to nothing.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_CHUNK = 256 * 1024
REPORT_VARIABLE = "PIPEKIT_REPORT"
PUBLISH_VARIABLE = "PIPEKIT_PUBLISH_DIR"
"""Names a folder that stands for the project's root when files are published.

Where it is set, `data/out/ES.parquet` is written to that path below the folder instead. The report
names the path in the project all the same.
"""
ABSENT = "absent"  # the fingerprint to report for a file that has vanished

_PROGRESS_INTERVAL = 0.2  # seconds between two progress lines of a unit: enough for the eye
_TICK = 0.02  # seconds; file times are coarser than the clock (4 ms on Linux, 16 on Windows)
_COARSE_TICK = 2.0  # seconds, where a file system stores whole seconds (FAT: two of them)

Signature = tuple[int, int, int, int, int]
_unit: ContextVar[str | None] = ContextVar("pipekit_unit", default=None)


def fingerprint(path: str | os.PathLike[str]) -> str:
    """The content hash of a file, as hexadecimal text. Raises OSError."""
    digest, buffer = hasher(), memoryview(bytearray(_CHUNK))
    with open(path, "rb", buffering=0) as file:
        while size := file.readinto(buffer):
            digest.update(buffer[:size])
    return str(digest.hexdigest())


def hasher(data: bytes = b"") -> Any:
    """A new hash object of the kind all fingerprints are made with: SHA-256, as of `sha256sum`."""
    from hashlib import sha256  # loads OpenSSL: 3 ms, which a run without new files does without

    return sha256(data)


def look(path: str | os.PathLike[str] | int) -> Signature:
    """The signature of a file (path or descriptor), to be taken *before* its content is read.

    A file that changed within the last tick of its file system's clock could change once more and
    keep its times, so this waits for that tick to pass (the rule git has for its index). Raises
    OSError.
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
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def target(path: str | os.PathLike[str]) -> str:
    """Where a published file is really written: see PUBLISH_VARIABLE."""
    folder = os.environ.get(PUBLISH_VARIABLE)
    if not folder:
        return os.fspath(path)
    inside = os.path.relpath(path)
    if inside.startswith(os.pardir):
        raise ValueError(f"{path} lies outside the project, so it cannot be published")
    return os.path.join(folder, inside)


class Report:
    """Appends what a worker says to the run's report file; silent outside a run.

    What is reported inside a unit counts when the unit has ended well; what is reported outside
    counts at once. Report a file as consumed when all that came of it is published.
    """

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._path: str | None = None
        self._progressed: dict[str | None, float] = {}

    @contextmanager
    def unit(self, name: str) -> Iterator[None]:
        """Do the work of one unit. An exception fails the unit, is recorded, and ends here.

        Other units go on. KeyboardInterrupt and SystemExit pass: they leave the unit unfinished,
        which the run counts as failed.
        """
        token = _unit.set(name)
        started = time.monotonic()
        self._write("unit_start")
        try:
            yield
        except Exception as error:  # the isolation boundary between units
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            self._write("unit_end", status="failure", reason=reason, duration=_since(started))
            _print_traceback()
        else:
            self._write("unit_end", status="success", duration=_since(started))
        finally:
            _unit.reset(token)

    def progress(self, done: float, total: float | None = None) -> None:
        """How far the current unit (or the task) is, in any measure."""
        now = time.monotonic()
        unit = _unit.get()
        finished = total is not None and done >= total
        if not finished and now - self._progressed.get(unit, 0.0) < _PROGRESS_INTERVAL:
            return
        self._progressed[unit] = now
        self._write("progress", done=done, total=total)

    def metric(self, name: str, value: float) -> None:
        """A number worth knowing; the last value of a name counts, per unit."""
        self._write("metric", name=name, value=value)

    def warning(self, message: str, **data: Any) -> None:
        """Something a person should know; it changes no status."""
        self._write("warning", msg=message, data=data)

    def consumed(
        self,
        path: str | os.PathLike[str],
        fingerprint: str,
        signature: Signature | None = None,
        *,
        detail: Mapping[str, Any] | None = None,
        complete: bool = True,
    ) -> None:
        """This content has been taken, and all that came of it is published.

        `signature`: from `look` before reading. `detail`: anything (JSON) the stage's next plan
        wants to know of it; the core itself knows `quarantined` (rows set aside) and `unread`
        (bytes), which keep the lifecycle away, and `empty` (true: nothing came of it).
        `complete=False`: taken in part; it stays pending, with its detail. A vanished file is
        reported with the fingerprint `ABSENT`.
        """
        if signature is None and fingerprint != ABSENT:
            signature = look(path)
        self._file("consumed", path, fingerprint, signature, detail=detail, complete=complete)

    def rejected(
        self,
        path: str | os.PathLike[str],
        reason: str,
        fingerprint: str = "",
        signature: Signature | None = None,
    ) -> None:
        """This content cannot be used. The file stays; the stage is at best partial."""
        if signature is None:
            signature = look(path)
        self._file("rejected", path, fingerprint, signature, reason=reason)

    def wrote(
        self,
        path: str | os.PathLike[str],
        fingerprint: str = "",
        *,
        sources: Iterable[str | os.PathLike[str]] | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """This file has been published (it stands under its final name).

        `sources`: the inputs it came of; by default, all that are consumed in the same unit.
        `detail`: JSON; `series`, `first` and `last` (ISO 8601) tell the lifecycle what it covers.
        """
        self._published("wrote", path, fingerprint, sources, detail)

    def unchanged(
        self,
        path: str | os.PathLike[str],
        fingerprint: str = "",
        *,
        sources: Iterable[str | os.PathLike[str]] | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """This output was already what it should be, and was left as it is."""
        self._published("unchanged", path, fingerprint, sources, detail)

    def temporary(self, path: str | os.PathLike[str]) -> None:
        """A file that `publish` is about to create, for the run to remove if this process dies."""
        self._write("temporary", path=os.path.abspath(path))

    def _published(
        self,
        verb: str,
        path: str | os.PathLike[str],
        fingerprint: str,
        sources: Iterable[str | os.PathLike[str]] | None,
        detail: Mapping[str, Any] | None,
    ) -> None:
        named = None if sources is None else [os.fspath(source) for source in sources]
        published = target(path)  # what is unchanged may stand in the project alone
        there = published if verb == "wrote" or os.path.exists(published) else path
        signature = _signature(os.stat(there))
        self._file(verb, path, fingerprint, signature, sources=named, detail=detail)

    def _file(
        self,
        verb: str,
        path: str | os.PathLike[str],
        fingerprint: str,
        signature: Signature | None,
        **more: Any,
    ) -> None:
        self._write(
            verb, path=os.fspath(path), fingerprint=fingerprint, signature=signature, **more
        )

    def _write(self, verb: str, **fields: Any) -> None:
        """One `write` a line on a descriptor that appends, so that writers do not mix."""
        path = os.environ.get(REPORT_VARIABLE)
        if not path:
            return
        if path != self._path:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
            self._descriptor, self._path = os.open(path, flags, 0o644), path
        record = {"verb": verb, "at": time.time(), "unit": _unit.get(), **fields}
        line = json.dumps({k: v for k, v in record.items() if v is not None}).encode() + b"\n"
        assert self._descriptor is not None
        if os.write(self._descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, "the report could not be written", path)


def _since(started: float) -> float:
    return round(time.monotonic() - started, 6)


def _print_traceback() -> None:
    import traceback

    traceback.print_exc()


report = Report()
