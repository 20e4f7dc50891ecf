"""The published months of a stream: read them, and decide what to do when one cannot be read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from attrs import frozen

from pipekit_merger.layout import StreamMonth
from pipekit_merger.work.coverage import RunFile, needs_published
from pipekit_merger.work.rows import Ints, Rows, Vocabulary, months_of
from pipekit_merger.work.table import decode

_INCOMPLETE = "the run files that are left do not hold all of it"
_RESTORE = "restore a good copy"
_REBUILD = "make it again with `pipekit run --rebuild`"
_ANALYSE = "analyse again with `pipekit run --rebuild`"


class MonthError(Exception):
    """A month that cannot be merged, with the reason and what to do."""


class PublishedMonth(NamedTuple):
    """A month as it is published; without `data` there is none. `zone`: of its times."""

    values: Ints | None = None
    zone: str = ""
    data: bytes | None = None
    damaged: bool = False


@frozen(kw_only=True)
class PublishedMonths:
    """The months of a stream that have a file, and those whose file is `lost`.

    `run_files`: of its instrument, in order. `rebuild`: a damaged month may be replaced.
    """

    stream: str
    folder: str
    existing: frozenset[int]
    lost: frozenset[int]
    run_files: Sequence[RunFile]
    rebuild: bool
    vocabulary: Vocabulary

    def path(self, month: int) -> str:
        """The path of a month's file."""
        return f"{self.folder}/{StreamMonth(self.stream, month).path}"

    def read(self, month: int) -> PublishedMonth:
        """Read a month. Raises MonthError when the merge cannot go on from what is there."""
        if month in self.existing:
            try:
                return self._decoded(month)
            except (OSError, ValueError) as error:
                self._accept_damage(month, error)
                return PublishedMonth(damaged=True)
        if month in self.lost and self._is_needed(month):
            raise MonthError(
                f"{self.path(month)} was published and is missing, and {_INCOMPLETE}: {_RESTORE}, "
                f"or {_ANALYSE}"
            )
        return PublishedMonth()

    def _decoded(self, month: int) -> PublishedMonth:
        with open(self.path(month), "rb") as file:
            data = file.read()
        values, zone = decode(data, self.vocabulary)
        rows = Rows(values, self.vocabulary.words())
        streams = {rows.words["stream"][code] for code in set(rows["stream"].tolist())}
        if streams - {self.stream} or (months_of(rows["date"]) != month).any():
            raise ValueError("it holds rows that are not of its stream and month")
        return PublishedMonth(values, zone, data)

    def _accept_damage(self, month: int, error: OSError | ValueError) -> None:
        """Raise MonthError unless the month can be made again without its file."""
        path = self.path(month)
        reason = f"{path}: {error}" if isinstance(error, ValueError) else str(error)
        if not self.rebuild:
            raise MonthError(
                f"{reason}; it was left as it is, and its run files wait: {_RESTORE}, or {_REBUILD}"
            ) from error
        if self._is_needed(month):
            raise MonthError(f"{reason}; {_INCOMPLETE}: {_RESTORE}, or {_ANALYSE}") from error

    def _is_needed(self, month: int) -> bool:
        return needs_published(self.run_files, StreamMonth(self.stream, month))


def set_aside(path: str) -> str:
    """Rename a damaged file, so that nothing reads it; returns its new path. Raises OSError."""
    aside = f"{path}.unreadable"
    number = 1
    while os.path.exists(aside):
        number += 1
        aside = f"{path}.unreadable-{number}"
    os.rename(path, aside)
    return aside
