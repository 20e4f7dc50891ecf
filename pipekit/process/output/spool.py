"""The files that keep the output of a command: never another command's, and missed when lost."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from pathlib import Path

from pipekit.model.place import Place
from pipekit.worker._files import PRIVATE, make_folder, open_own

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND


class SpoolFiles:
    """The names of one command's files in a folder: `NAME.out` and `NAME.err`.

    If one of them is there already, the number of the command is added: `NAME-2.out`. Files are
    created exclusively, so that no two commands ever write the same one. The folder is created with
    the first file, and again if it was deleted, but only as long as `within` is there (default: its
    parent, once the folder was created). `number`: of the first name to try. `mode`: of the files.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        suffixes: Iterable[str],
        *,
        within: Place | None = None,
        number: int = 1,
        mode: int = PRIVATE,
    ) -> None:
        self._folder = folder
        self._name = name
        self._suffixes = tuple(suffixes)
        self._claimed = False
        self._within = within
        self._mode = mode
        self.number = number

    def create(self, suffix: str) -> tuple[Path, int]:
        """Create a file for a stream; its path and a descriptor. Raises OSError."""
        if self._claimed:
            with contextlib.suppress(FileExistsError):  # somebody put one there: take a new name
                return self._open(suffix)
        while True:
            with contextlib.suppress(FileExistsError):
                path, descriptor = self._open(suffix)
                if not self._is_shared(suffix):
                    self._claimed = True
                    return path, descriptor
                os.close(descriptor)
                os.unlink(path)
            self.number = self._last_number() + 1

    def _path(self, suffix: str) -> Path:
        number = f"-{self.number}" if self.number > 1 else ""
        return self._folder / f"{self._name}{number}{suffix}"

    def _open(self, suffix: str) -> tuple[Path, int]:
        path = self._path(suffix)
        try:
            return path, open_own(path, _FLAGS, self._mode)
        except FileNotFoundError:
            self._make_folder()
            return path, open_own(path, _FLAGS, self._mode)

    def _make_folder(self) -> None:
        if self._within is not None and not self._within.is_there():
            raise FileNotFoundError(errno.ENOENT, f"{self._within.path} was renamed or deleted")
        make_folder(self._folder, self._mode)
        self._within = self._within or Place(self._folder.parent)

    def _is_shared(self, suffix: str) -> bool:
        """Whether another command has taken this name for one of its other streams."""
        return any(os.path.lexists(self._path(s)) for s in self._suffixes if s != suffix)

    def _last_number(self) -> int:
        """The highest number of this name in the folder; 1 for the name alone."""
        beginning = f"{self._name}-"
        names = (n.removesuffix(s) for n in os.listdir(self._folder) for s in self._suffixes)
        numbers = (n.removeprefix(beginning) for n in names if n.startswith(beginning))
        return max((int(n) for n in numbers if n.isascii() and n.isdigit()), default=self.number)


class Spool:
    """The file for one stream, created with its first byte. Errors are kept, not raised.

    After the first error (disk full, folder not writable) bytes are dropped and counted, so that
    the file holds the beginning of the output without a gap. If the file is deleted, moved or
    truncated meanwhile, what is missing from it counts as dropped, and the rest goes into a new
    file; `losses` says so.
    """

    def __init__(self, files: SpoolFiles | None, suffix: str = "") -> None:
        self._files = files
        self._suffix = suffix
        self._descriptor = -1
        self._size = 0  # of the present file
        self.path: Path | None = None  # of the present file, if there is one
        self.dropped = 0
        self.error: OSError | None = None
        self.losses: list[str] = []

    def write(self, data: bytes) -> None:
        """Append all of `data`; count the bytes that could not be written."""
        if self._files is None or not data:
            return
        self._check()
        rest = memoryview(data)
        try:
            if self.error is None and self._descriptor < 0:
                self._open(self._files)
            while self.error is None and rest:
                written = os.write(self._descriptor, rest)
                self._size += written
                rest = rest[written:]
        except OSError as error:
            self.error = error
        self.dropped += len(rest)

    def close(self) -> None:
        """Close the file, after a last look whether it is still there."""
        self._check()
        self._close()

    def _open(self, files: SpoolFiles) -> None:
        self.path, self._descriptor = files.create(self._suffix)
        self._size = 0

    def _check(self) -> None:
        """Look whether the file is where it was, with all its bytes."""
        if self._descriptor < 0 or self.path is None:
            return
        try:
            ours = os.fstat(self._descriptor)
            there: os.stat_result | None = os.stat(self.path)
        except FileNotFoundError:
            there = None
        except OSError:  # cannot look now
            return
        if there is None or not os.path.samestat(there, ours):
            self._lost(self._size, "moved away" if ours.st_nlink else "deleted")
            self._close()
            self.path = None
        elif there.st_size < self._size:
            self._lost(self._size - there.st_size, "truncated")
            self._size = there.st_size

    def _lost(self, size: int, how: str) -> None:
        self.dropped += size
        self.losses.append(f"its file {self.path} was {how} with {size} bytes of the output in it")

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            try:
                os.close(descriptor)
            except OSError as error:  # a network file system may report a full disk only now
                self.error = self.error or error
