"""The file with what scheduled runs print, where the scheduler has no log of its own (launchd)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pipekit.worker._files import open_own

LOG_NAME = "scheduled.log"  # in the folder of logs
_MOST, _KEPT = 1 << 20, 1 << 18  # bytes: when it is shortened, and to how many


def shorten_log(logs: Path) -> None:
    """Keep only the end of a long log: launchd itself never shortens it."""
    with contextlib.suppress(OSError), open(open_own(logs / LOG_NAME, os.O_RDWR), "r+b") as file:
        if file.seek(0, os.SEEK_END) > _MOST:
            file.seek(-_KEPT, os.SEEK_END)
            end = file.read().partition(b"\n")[2]
            file.seek(0)
            file.truncate()  # launchd appends to this very file, so it is not replaced
            file.write(end)
