"""Merged rows become the files of months."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from pipekit.worker import Publication
from pipekit_merger.work.published import set_aside
from pipekit_merger.work.rows import Ints, Rows
from pipekit_merger.work.table import parquet, to_table


@define
class MergedRows:
    """The rows of some months after the merge, sorted by month and key.

    They are converted together, and only when a month of them is written. `published`: whether a
    row was in the published month and no run file covers it.
    """

    _rows: Rows
    _month: Ints
    _published: NDArray[np.bool_]
    _tables: dict[str, Any] = field(factory=dict)  # by zone

    def file(self, month: int, zone: str) -> Any:
        """The Parquet file of a month, in a buffer."""
        if zone not in self._tables:
            self._tables[zone] = to_table(self._rows, zone)
        which = self._of(month)
        return parquet(self._tables[zone].slice(which.start, which.stop - which.start))

    def published_rows(self, month: int) -> int:
        """How many rows of a month no run file covers."""
        return int(self._published[self._of(month)].sum())

    def span(self, month: int) -> dict[str, int | str]:
        """The number of rows of a month, and its first and last date, as reported."""
        days = self._rows["date"][self._of(month)]
        if not len(days):
            return {"rows": 0}
        first, last = (str(day.astype("M8[D]")) for day in (days.min(), days.max()))
        return {"rows": len(days), "first": first, "last": last}

    def _of(self, month: int) -> slice:
        start, end = np.searchsorted(self._month, [month, month + 1]).tolist()
        return slice(start, end)


def write_month(publication: Publication, data: Any, *, damaged: bool) -> str:
    """Write a month and place it; returns a warning, or "". Raises OSError.

    A `damaged` file that stands in its place is set aside first.
    """
    aside = set_aside(publication.path) if damaged else ""
    try:
        publication.begin().write(data)
        publication.place()
    finally:
        publication.discard()
    return f"{publication.path} could not be read; it was kept as {aside}" if aside else ""
