"""Publish files: under its final name a file is complete and on the disk, or not there at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from pipekit.worker._report import fingerprint, report, target

TEMPORARY_SUFFIX = ".tmp"
_LONGEST_NAME = 120  # bytes of the target's name in a temporary one; 255 are allowed in all

Paths = Iterable[str | os.PathLike[str]]


def publish(
    path: str | os.PathLike[str],
    data: bytes | None = None,
    *,
    sources: Paths | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Publication:
    """Publish a file and report it, with its fingerprint, as written or unchanged.

        with publish("data/out/ES.parquet") as file:
            frame.to_parquet(file)

        publish("data/out/ES.txt", b"done")

    In the first form the file is written under a temporary name, which `file` stands for wherever
    a path is expected. When the block ends, the file is synced to the disk and renamed, and so is
    the folder. When the block raises, nothing changes. A file with the same content as the one
    already there is reported as unchanged, and the old one is kept.

    `sources` and `detail`: see `report.wrote`. Raises OSError when the disk is full or the folder
    cannot be written.
    """
    publication = Publication(path, sources=sources, detail=detail)
    if data is not None:
        with publication:
            publication.write(data)
    return publication


class Publication:
    """A file on its way to its final name: `begin`, write, `place`, `sync_folders`, `tell`.

    `publish` does all of that for one file. A worker with many files takes the steps by itself: it
    can place files in threads that wait for the disk, and sync each folder once. `path`: as
    reported; `fingerprint`: set before `place` by who hashes while writing, otherwise computed
    there; `changed`: after `place`, whether the file differs from the one that was there.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        sources: Paths | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.sources = sources
        self.detail = detail
        self.fingerprint = ""
        self.changed = True
        self.target = target(self.path)
        self._temporary = ""

    def __fspath__(self) -> str:
        return self._temporary or self.target

    def begin(self) -> Self:
        """Create the temporary file, and the folder where it is missing.

        The name is unique to the attempt, and the file is reported first, so that the run can
        remove it if this process is killed.
        """
        folder, name = os.path.split(self.target)
        make_folders(folder)
        run = os.environ.get("PIPEKIT_RUN_ID") or "no-run"
        short = os.fsdecode(os.fsencode(name)[:_LONGEST_NAME])
        unique = f"{os.getpid():x}-{os.urandom(4).hex()}"
        temporary = os.path.join(folder, f".{short}.{run}.{unique}{TEMPORARY_SUFFIX}")
        report.temporary(temporary)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
        os.close(os.open(temporary, flags, 0o666))
        self._temporary = temporary
        return self

    def write(self, data: bytes | memoryview) -> None:
        """Write these bytes as the whole file."""
        with open(self._temporary, "wb", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]

    def place(self) -> None:
        """Sync the file and give it its name; where nothing changed, drop it.

        The rename lasts when the folder is synced, too: see `sync_folders`.
        """
        self.fingerprint = self.fingerprint or fingerprint(self._temporary)
        if self._is_there():
            self.changed = False
            self.discard()
            return
        descriptor = os.open(self._temporary, os.O_RDWR)  # Windows syncs what is open for writing
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(self._temporary, self.target)
        self._temporary = ""

    def discard(self) -> None:
        """Remove the temporary file, if there is one."""
        if self._temporary:
            os.unlink(self._temporary)
            self._temporary = ""

    def tell(self) -> None:
        """Report the file as written or unchanged."""
        verb = report.wrote if self.changed else report.unchanged
        verb(self.path, self.fingerprint, sources=self.sources, detail=self.detail)

    def __enter__(self) -> Self:
        return self.begin()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.place()
        finally:
            self.discard()
        if kind is None:
            sync_folders([self.target])
            self.tell()

    def _is_there(self) -> bool:
        """Whether the published file has this very content already."""
        try:
            same_size = os.path.getsize(self.path) == os.path.getsize(self._temporary)
            return same_size and fingerprint(self.path) == self.fingerprint
        except OSError:  # there is none, or it cannot be read
            return False


def make_folders(folder: str) -> None:
    """Create a folder and its parents so that they outlast a power failure. Raises OSError."""
    if not folder or os.path.isdir(folder):
        return
    parent = os.path.dirname(folder)
    make_folders(parent)
    os.makedirs(folder, exist_ok=True)
    _sync_folder(parent)


def sync_folders(paths: Paths) -> None:
    """Make the renames of these files last; each folder is synced once. Raises OSError."""
    for folder in sorted({os.path.dirname(os.fspath(path)) for path in paths}):
        _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    if os.name != "posix":  # Windows has no such call, and syncs renames by itself
        return
    descriptor = os.open(folder or os.curdir, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
