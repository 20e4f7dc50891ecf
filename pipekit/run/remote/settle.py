"""Settles an attempt: waits until its files are here as its node left them, and publishes them.

Nodes never publish. The run does, which alone holds the lock: a node that the run has given up may
write on, into a folder that nobody reads any more.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipekit.model.quantity import listed
from pipekit.model.records import FileRecord
from pipekit.model.task import UnitResult
from pipekit.process.remote.folder import AttemptFolder, KnownFile
from pipekit.run.report_file import TaskReport
from pipekit.storage.files import FileManager
from pipekit.storage.ledger import signature_text
from pipekit.worker import Verb, fingerprint, sync_folders
from pipekit.worker._publish import make_folders, temporary_name

SETTLE_SECONDS = 30.0  # for a share to show what another machine has written
_FIRST_NAP, _LONGEST_NAP = 0.01, 1.0
_STAGED = "files/"


class ContractError(Exception):
    """What an attempt has left is not what it says; the message is a clause."""


def wait_for_files(folder: AttemptFolder, files: Iterable[KnownFile], seconds: float) -> str:
    """Wait until these files have their size and fingerprint here; a clause if they never do.

    A network file system may show the past for a while.
    """
    deadline, nap = time.monotonic() + seconds, _FIRST_NAP
    left = list(files)
    while True:
        left = [file for file in left if not _is_here(folder.path / file.path, file)]
        if not left:
            return ""
        if time.monotonic() >= deadline:
            names = listed([file.path for file in left], 1)
            return f"{names} of the attempt did not arrive here within {seconds:g} s"
        time.sleep(nap)
        nap = min(2 * nap, _LONGEST_NAP)


def _is_here(path: Path, file: KnownFile) -> bool:
    try:
        return path.stat().st_size == file.size and fingerprint(path) == file.fingerprint
    except OSError:
        return False


def publish_files(
    folder: AttemptFolder,
    known: Iterable[KnownFile],
    report: TaskReport,
    files: FileManager,
    run_id: str,
) -> None:
    """Put what the attempt has reported into its place, and sign the records as seen from here.

    Only what a unit that did not fail has reported is published. Raises ContractError before
    anything is moved if a reported file is not there, OSError if one cannot be moved.
    """
    staged = {file.path.removeprefix(_STAGED): file for file in known if _is_staged(file)}
    asides = [path for path in map(files.relative, report.staged) if path in staged]
    moved = dict.fromkeys([*asides, *_written(report, staged, files)])
    for path in moved:
        _place(folder.files / path, files.root / path, run_id)
    sync_folders(files.root / path for path in moved)
    report.files = report.files.changed(lambda record: _signed(record, files, moved))


def _is_staged(file: KnownFile) -> bool:
    return file.path.startswith(_STAGED)


def _written(
    report: TaskReport, staged: Mapping[str, KnownFile], files: FileManager
) -> Iterable[str]:
    """The paths of the files to publish. Raises ContractError."""
    for record in report.files:
        if record.verb != Verb.WROTE or not _counts(record.unit, report.units):
            continue
        path = files.relative(record.path)
        file = staged.get(path)
        if file is None:
            raise ContractError(
                f"{path} was reported as written, but is not among the files of the attempt: on a "
                "node, `pipekit.worker.publish` is the only way to publish"
            )
        if record.fingerprint and record.fingerprint != file.fingerprint:
            raise ContractError(f"{path} was changed after it was reported as written")
        yield path


def _counts(unit: str | None, units: Mapping[str, UnitResult | None]) -> bool:
    return unit is None or bool(units.get(unit))


def _place(source: Path, target: Path, run_id: str) -> None:
    """Rename a file into its place; across file systems, copy it first. Raises OSError."""
    make_folders(os.fspath(target.parent))
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        temporary = target.with_name(temporary_name(target.name, run_id))
        try:
            shutil.copy2(source, temporary)
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def _signed(record: FileRecord, files: FileManager, moved: Mapping[str, object]) -> FileRecord:
    """The record with the signature that its file has here, if it is the same content.

    A node sees another device number, and perhaps other inodes and change times. A file that is
    another one by now keeps the node's signature, and so counts as changed.
    """
    path = files.relative(record.path)
    now = files.stat(path)
    if now is None or not record.signature:
        return record
    same = path in moved and record.verb == Verb.WROTE
    if not same:
        _, _, size, mtime, _ = map(int, record.signature.split())
        same = (now.size, now.mtime_ns) == (size, mtime) or _has(record.fingerprint, files, path)
    return record._replace(signature=signature_text(now.signature)) if same else record


def _has(content: str, files: FileManager, path: str) -> bool:
    try:
        return bool(content) and fingerprint(files.root / path) == content
    except OSError:
        return False
