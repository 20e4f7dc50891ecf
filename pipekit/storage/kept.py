"""A file that a run appends to: written again when it is deleted or moved away meanwhile."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from pipekit.model.place import Place

_BLOCK = 64 * 1024
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT


class KeptFile:
    """An open file that must stay at its path. Raises OSError if it cannot be opened.

    `within`: if that folder is gone, neither the file nor its folder is made again. `notices`: what
    happened to it, as clauses.
    """

    def __init__(self, path: Path, within: Place | None = None) -> None:
        self.path = path
        self.notices: list[str] = []
        self._within = within
        path.parent.mkdir(parents=True, exist_ok=True)
        self.descriptor = os.open(path, _FLAGS, 0o644)
        self._size = os.fstat(self.descriptor).st_size

    def wrote(self, size: int) -> None:
        """Note that so many bytes were appended."""
        self._size += size

    def look(self) -> None:
        """Look whether it is still there, with all its bytes; if it is not, write it again.

        Raises OSError if that is impossible; the descriptor then still leads to the old file.
        """
        try:
            ours = os.fstat(self.descriptor)
            there = os.stat(self.path)
        except FileNotFoundError:
            self._write_again(ours)
            return
        except OSError:  # cannot look now
            return
        if not os.path.samestat(there, ours):
            self._write_again(ours)
        elif there.st_size < self._size:
            self.notices.append(f"was truncated: {self._size - there.st_size} bytes are lost")
            self._size = there.st_size

    def _write_again(self, ours: os.stat_result) -> None:
        if self._within is not None and not self._within.is_there():
            raise FileNotFoundError(errno.ENOENT, f"{self._within.path} was renamed or deleted")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = os.open(self.path, _FLAGS, 0o644)
        try:
            if os.fstat(new).st_size:
                raise FileExistsError(errno.EEXIST, "another file has taken its place")
            self._copy_to(new)
        except OSError:
            os.close(new)
            raise
        os.close(self.descriptor)
        self.descriptor = new
        how = "moved away" if ours.st_nlink else "deleted"
        self.notices.append(f"was {how} during the run, and written again")

    def _copy_to(self, new: int) -> None:
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        while block := os.read(self.descriptor, _BLOCK):
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(new, rest) :]

    def close(self) -> None:
        """Close it; nothing is buffered."""
        os.close(self.descriptor)
