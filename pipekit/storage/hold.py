"""A hold: until a certain time, runs do not begin."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipekit.errors import RunHeldError, StorageError
from pipekit.storage.modes import why_denied
from pipekit.storage.small_file import DAMAGE, LATEST, read_json, write_json
from pipekit.worker._files import PRIVATE

_MAX_BYTES = 20_000  # of the file; pipekit writes fewer
_PAST = 20  # earlier holds that are remembered


class Hold(NamedTuple):
    """Why and until when no run begins. Times are Unix times.

    `starts`: how many runs it has held, the latest at `last`. `past`: from when until when earlier
    holds have held runs, the oldest first.
    """

    since: float
    until: float
    reason: str
    starts: int = 0
    last: float = 0.0
    past: tuple[tuple[float, float], ...] = ()

    @property
    def held(self) -> tuple[tuple[float, float], ...]:
        """From when until when runs were held, by this and by earlier holds."""
        return (*self.past, (self.since, self.last)) if self.starts else self.past

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
        hold = self.latest()
        return hold if hold is not None and now < hold.until < LATEST else None

    def latest(self) -> Hold | None:
        """The latest hold, even if its time is over. Raises StorageError if nobody may read it."""
        try:
            return _hold(**read_json(self.path, _MAX_BYTES))
        except PermissionError as error:
            why = f"{error.strerror}{why_denied(self.path)}"
            msg = f"cannot tell whether runs are held: {self.path}: {why}"
            raise StorageError(msg) from error
        except DAMAGE:
            return None

    def begin(self, now: float, until: float, reason: str) -> Hold:
        """Hold runs from now on. Raises OSError."""
        before = self.latest()
        hold = Hold(now, until, reason, past=before.held[-_PAST:] if before else ())
        self.store(hold)
        return hold

    def store(self, hold: Hold) -> None:
        """Write the hold. Raises OSError."""
        write_json(self.path, hold._asdict(), self._mode)

    def end(self, now: float) -> Hold | None:
        """Hold runs no more; returns the hold if there was one. Raises OSError."""
        hold = self.read(now)
        if hold is not None:
            self.store(hold._replace(until=now))  # what it has held is still asked for
        return hold


def check_hold(folder: Path, mode: int = PRIVATE) -> None:
    """Count a run that is held, and raise RunHeldError for it."""
    file, now = HoldFile(folder, mode), time.time()
    hold = file.read(now)
    if hold is not None:
        hold = hold._replace(starts=hold.starts + 1, last=now)
        with contextlib.suppress(OSError):  # it holds all the same
            file.store(hold)
        raise RunHeldError(str(hold))


def _hold(
    since: float,
    until: float,
    reason: str,
    starts: int,
    last: float,
    past: Sequence[tuple[float, float]] = (),
) -> Hold:
    """Raises ValueError or TypeError for what a file cannot hold."""
    times = tuple((float(begin), float(end)) for begin, end in past)
    return Hold(float(since), float(until), str(reason), int(starts), float(last), times)
