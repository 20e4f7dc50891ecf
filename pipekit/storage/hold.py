"""A hold: until a certain time, runs do not begin."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import NamedTuple

from pipekit.errors import RunHeldError
from pipekit.model.text import json_text
from pipekit.worker import Publication
from pipekit.worker._files import PRIVATE, open_own

_MAX_BYTES = 20_000  # of the file; pipekit writes fewer
_LATEST = 1e11  # Unix time: the year 5138; far later ones cannot be written as a date


class Hold(NamedTuple):
    """Why and until when no run begins. Times are Unix times.

    `starts`: how many runs it has held, the latest at `last`.
    """

    since: float
    until: float
    reason: str
    starts: int = 0
    last: float = 0.0

    def __str__(self) -> str:
        until = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.until))
        starts = f"{self.starts} start{'' if self.starts == 1 else 's'} held so far; "
        return (
            f"no run begins until {until} ({self.reason}); {starts * bool(self.starts)}"
            "`pipekit release` ends this"
        )


class HoldFile:
    """The file `hold.json` in the state folder. Damaged or missing, nothing is held."""

    def __init__(self, folder: Path, mode: int = PRIVATE) -> None:
        self.path = folder / "hold.json"
        self._mode = mode

    def read(self, now: float) -> Hold | None:
        """The hold, unless there is none or its time is over."""
        try:
            with open(open_own(self.path, os.O_RDONLY), "rb") as file:
                hold = _hold(**json.loads(file.read(_MAX_BYTES)))
        except (OSError, ValueError, TypeError, OverflowError, RecursionError):
            return None
        return hold if now < hold.until < _LATEST else None

    def store(self, hold: Hold) -> None:
        """Hold runs. Raises OSError."""
        with Publication(self.path, reported=False, mode=self._mode) as file:
            file.write(json_text(hold._asdict(), indent=1).encode())

    def remove(self) -> None:
        """Hold runs no more. Raises OSError."""
        self.path.unlink(missing_ok=True)


def check_hold(folder: Path, mode: int = PRIVATE) -> None:
    """Count a run that is held, and raise RunHeldError for it."""
    file, now = HoldFile(folder, mode), time.time()
    hold = file.read(now)
    if hold is not None:
        hold = hold._replace(starts=hold.starts + 1, last=now)
        with contextlib.suppress(OSError):  # it holds all the same
            file.store(hold)
        raise RunHeldError(str(hold))


def _hold(since: float, until: float, reason: str, starts: int, last: float) -> Hold:
    """Raises ValueError or TypeError for what a file cannot hold."""
    return Hold(float(since), float(until), str(reason), int(starts), float(last))
