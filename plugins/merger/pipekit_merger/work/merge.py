"""Merge run files into the months of one stream.

A run file states a *scope*: the variants, slots and dates that its analysis covered. It replaces
everything in its scope, so a trade that the new analysis no longer finds is removed. So:

1. Find the months to merge: those that a run file has rows for, and those in its scope that have a
   file, or had one.
2. Put the published rows and the rows of the run files of a few months into one matrix. The
   *source* of a row is the number of its run file (1, 2, ... in the order of the runs), or 0 for a
   published row.
3. For each row's key (instrument, variant, session, slot, date), find the last run file whose scope
   covers it (`Coverage`); 0 if none does.
4. Keep the rows whose source is exactly that file. All others are replaced or removed.
5. Compare with the published rows, and publish the months that changed.

For example, one slot of ES1, where run file 1 covers the 6th to the 8th and run file 2 the 7th:

    date   published   file 1   file 2   covered by   kept
    3rd       +10                            0        +10, unchanged
    6th        +5        +4                  1         +4, updated
    7th        -3        -3       -2         2         -2, updated
    8th        +1                            1        nothing: removed
"""

from __future__ import annotations

import os
from collections import defaultdict
from concurrent.futures import Executor
from enum import IntEnum
from typing import Any

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from pipekit.worker import Publication, hasher, sync_folders
from pipekit_merger.layout import StreamMonth
from pipekit_merger.work.buffer import RowBuffer
from pipekit_merger.work.coverage import PUBLISHED, Coverage, RunFile
from pipekit_merger.work.published import (
    MonthError,
    MonthFile,
    PublishedMonth,
    PublishedMonths,
    place_months,
    write_months,
)
from pipekit_merger.work.rows import Ints, Rows, empty, months_of, sort_key, with_sorted_words
from pipekit_merger.work.summary import SummedMonths
from pipekit_merger.work.table import parquet, to_table

ROWS_TOGETHER = 131_072  # rows of run files merged at once, in whole months; about 800 bytes each
MONTHS_TOGETHER = 60  # merged at once, at most: their published rows come on top of ROWS_TOGETHER
FILES_TOGETHER = 16  # of months, written by one thread: each change of threads takes time


class Change(IntEnum):
    """The fate of a row, published or from a run file.

    REPLACED: not counted. A published row whose key a kept row of a run file has, or a row of a run
    file that is not kept.
    """

    REPLACED = 0
    UNCHANGED = 1
    UPDATED = 2
    NEW = 3
    REMOVED = 4


class MergeError(Exception):
    """Months of a stream that could not be merged, each with its reason and what to do."""


@define
class MergedRows:
    """The rows of some months after the merge, sorted by month and key.

    They are converted together, and only when a month of them is written. `published`: whether a
    row is that of the published month, because no pending run file decides on it.
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

    def before(self, month: int) -> Rows:
        """The rows of the months before this one."""
        return self._rows.first(int(np.searchsorted(self._month, month)))

    def published_rows(self, month: int) -> int:
        """How many rows of a month no pending run file decides on."""
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


@define(kw_only=True)
class StreamMerge:
    """The merge of one stream: its inputs and, after `run`, its results.

    `published`: the existing months, and the run files of the instrument, whose rows are in
    `buffer`. `disks`: threads that place finished files. `summed`: receives the merged months.

    `months`: those to merge. `done`: those that were merged. `publications`: their files. `counts`:
    rows by Change. `kept`: number of published rows that no pending run file decides on.
    """

    stream: str
    buffer: RowBuffer
    published: PublishedMonths
    disks: Executor
    summed: SummedMonths
    months: frozenset[int] = field(init=False)
    done: set[int] = field(factory=set)
    publications: list[Publication] = field(factory=list)
    counts: Ints = field(factory=lambda: np.zeros(len(Change), np.int64))
    kept: int = 0
    warnings: list[str] = field(factory=list)
    _failed: dict[int, str] = field(factory=dict)
    _rows: int = field(init=False)  # in the buffer
    _covering: dict[int, list[RunFile]] = field(init=False)  # by month, in order

    def __attrs_post_init__(self) -> None:
        buffered = self.buffer.counts(self.stream)
        self._rows = sum(sum(counts.values()) for counts in buffered.values())
        run_files = self.published.run_files
        by_number = {run_file.number: run_file for run_file in run_files}
        there = (*self.published.existing, *self.published.request.lost)
        months = {month.month for month in there if month.stream == self.stream}
        for month, counts in buffered.items():
            if any(by_number[number].is_pending(self.stream_month(month)) for number in counts):
                months.add(month)
        self._covering = defaultdict(list)
        for run_file in run_files:
            for month in run_file.scope.months(months):
                self._covering[month].append(run_file)
        self.months = frozenset(
            month for month in months if self._pending_files(month) or self._is_altered(month)
        )

    def stream_month(self, month: int) -> StreamMonth:
        """One of its months, with the stream."""
        return StreamMonth(self.stream, month)

    def run(self) -> None:
        """Merge and publish the months. Raises MergeError if some could not be."""
        months = sorted(self.months)
        size = ROWS_TOGETHER * len(months) // max(self._rows, 1)
        size = max(1, min(size, MONTHS_TOGETHER))
        for start in range(0, len(months), size):
            self._merge(months[start : start + size])
        written = {os.path.dirname(p.target): p.target for p in self.publications if p.changed}
        list(self.disks.map(sync_folders, ([path] for path in written.values())))
        if self._failed:
            raise MergeError("; ".join(self._failed[month] for month in sorted(self._failed)))

    def _merge(self, months: list[int]) -> None:
        """Steps 2 to 5 for some months."""
        before = self._read_published(months)
        if not before:
            return
        pending, numbers = self.buffer.read(self.stream, before)
        published = [month.values for month in before.values() if month.values is not None]
        matrix = np.concatenate([empty(), *published, *pending], axis=1)
        rows = with_sorted_words(matrix, self.buffer.vocabulary)
        source = np.full(len(rows), PUBLISHED, np.int64)
        source[len(source) - len(numbers) :] = numbers
        coverage = Coverage(rows)
        coverage.cover_all(self.published.run_files, self.stream)
        keep = coverage.decisive() == source

        month, key = months_of(rows["date"]), sort_key(rows)
        change = _classify(rows, key, source, keep)
        counts = np.zeros((len(before), len(Change)), np.int64)
        np.add.at(counts, (np.searchsorted(sorted(before), month), change), 1)
        kept = np.flatnonzero(keep)
        kept = kept[np.lexsort((key[kept], month[kept]))]
        merged = MergedRows(rows.take(kept), month[kept], source[kept] == PUBLISHED)
        self._publish(before, merged, dict(zip(sorted(before), counts, strict=True)))
        if self.published.request.summary:
            self._sum_up(sorted(before), merged)

    def _sum_up(self, months: list[int], merged: MergedRows) -> None:
        """Add merged months to the sums, up to the first month that is only in its file."""
        others = (month for month in self.published.existing if month.stream == self.stream)
        end = min({month.month for month in others} - self.months, default=months[-1] + 1)
        done = [self.stream_month(month) for month in months if month < end and month in self.done]
        found = {publication.path: publication.fingerprint for publication in self.publications}
        fingerprints = {month: found[self.published.path(month)] for month in done}
        self.summed.add(merged.before(end), fingerprints)

    def _read_published(self, months: list[int]) -> dict[int, PublishedMonth]:
        """The months as they are published, without those that cannot be merged."""
        found = {}
        for month in months:
            try:
                found[month] = self.published.read(self.stream_month(month))
            except MonthError as error:
                self._failed[month] = str(error)
        return found

    def _publish(
        self, before: dict[int, PublishedMonth], merged: MergedRows, counts: dict[int, Ints]
    ) -> None:
        """Publish the merged months that differ from those before.

        All are written before the first is synced: the file system then commits them together.
        """
        files = {
            month: self._file(month, before[month], merged, counts[month])
            for month in sorted(before)
        }
        changed = [file for file in files.values() if file.publication.changed]
        starts = range(0, len(changed), FILES_TOGETHER)
        some = (changed[start : start + FILES_TOGETHER] for start in starts)
        writing = [self.disks.submit(write_months, each) for each in some]
        for placed in [self.disks.submit(place_months, written) for written in writing]:
            placed.result()
        for month, file in files.items():
            if file.error is not None:
                reason = file.error.strerror or file.error
                self._failed[month] = f"{file.publication.path} cannot be written ({reason})"
                continue
            self.warnings += [file.warning] if file.warning else []
            self.done.add(month)
            self.publications.append(file.publication)
            self.counts += counts[month]
            self.kept += merged.published_rows(month)

    def _file(
        self, month: int, before: PublishedMonth, merged: MergedRows, counts: Ints
    ) -> MonthFile:
        """A month's file, not written yet."""
        pending = self._pending_files(month)
        zones = [run_file.zone for run_file in (*self._covering[month][-1:], *pending[-1:])]
        zone = zones[0] if zones and zones[0] else before.zone or zones[-1]
        altered = self._is_altered(month)
        publication = Publication(
            self.published.path(self.stream_month(month)),
            sources=[run_file.path for run_file in pending],
            detail={"series": self.stream, **merged.span(month)},
        )
        changed = counts[[Change.NEW, Change.UPDATED, Change.REMOVED]].any()
        data: Any = before.data
        if self.published.request.rebuild or altered or changed or zone != before.zone:
            data = merged.file(month, zone)
        publication.fingerprint = hasher(data).hexdigest()
        publication.changed = before.data is None or data != before.data
        file = MonthFile(publication, data, before.damaged)
        if altered and changed and not before.damaged:
            file.warning = f"{publication.path} was changed after it was published: {_told(counts)}"
            if counts[[Change.UPDATED, Change.REMOVED]].any():
                file.changed = before.data
        return file

    def _is_altered(self, month: int) -> bool:
        """Whether the month's file is not as it was published."""
        return self.stream_month(month) in self.published.request.altered

    def _pending_files(self, month: int) -> list[RunFile]:
        """The run files that cover a month and are still to be merged into it, in order."""
        wanted = self.stream_month(month)
        return [run_file for run_file in self._covering[month] if run_file.is_pending(wanted)]


def _told(counts: Ints) -> str:
    """What a merge did to a month, by its counts."""
    done = {Change.NEW: "put back", Change.UPDATED: "changed back", Change.REMOVED: "removed"}
    texts = [f"{int(counts[change]):,} {word}" for change, word in done.items() if counts[change]]
    return f"rows {', '.join(texts)}"


def _classify(rows: Rows, key: Ints, source: Ints, kept: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The Change of each row.

    `key`: equal for rows that stand for the same trade. `source`: the number of the row's run file,
    or PUBLISHED. `kept`: whether the row is in the month after the merge.
    """
    published = np.flatnonzero(source == PUBLISHED)
    fresh = np.flatnonzero(kept & (source != PUBLISHED))
    change = np.full(len(source), Change.REPLACED, np.int8)
    change[published] = np.where(kept[published], Change.UNCHANGED, Change.REMOVED)
    change[fresh] = Change.NEW
    if not len(published):
        return change
    published = published[np.argsort(key[published], kind="stable")]
    at = np.minimum(np.searchsorted(key[published], key[fresh]), len(published) - 1)
    before = published[at]
    same_key = key[before] == key[fresh]
    before, fresh = before[same_key], fresh[same_key]
    equal = (rows.values[:, before] == rows.values[:, fresh]).all(axis=0)
    change[before] = Change.REPLACED
    change[fresh] = np.where(equal, Change.UNCHANGED, Change.UPDATED)
    return change
