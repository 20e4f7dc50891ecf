"""Reads and writes published months, and decides what to do if one cannot be read."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from attrs import frozen

from pipekit.worker import Publication
from pipekit_merger.layout import StreamMonth
from pipekit_merger.request import Request
from pipekit_merger.work.coverage import RunFile, needs_published
from pipekit_merger.work.rows import Ints, Rows, Vocabulary, months_of
from pipekit_merger.work.table import decode

_INCOMPLETE = "the run files to merge now do not hold all of its rows"
_RESTORE = "restore a good copy"
_REBUILD = "rebuild it with `pipekit run --rebuild`"
_ANALYZE = "compute it again with `pipekit run --rebuild --from analyzer`"


class MonthError(Exception):
    """A month that cannot be merged, with the reason and what to do."""


class PublishedMonth(NamedTuple):
    """A month as published; `data` is None if there is no file. `zone`: of its times."""

    values: Ints | None = None
    zone: str = ""
    data: bytes | None = None
    damaged: bool = False


@frozen(kw_only=True)
class PublishedMonths:
    """The months that have a file, and the run files of an instrument, in order."""

    request: Request
    existing: Collection[StreamMonth]
    run_files: Sequence[RunFile]
    vocabulary: Vocabulary

    def path(self, month: StreamMonth) -> str:
        """The path of a month's file."""
        return f"{self.request.merged}/{month.path}"

    def read(self, month: StreamMonth) -> PublishedMonth:
        """Read a month. Raises MonthError if the merge cannot continue from the existing file."""
        if month in self.existing:
            try:
                return self._decoded(month)
            except (OSError, ValueError) as error:
                self._accept_damage(month, error)
                return PublishedMonth(damaged=True)
        if month in self.request.lost and needs_published(self.run_files, month):
            raise MonthError(
                f"{self.path(month)} was published and is missing, and {_INCOMPLETE}: {_RESTORE}, "
                f"or {_ANALYZE}"
            )
        return PublishedMonth()

    def _decoded(self, month: StreamMonth) -> PublishedMonth:
        with open(self.path(month), "rb") as file:
            data = file.read()
        values, zone = decode(data, self.vocabulary)
        rows = Rows(values, self.vocabulary.words())
        streams = {rows.words["stream"][code] for code in set(rows["stream"].tolist())}
        if streams - {month.stream} or (months_of(rows["date"]) != month.month).any():
            raise ValueError("it holds rows that are not of its stream and month")
        return PublishedMonth(values, zone, data)

    def _accept_damage(self, month: StreamMonth, error: OSError | ValueError) -> None:
        """Raise MonthError unless the month can be rebuilt without its file."""
        path = self.path(month)
        reason = f"{path}: {error}" if isinstance(error, ValueError) else str(error)
        if not self.request.rebuild:
            raise MonthError(
                f"{reason}; it was left as it is, and its run files wait: {_RESTORE}, or {_REBUILD}"
            ) from error
        if needs_published(self.run_files, month):
            raise MonthError(f"{reason}; {_INCOMPLETE}: {_RESTORE}, or {_ANALYZE}") from error


def _set_aside(path: str) -> str:
    """Rename a damaged file, so that nothing reads it; returns its new path. Raises OSError."""
    aside = f"{path}.unreadable"
    number = 1
    while os.path.exists(aside):
        number += 1
        aside = f"{path}.unreadable-{number}"
    os.rename(path, aside)
    return aside


def write_month(publication: Publication, data: Any, *, damaged: bool) -> str:
    """Write a month's temporary file; returns a warning, or "". Raises OSError.

    A `damaged` file in its place is set aside first.
    """
    aside = _set_aside(publication.path) if damaged else ""
    publication.begin().write(data)
    return f"{publication.path} could not be read; it was kept as {aside}" if aside else ""


def place_month(publication: Publication, written: Future[str]) -> str:
    """Put a month that `write_month` has written in its place; returns its warning.

    Raises OSError, also that of `write_month`.
    """
    try:
        warning = written.result()
        publication.place()
    finally:
        publication.discard()
    return warning
