"""What somebody has looked at: `pipekit status` shows it no more."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pipekit.storage.small_file import DAMAGE, LATEST, read_json, write_json
from pipekit.worker._files import PRIVATE

_MAX_BYTES = 20_000  # of the file; pipekit writes fewer


class Acknowledged(NamedTuple):
    """All of the runs up to this one, and the runs refused up to this time (Unix time).

    `rows` and `refused`: how many rows set aside and refused runs these and earlier ones were.
    """

    run: int = 0
    run_id: str = ""
    at: float = 0.0
    reason: str = ""
    rows: int = 0
    refused: int = 0


class AcknowledgedFile:
    """The file `acknowledged.json` in the state folder. Damaged or missing, all is still to see."""

    def __init__(self, folder: Path, mode: int = PRIVATE) -> None:
        self.path = folder / "acknowledged.json"
        self._mode = mode

    def read(self) -> Acknowledged:
        """What was acknowledged last."""
        try:
            return _acknowledged(**read_json(self.path, _MAX_BYTES))
        except DAMAGE:
            return Acknowledged()

    def store(self, acknowledged: Acknowledged) -> None:
        """Write it. Raises OSError."""
        write_json(self.path, acknowledged._asdict(), self._mode)


def _acknowledged(
    run: int, run_id: str, at: float, reason: str, rows: int, refused: int
) -> Acknowledged:
    """Raises ValueError or TypeError for what a file cannot hold."""
    found = Acknowledged(int(run), str(run_id), float(at), str(reason), int(rows), int(refused))
    if not 0 <= found.at < LATEST:
        raise ValueError(f"invalid time {at}")
    return found
