"""Publish files: under its final name, a file is complete and on disk."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from typing import Any, Self

from pipekit.worker._files import open_own
from pipekit.worker._replace import replace
from pipekit.worker._report import AnyPath, fingerprint, report, target

TEMPORARY_SUFFIX = ".tmp"
_RANDOM = 16  # bytes in a temporary name, so that nobody can guess it
_LONGEST_NAME = 120  # bytes of the target's name in a temporary one; 255 are allowed in all

Paths = Iterable[AnyPath]


def publish(
    path: AnyPath,
    data: bytes | None = None,
    *,
    sources: Paths | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Publication:
    """Publish a file and report it, with its fingerprint, as written or unchanged.

        with publish("data/out/ES.parquet") as file:
            frame.to_parquet(file)

        publish("data/out/ES.txt", b"done")

    In the first form, `file` is the path of a temporary file to write. When the block ends, the
    file is synced to disk and renamed, and the folder is synced. If the block raises, nothing
    changes. If the content is the same as before, the old file is kept and reported as unchanged.

    `sources` and `detail`: see `report.wrote`. Raises OSError if the disk is full or the folder
    cannot be written.
    """
    publication = Publication(path, sources=sources, detail=detail)
    if data is not None:
        with publication:
            publication.write(data)
    return publication


def staged(path: AnyPath) -> str:
    """Where to write a file that is kept but not published, such as rows that were set aside.

    That is `path` itself. For a task on a node of a cluster it is a place in the folder of its
    attempt, and the run moves the file to `path` when the attempt counts; a file that is there
    already is replaced. Raises OSError, and ValueError for a path outside of the project.
    """
    there = target(path)
    if there != os.fspath(path):
        make_folders(os.path.dirname(there))
        report.staged(path)
    return there


class Publication:
    """The steps of `publish`: `begin`, write the file, `place`, `sync_folders`, `tell`.

    A worker with many files can take the steps itself: place files in several threads, which wait
    for the disk, and sync each folder once. `path`: as reported. `fingerprint`: computed by
    `place`, unless it was set before. `changed`: after `place`, whether the content is new.
    `reported=False`: nothing is reported or compared, and PIPEKIT_PUBLISH_DIR has no effect.
    `mode`: that of a new file, before the umask.
    """

    def __init__(
        self,
        path: AnyPath,
        *,
        sources: Paths | None = None,
        detail: Mapping[str, Any] | None = None,
        reported: bool = True,
        mode: int = 0o666,
    ) -> None:
        self.path = os.fspath(path)
        self.sources = sources
        self.detail = detail
        self.fingerprint = ""
        self.changed = True
        self.target = target(self.path) if reported else self.path
        self._reported = reported
        self._mode = mode
        self._temporary = ""

    def __fspath__(self) -> str:
        return self._temporary or self.target

    def begin(self) -> Self:
        """Create the temporary file, and its folder if it is missing.

        Its name is unique, and it is reported first, so that the run can remove the file if this
        process is killed.
        """
        folder, name = os.path.split(self.target)
        make_folders(folder)
        run = os.environ.get("PIPEKIT_RUN_ID") or "no-run"
        temporary = os.path.join(folder, temporary_name(name, run))
        if self._reported:
            report.temporary(temporary)
        os.close(open_own(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self._mode))
        self._temporary = temporary
        return self

    def write(self, data: bytes | memoryview) -> None:
        """Write these bytes as the whole file."""
        flags = os.O_WRONLY | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        rest = memoryview(data).cast("B")
        with open(os.open(self._temporary, flags), "wb", buffering=0) as file:
            while rest:
                rest = rest[file.write(rest) :]

    def place(self) -> None:
        """Sync the file to disk and rename it; if the content has not changed, remove it.

        The rename survives a power failure only after `sync_folders`.
        """
        if self._reported:
            self.fingerprint = self.fingerprint or fingerprint(self._temporary)
            if self._is_there():
                self.changed = False
                self.discard()
                return
        no_link = getattr(os, "O_NOFOLLOW", 0)
        _sync(self._temporary, os.O_RDWR | no_link)  # Windows requires it to be writable
        replace(self._temporary, self.target)
        self._temporary = ""

    def discard(self) -> None:
        """Remove the temporary file, if there is one."""
        if self._temporary:
            os.unlink(self._temporary)
            self._temporary = ""

    def tell(self) -> None:
        """Report the file as written or unchanged."""
        if not self._reported:
            return
        verb = report.wrote if self.changed else report.unchanged
        verb(self.path, self.fingerprint, sources=self.sources, detail=self.detail)

    def __enter__(self) -> Self:
        return self.begin()

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.place()
        finally:
            self.discard()
        if kind is None:
            sync_folders([self.target])
            self.tell()

    def _is_there(self) -> bool:
        """Whether the published file already has this content."""
        try:
            there, new = os.stat(self.path), os.stat(self._temporary)
            same_size = stat.S_ISREG(there.st_mode) and there.st_size == new.st_size
            return same_size and fingerprint(self.path) == self.fingerprint
        except OSError:  # it does not exist, or cannot be read
            return False


def temporary_name(name: str, run_id: str) -> str:
    """A new name, unique to the attempt, for the temporary file of a file in the same folder."""
    short = os.fsencode(name)[:_LONGEST_NAME].decode(errors="ignore")
    return f".{short}.{run_id}.{os.getpid():x}-{os.urandom(_RANDOM).hex()}{TEMPORARY_SUFFIX}"


def is_temporary_name(name: str, run_id: str) -> bool:
    """Whether `temporary_name` can have made this name in this run."""
    unique = "[0-9a-f]+-[0-9a-f]{8,}"  # 8 in earlier versions
    pattern = rf"\..*\.{re.escape(run_id)}\.{unique}{re.escape(TEMPORARY_SUFFIX)}"
    return re.fullmatch(pattern, name, re.DOTALL) is not None


def make_folders(folder: str) -> None:
    """Create a folder and its parents so that they survive a power failure. Raises OSError."""
    if not folder or os.path.isdir(folder):
        return
    parent = os.path.dirname(folder)
    make_folders(parent)
    os.makedirs(folder, exist_ok=True)
    _sync_folder(parent)


def sync_folders(paths: Paths) -> None:
    """Sync the folders of these files to disk, each once. Raises OSError."""
    for folder in sorted({os.path.dirname(os.fspath(path)) for path in paths}):
        _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    if os.name == "posix":  # Windows syncs renames itself and has no call for it
        _sync(folder or os.curdir, os.O_RDONLY)


def _sync(path: str, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
