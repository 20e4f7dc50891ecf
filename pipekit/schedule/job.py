"""What a scheduler is to do: which command, when, for which project."""

from __future__ import annotations

import os
import re
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

from pipekit.errors import UsageError
from pipekit.model.timetable import Timetable

_NAME = 40  # characters of the folder's name in a job's name
_MARGIN = 60.0  # seconds that a run needs at its end besides the grace of its programs


class Job(NamedTuple):
    """A scheduled `pipekit run`.

    `name`: of this project and no other. `log`: where a scheduler that has no log of its own sends
    what the run prints. `stop_time`: seconds that a run may take to stop. `partial_is_success`:
    whether exit code 1 is none of the scheduler's concern. `watched`: folders in which a new file
    starts a run as well. `user`: who runs it, where the scheduler does not know. `credential`: the
    name of one that systemd passes to it.
    """

    name: str
    root: Path
    argv: tuple[str, ...]
    timetable: Timetable
    log: Path
    stop_time: float = 10.0 + _MARGIN
    partial_is_success: bool = False
    watched: tuple[Path, ...] = ()
    user: str = ""
    credential: str = ""


def job_name(root: Path) -> str:
    """The folder's name and a checksum of its path, since two projects may have one name."""
    folder = re.sub(r"[^A-Za-z0-9_-]+", "-", root.name)[:_NAME].strip("-") or "project"
    return f"pipekit-{folder}-{zlib.crc32(os.fsencode(root)):08x}"


def is_job_name(name: str) -> bool:
    """Whether `job_name` makes such names; others may be names of anything, or paths."""
    return re.fullmatch(r"pipekit-[A-Za-z0-9_-]+-[0-9a-f]{8}", name) is not None


def command_line(root: Path) -> tuple[str, ...]:
    """The command of a scheduled run; it works in an empty environment.

    Raises UsageError for a path that a scheduler's files cannot hold.
    """
    words = (_interpreter(), "-P", "-m", "pipekit", "-C", str(root), "run", "--quiet-idle")
    for word in words:
        if any(ord(letter) < ord(" ") or "\ud800" <= letter <= "\udfff" for letter in word):
            raise UsageError(f"a scheduler cannot start {word!r}: rename the folder")
    return words


def stop_time(graces: list[float]) -> float:
    """Seconds that a run may take to stop, if its programs have these graces."""
    return max(graces, default=10.0) + _MARGIN


def _interpreter() -> str:
    """This Python; on Windows the one that opens no console window."""
    windowless = Path(sys.executable).with_name("pythonw.exe")
    return str(windowless) if sys.platform == "win32" and windowless.exists() else sys.executable
