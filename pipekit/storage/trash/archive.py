"""Moves files from the trash to an archive, which may be on another file system, and back."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from pipekit.storage.trash.manifest import TrashFile
from pipekit.storage.trash.moving import Mover, copy, fingerprint_of
from pipekit.worker import sync_folders
from pipekit.worker._publish import make_folders

_LONGEST_NAME = 120  # bytes of a file's name in that of its copy; 255 are allowed in all
_UNLINKABLE = (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class Archive:
    """Where `TrashFile.target` leads, relative to `root` or absolute. Its folders may be links.

    A file is never replaced. One that is copied has a temporary name until it is on disk and has
    been read again.
    """

    def __init__(self, root: Path, mover: Mover) -> None:
        self._root = root
        self._mover = mover
        self._unfinished: dict[Path, list[Path]] = {}  # by folder

    def is_free(self, target: str, fingerprint: str) -> bool:
        """Whether there is no other file at the target. Raises OSError."""
        path = self._root / target
        return not os.path.lexists(path) or _fingerprint(path) == fingerprint

    def has(self, file: TrashFile) -> bool:
        """Whether the file is in the archive."""
        with contextlib.suppress(OSError):
            return _fingerprint(self._root / file.target) == file.fingerprint
        return False

    def place(self, file: TrashFile, run_id: str) -> str:
        """Move a file from the trash to its target; returns why not, or nothing."""
        target = self._root / file.target
        placed = False
        try:
            self._sweep(target)
            if not self.has(file):
                make_folders(os.fspath(target.parent))
                self._transfer(self._root / file.place, target, file, run_id)
                placed = True
                sync_folders([target])
            self._mover.remove(file.place)
        except OSError as error:
            if placed:  # it goes back to its path, and may not have a second name there
                with contextlib.suppress(OSError):
                    if self._mover.status(file.place) is not None:
                        target.unlink()
            return f"it cannot be archived as {file.target}: {error.strerror}"
        return ""

    def fetch(self, file: TrashFile, run_id: str) -> str:
        """Move a file from its target back to the trash; returns why not, or nothing."""
        target = self._root / file.target
        place = self._root / file.place
        try:
            self._sweep(place)
            if not self.has(file):
                gone = self._mover.status(file.place) is None
                where = f"in the archive as {file.target}, or was changed there"
                return f"it is no longer {where}" if gone else ""
            if self._mover.status(file.place) is None:
                self._mover.make_folder(file.place)
                self._transfer(target, place, file, run_id)
                self._mover.sync([file.place])
            target.unlink()
            sync_folders([target])
        except OSError as error:
            return f"it cannot be moved from the archive {file.target}: {error.strerror}"
        return ""

    def _sweep(self, target: Path) -> None:
        """Remove copies of this file that were not finished; others may be another project's.

        Each folder is listed once. Raises OSError.
        """
        folder = target.parent
        if folder not in self._unfinished:
            self._unfinished[folder] = [*folder.glob(".*.tmp")]
        for path in self._unfinished[folder]:
            if path == _temporary(target, path.name.split(".")[-2]):
                path.unlink(missing_ok=True)

    def _transfer(self, source: Path, target: Path, file: TrashFile, run_id: str) -> None:
        """Give the file a second name, or a copy, at the target."""
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in _UNLINKABLE:
                raise
        else:
            return
        temporary = _temporary(target, run_id)
        try:
            with open(source, "rb", buffering=0) as opened:
                copy(opened.fileno(), temporary)
            if _fingerprint(temporary) != file.fingerprint:
                raise OSError(errno.EIO, "its copy is not the same")
            _name(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def _temporary(target: Path, run_id: str) -> Path:
    short = os.fsencode(target.name)[:_LONGEST_NAME].decode(errors="ignore")
    return target.with_name(f".{short}.{run_id}.tmp")


def _name(temporary: Path, target: Path) -> None:
    """Give a copy its name. Raises FileExistsError if there is such a file."""
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in _UNLINKABLE:
            raise
        if os.name == "posix" and os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.rename(temporary, target)


def _fingerprint(path: Path) -> str:
    """Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        return fingerprint_of(file.fileno())
