"""A file that a run appends to: written again when it is deleted or moved away meanwhile."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from pipekit.model.place import Place
from pipekit.worker._files import PRIVATE, make_folder, open_own

_BLOCK = 64 * 1024
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT


class KeptFile:
    """An open file that must stay at its path. Raises OSError if it cannot be opened.

    `mode`: of a new file. `within`: if that folder is gone, neither the file nor its folder is made
    again. `notices`: what happened to it, as clauses. `size`: what was there when it was opened and
    what was appended since, to be counted by who appends.
    """

    def __init__(self, path: Path, mode: int = PRIVATE, within: Place | None = None) -> None:
        self.path = path
        self.notices: list[str] = []
        self._mode = mode
        self._within = within
        make_folder(path.parent, mode)
        self.descriptor = open_own(path, _FLAGS, mode)
        self.size = os.fstat(self.descriptor).st_size

    def has_grown(self) -> bool:
        """Whether somebody else has appended to it."""
        return os.fstat(self.descriptor).st_size > self.size

    def look(self) -> bool:
        """Look whether it is still there, with all its bytes; if it is not, write it again.

        Returns whether it is another file now, with another descriptor. Raises OSError if that is
        impossible; the descriptor then still leads to the old file.
        """
        try:
            ours = os.fstat(self.descriptor)
            there = os.stat(self.path)
        except FileNotFoundError:
            self._write_again(ours)
            return True
        except OSError:  # cannot look now
            return False
        if not os.path.samestat(there, ours):
            self._write_again(ours)
            return True
        if there.st_size < self.size:
            self.notices.append(f"was truncated: {self.size - there.st_size} bytes are lost")
            self.size = there.st_size
        return False

    def _write_again(self, ours: os.stat_result) -> None:
        if self._within is not None and not self._within.is_there():
            raise FileNotFoundError(errno.ENOENT, f"{self._within.path} was renamed or deleted")
        make_folder(self.path.parent, self._mode)
        new = open_own(self.path, _FLAGS, self._mode)
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
