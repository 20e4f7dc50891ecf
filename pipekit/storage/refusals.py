"""Runs that were refused before they began; the ledger has no row for them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

from pipekit.storage.small_file import DAMAGE, read_json, write_json
from pipekit.worker._files import PRIVATE

_KEPT = 20  # refusals; equal ones in a row are counted as one
_LONGEST = 2000  # characters of an error
_MAX_BYTES = _KEPT * 10 * _LONGEST  # of the file; pipekit writes fewer


class Refusal(NamedTuple):
    """Why a run was refused, and how often in a row; times are Unix times.

    `after`: the number of the latest run then, 0 if there was none, None if it is not known.
    """

    first: float
    last: float
    times: int
    exit_code: int
    error: str
    after: int | None = None


class Refusals:
    """The file `refused.json` in the state folder. Damaged or missing, it counts as empty."""

    def __init__(self, folder: Path, mode: int = PRIVATE) -> None:
        self.path = folder / "refused.json"
        self._mode = mode

    def read(self) -> list[Refusal]:
        """The latest refusals, oldest first."""
        try:
            return [_refusal(**entry) for entry in read_json(self.path, _MAX_BYTES)]
        except DAMAGE:
            return []

    def add(self, error: str, exit_code: int, now: float, after: int | None = None) -> None:
        """Note a refusal, if the folder can be written to. `after`: see `Refusal`."""
        known = self.read()
        new = Refusal(now, now, times=1, exit_code=exit_code, error=error[:_LONGEST], after=after)
        if known and known[-1].error == new.error:
            before = known.pop()
            new = new._replace(first=before.first, times=before.times + 1)
        entries = [entry._asdict() for entry in [*known, new][-_KEPT:]]
        with contextlib.suppress(OSError):
            write_json(self.path, entries, self._mode)


def _refusal(
    first: float, last: float, times: int, exit_code: int, error: str, after: int | None = None
) -> Refusal:
    """Raises ValueError or TypeError for what a file cannot hold."""
    number = None if after is None else int(after)
    return Refusal(float(first), float(last), int(times), int(exit_code), str(error), number)
