"""Moves files below a folder: never through a symbolic link, and never over another file.

All paths are relative to a root and written with `/`. On POSIX each folder on the way is opened
without following a link, and files are named by the open folder, so that nobody can swap a folder
between a check and a move. On Windows the way is only checked.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipekit.worker._files import folder_mode

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_FILE |= getattr(os, "O_BINARY", 0)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_BLOCK = 1 << 20  # bytes


class Mover:
    """Looks at, moves and removes files below `root`. `mode`: of files, for new folders.

    All methods raise OSError: FileNotFoundError where a folder on the way is missing, ELOOP or
    ENOTDIR where it is a link, EINVAL for a path that is not below the root.
    """

    def __init__(self, root: Path, mode: int) -> None:
        self._root = os.path.realpath(root)
        self._mode = mode

    def status(self, path: str) -> os.stat_result | None:
        """Of the file itself, not of what a link leads to; None if there is nothing."""
        try:
            with self._at(path) as (folder, name):
                return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    @contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """A descriptor to read the file with; it may not be a link."""
        with self._at(path) as (folder, name):
            if not hasattr(os, "O_NOFOLLOW") and os.path.islink(name):
                raise OSError(errno.ELOOP, "it is a symbolic link", path)
            descriptor = os.open(name, _FILE, dir_fd=folder)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def rename(self, path: str, to: str) -> None:
        """Rename a file to a name that nobody else can take."""
        with self._at(path) as (folder, name), self._at(to, create=True) as (other, new):
            os.rename(name, new, src_dir_fd=folder, dst_dir_fd=other)

    def move(self, path: str, to: str) -> None:
        """Move a file on its file system. Raises FileExistsError if there is one of the new name.

        For a moment it has both names, where the file system has hard links. If it cannot lose the
        old one, it loses the new one again.
        """
        with self._at(path) as (folder, name), self._at(to, create=True) as (other, new):
            if os.name == "posix":
                _link(name, new, folder, other)
            else:  # where a rename never replaces a file
                os.rename(name, new)
                return
        try:
            self.remove(path)
        except OSError:
            with contextlib.suppress(OSError):
                if self._is_one(path, to):
                    self.remove(to)
            raise

    def _is_one(self, path: str, to: str) -> bool:
        """Whether both names are of one file."""
        one, two = self.status(path), self.status(to)
        return one is not None and two is not None and os.path.samestat(one, two)

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError), self._at(path) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def remove_folder(self, path: str) -> bool:
        """Remove a folder if it is empty; whether it was."""
        try:
            with self._at(path) as (folder, name):
                os.rmdir(name, dir_fd=folder)
        except OSError:
            return False
        return True

    def make_folder(self, path: str) -> None:
        """Make the folder of a file, if it is missing."""
        with self._at(path, create=True):
            pass

    def sync(self, paths: Iterable[str]) -> None:
        """Sync the folders of these files to disk, each once, as far as they exist."""
        if os.name != "posix":  # Windows syncs renames itself and has no call for it
            return
        for parts in sorted({tuple(_parts(path)[:-1]) for path in paths}):
            try:
                with self._folder(parts) as folder:
                    os.fsync(folder)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise

    @contextmanager
    def _at(self, path: str, *, create: bool = False) -> Iterator[tuple[int | None, str]]:
        """A file's folder, open, and its name there; or None and its whole path.

        `create`: make the folders that are missing.
        """
        *folders, name = _parts(path)
        if os.name != "posix":
            yield None, self._checked(folders, name, create)
            return
        with self._folder(folders, create=create) as descriptor:
            yield descriptor, name

    @contextmanager
    def _folder(self, parts: Iterable[str], *, create: bool = False) -> Iterator[int]:
        descriptor = os.open(self._root, _FOLDER)
        try:
            for name in parts:
                inner = self._enter(descriptor, name, create)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def _enter(self, folder: int, name: str, create: bool) -> int:
        try:
            return os.open(name, _FOLDER, dir_fd=folder)
        except FileNotFoundError:
            if not create:
                raise
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, folder_mode(self._mode), dir_fd=folder)
            os.fsync(folder)
        return os.open(name, _FOLDER, dir_fd=folder)

    def _checked(self, folders: list[str], name: str, create: bool) -> str:
        """The whole path of a file, if no folder on the way leads elsewhere."""
        folder = os.path.join(os.path.realpath(self._root), *folders)
        if create:
            os.makedirs(folder, exist_ok=True)
        if os.path.normcase(os.path.realpath(folder)) != os.path.normcase(folder):
            raise OSError(errno.ELOOP, "a folder on the way is a link", folder)
        return os.path.join(folder, name)


def _parts(path: str) -> list[str]:
    """The names in a path. Raises OSError for one that is not below a root."""
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise OSError(errno.EINVAL, "not a path below the project", path)
    return parts


def _link(name: str, new: str, folder: int | None, other: int | None) -> None:
    """Give a file a second name; where there are no hard links, rename it."""
    try:
        os.link(name, new, src_dir_fd=folder, dst_dir_fd=other, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with contextlib.suppress(FileNotFoundError):
            os.stat(new, dir_fd=other, follow_symlinks=False)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new) from None
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=other)


def fingerprint_of(descriptor: int) -> str:
    """The SHA-256 of an open file's content, from its beginning. Raises OSError."""
    import hashlib  # loads OpenSSL, which takes 2 ms

    os.lseek(descriptor, 0, os.SEEK_SET)
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy(descriptor: int, target: Path) -> None:
    """Copy an open file with its times to a new file, and sync that. Raises OSError."""
    there = os.fstat(descriptor)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    copied = os.open(target, flags, stat.S_IMODE(there.st_mode))
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        while block := os.read(descriptor, _BLOCK):
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(copied, rest) :]
        os.utime(target, ns=(there.st_atime_ns, there.st_mtime_ns))
        os.fsync(copied)
    finally:
        os.close(copied)


if sys.platform == "linux":
    import fcntl
    import signal

    def has_writer(descriptor: int) -> bool:
        """Whether a process has the file open for writing; False where that cannot be known.

        The system grants a read lease only if none has. It would tell of the next one by SIGIO,
        which would kill this process; SIGURG is ignored.
        """
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as error:
            return error.errno == errno.EAGAIN
        return False

else:

    def has_writer(_descriptor: int) -> bool:
        """False: it cannot be known. Windows refuses to rename a file that is open."""
        return False
