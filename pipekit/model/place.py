"""A folder that must stay where it is: noticed when it is renamed, deleted or replaced."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_DRIVE_REMOTE = 4  # as GetDriveType of Windows says


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


def is_on_share(path: Path) -> bool:
    """Whether a folder is on another machine. Only Windows tells."""
    if sys.platform != "win32":
        return False
    import ctypes  # only on Windows

    drive = os.path.splitdrive(os.path.realpath(path))[0]
    unc = drive.startswith("\\\\") and not drive.startswith(("\\\\?\\", "\\\\.\\"))
    return unc or ctypes.windll.kernel32.GetDriveTypeW(f"{drive}\\") == _DRIVE_REMOTE
