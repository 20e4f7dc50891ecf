"""What somebody has looked at: `pipekit status` shows it no more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipekit.storage.small_file import DAMAGE, LATEST, read_json, write_json
from pipekit.worker._files import PRIVATE

if TYPE_CHECKING:
    from pipekit.storage.refusals import Refusal

_MAX_BYTES = 20_000  # of the file; pipekit writes fewer


class Acknowledged(NamedTuple):
    """All of the runs up to this one, and these refusals, at this time (Unix time).

    `rows` and `refused`: how many rows set aside and refused runs these and earlier ones were.
    `refusals`: when each came first, and how often by then. None in what an earlier version wrote:
    then it is all of them up to that time.
    """

    run: int = 0
    run_id: str = ""
    at: float = 0.0
    reason: str = ""
    rows: int = 0
    refused: int = 0
    refusals: tuple[tuple[float, int], ...] | None = None

    def has(self, refusal: Refusal, now: float) -> bool:
        """Whether somebody has looked at it; one that came again since is to be looked at again."""
        if self.refusals is None:
            return refusal.last <= self.at <= now  # else the clock was wrong
        return (refusal.first, refusal.times) in self.refusals

    def with_refusals(self, refused: Iterable[Refusal]) -> Acknowledged:
        """The same, with these refusals."""
        return self._replace(refusals=tuple((each.first, each.times) for each in refused))


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
    run: int,
    run_id: str,
    at: float,
    reason: str,
    rows: int,
    refused: int,
    refusals: Sequence[tuple[float, int]] | None = None,
) -> Acknowledged:
    """Raises ValueError or TypeError for what a file cannot hold."""
    found = Acknowledged(int(run), str(run_id), float(at), str(reason), int(rows), int(refused))
    if not 0 <= found.at < LATEST:
        raise ValueError(f"invalid time {at}")
    if refusals is None:
        return found
    return found._replace(refusals=tuple((float(first), int(n)) for first, n in refusals))
