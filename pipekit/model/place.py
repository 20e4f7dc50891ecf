"""A folder that must stay where it is: noticed when it is renamed, deleted or replaced."""

from __future__ import annotations

import os
from pathlib import Path


class Place:
    """A folder as it is now: the path and the identity of what is there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity = _identity(path)

    def is_there(self) -> bool:
        """Whether the same folder is still at its path."""
        return self._identity is not None and _identity(self.path) == self._identity


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        there = os.stat(path)
    except OSError:
        return None
    return there.st_dev, there.st_ino
