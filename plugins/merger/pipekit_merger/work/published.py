"""Reads and writes published months, and decides what to do if one cannot be read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from attrs import define, frozen

from pipekit.worker import Publication, staged
from pipekit_merger.layout import StreamMonth
from pipekit_merger.request import Request
from pipekit_merger.work.coverage import RunFile, needs_published
from pipekit_merger.work.rows import Ints, Rows, Vocabulary, months_of
from pipekit_merger.work.table import decode

_INCOMPLETE = "the run files to merge now do not hold all of its rows"
_RESTORE = "restore a good copy"
_REBUILD = "rebuild it with `pipekit run --rebuild`"
_LEFT = "it was left as it is, and its run files wait"
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
        if isinstance(error, PermissionError) and not os.path.isdir(path):
            raise MonthError(f"{reason}; {_LEFT}: let the user who runs pipekit read it") from error
        is_whole = any(run_file.is_pending(month) for run_file in self.run_files)
        if is_whole and not needs_published(self.run_files, month):
            return
        if self.request.rebuild or month in self.request.altered:
            raise MonthError(f"{reason}; {_INCOMPLETE}: {_RESTORE}, or {_ANALYZE}") from error
        raise MonthError(f"{reason}; {_LEFT}: {_RESTORE}, or {_REBUILD}") from error


def set_aside(path: str) -> str:
    """Rename a damaged file, so that nothing reads it; returns its new path. Raises OSError.

    A node of a cluster leaves it in its place, and copies it.
    """
    aside = _free(f"{path}.unreadable")
    if (there := staged(aside)) != aside:
        shutil.copyfile(path, there)
    else:
        os.rename(path, aside)
    return aside


def _free(path: str) -> str:
    """A path that does not exist yet: this one, or with a number."""
    found, number = path, 1
    while os.path.lexists(found):
        number += 1
        found = f"{path}-{number}"
    return found


@define
class MonthFile:
    """A month's file while it is published. `data`: its bytes. `error`: why it could not be.

    A `damaged` file in its place is set aside first. `changed`: the bytes of one that somebody
    changed; they are kept beside it.
    """

    publication: Publication
    data: Any
    damaged: bool
    changed: bytes | None = None
    warning: str = ""
    error: OSError | None = None

    def write(self) -> None:
        """Write the temporary file."""
        path = self.publication.path
        try:
            if self.damaged:
                self.warning = f"{path} could not be read; it was kept as {set_aside(path)}"
            elif self.changed is not None:
                aside = _free(f"{path}.changed")
                with open(aside, "xb") as file:
                    file.write(self.changed)
                self.warning = f"{self.warning}; as it was, it was kept as {aside}"
            self.publication.begin().write(self.data)
        except OSError as error:
            self.error = error

    def place(self) -> None:
        """Put the temporary file in its place, unless it could not be written."""
        try:
            if self.error is None:
                self.publication.place()
        except OSError as error:
            self.error = error
        finally:
            self.publication.discard()


def write_months(files: Sequence[MonthFile]) -> Sequence[MonthFile]:
    """Write the temporary files of some months; returns them."""
    for file in files:
        file.write()
    return files


def place_months(written: Future[Sequence[MonthFile]]) -> None:
    """Put months that `write_months` has written in their places."""
    for file in written.result():
        file.place()
