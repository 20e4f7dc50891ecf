"""What was told of each expectation last: the file `expect.json` in the state folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pipekit.model.run import Paths
from pipekit.storage.small_file import DAMAGE, read_json, write_json

_MAX_BYTES = 10_000_000  # of the file; pipekit writes fewer


def told_file(paths: Paths) -> Path:
    """The path of the file; it exists if anything has been expected."""
    return paths.state / "expect.json"


class Told(NamedTuple):
    """The last change of an expectation. Times are Unix times.

    `stale`: whether it was broken. `since`: when that was noticed. `text`: the event's. `run_id`:
    the run that emits it. `done`: whether it is known to be in that run's journal. `newest`: when
    the newest file came, as far as is known, since it may have been removed by now.
    """

    stale: bool = False
    since: float = 0.0
    text: str = ""
    run_id: str = ""
    done: bool = True
    newest: float = 0.0


class ToldFile:
    """The file `expect.json`. Damaged or missing, nothing was told yet."""

    def __init__(self, paths: Paths) -> None:
        self.path = told_file(paths)
        self._mode = paths.file_mode

    def read(self) -> dict[str, Told]:
        """What was told, by the key of the expectation."""
        try:
            entries = read_json(self.path, _MAX_BYTES)
            return {str(key): _told(**entry) for key, entry in entries.items()}
        except DAMAGE:
            return {}

    def store(self, told: Mapping[str, Told]) -> None:
        """Write it as a whole. Raises OSError."""
        entries = {key: each._asdict() for key, each in told.items()}
        write_json(self.path, entries, self._mode)


def _told(stale: bool, since: float, text: str, run_id: str, done: bool, newest: float) -> Told:
    """Raises ValueError or TypeError for what a file cannot hold."""
    return Told(bool(stale), float(since), str(text), str(run_id), bool(done), float(newest))
