"""Merge run files into the months of one stream.

A run file states a *scope*: the variants, slots and dates that its analysis was of. It replaces
everything in its scope, so that a trade which a new analysis no longer finds goes away. So:

1. Find the months to merge: those that a run file has rows for, or whose file its scope covers.
2. Put the published rows and the rows of the run files of a few months into one matrix. The
   *source* of a row is the number of its run file (1, 2, ... in the order of the runs), or 0 for a
   published row.
3. For each row's key (instrument, variant, session, slot, date), find the last run file whose scope
   covers it (`Coverage`); 0 where none does.
4. Keep the rows whose source is just that. All others are replaced or removed.
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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from attrs import define, field

from pipekit.worker import Publication, hasher, sync_folders
from pipekit_merger.layout import StreamMonth
from pipekit_merger.work.buffer import RowBuffer
from pipekit_merger.work.changes import Change, classify, count_by_month
from pipekit_merger.work.coverage import PUBLISHED, Coverage, RunFile
from pipekit_merger.work.output import MergedRows, write_month
from pipekit_merger.work.published import MonthError, PublishedMonth, PublishedMonths
from pipekit_merger.work.rows import (
    Ints,
    months_of,
    sort_key,
    with_sorted_words,
)

ROWS_TOGETHER = 131_072  # merged at once, as nearly as whole months allow; 800 bytes each
DISK_THREADS = 4  # wait for the disk, which works on all their files at once; 16 are no faster
MONTHS_TOGETHER = 60  # at most


class MergeError(Exception):
    """Months of a stream that could not be merged, each with its reason and what to do."""


@define(kw_only=True)
class StreamMerge:
    """The merge of one stream: what to merge, and after `run`, what came of it.

    `run_files`: of its instrument, in order; their rows are in `buffer`. `published`: its months.

    `months`: those to merge. `done`: those that were merged. `publications`: their files. `counts`:
    rows by Change. `kept`: how many published rows no run file covers.
    """

    stream: str
    run_files: Sequence[RunFile]
    buffer: RowBuffer
    published: PublishedMonths
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
        by_number = {run_file.number: run_file for run_file in self.run_files}
        months = self.published.existing | self.published.lost
        for month, counts in buffered.items():
            if any(by_number[number].is_pending(self.stream_month(month)) for number in counts):
                months |= {month}
        self._covering = defaultdict(list)
        for run_file in self.run_files:
            for month in run_file.scope.months(months):
                self._covering[month].append(run_file)
        self.months = frozenset(month for month in months if self._pending_files(month))

    def stream_month(self, month: int) -> StreamMonth:
        """One of its months, with the stream."""
        return StreamMonth(self.stream, month)

    def run(self) -> None:
        """Merge and publish the months. Raises MergeError when some could not be."""
        months = sorted(self.months)
        size = ROWS_TOGETHER * len(months) // max(self._rows, 1)
        size = max(1, min(size, MONTHS_TOGETHER))
        for start in range(0, len(months), size):
            self._merge(months[start : start + size])
        written = {os.path.dirname(p.target): p.target for p in self.publications if p.changed}
        with ThreadPoolExecutor(DISK_THREADS) as disk:
            list(disk.map(sync_folders, ([path] for path in written.values())))
        if self._failed:
            raise MergeError("; ".join(self._failed[month] for month in sorted(self._failed)))

    def _merge(self, months: list[int]) -> None:
        """Steps 2 to 5 for some months."""
        before = self._read_published(months)
        if not before:
            return
        values, numbers = self.buffer.read(self.stream, before)
        published = [month.values for month in before.values() if month.values is not None]
        matrix = np.concatenate([*published, values], axis=1)
        rows = with_sorted_words(matrix, self.buffer.vocabulary)
        source = np.full(len(rows), PUBLISHED, np.int64)
        source[len(source) - len(numbers) :] = numbers
        coverage = Coverage(rows)
        coverage.cover_all(self.run_files, self.stream)
        keep = coverage.decisive() == source

        month, key = months_of(rows["date"]), sort_key(rows)
        counts = count_by_month(classify(rows, key, source, keep), month, sorted(before))
        kept = np.flatnonzero(keep)
        kept = kept[np.lexsort((key[kept], month[kept]))]
        merged = MergedRows(rows.take(kept), month[kept], source[kept] == PUBLISHED)
        self._publish(before, merged, dict(zip(sorted(before), counts, strict=True)))

    def _read_published(self, months: list[int]) -> dict[int, PublishedMonth]:
        """The months as they are published, without those that cannot be merged."""
        found = {}
        for month in months:
            try:
                found[month] = self.published.read(month)
            except MonthError as error:
                self._failed[month] = str(error)
        return found

    def _publish(
        self, before: dict[int, PublishedMonth], merged: MergedRows, counts: dict[int, Ints]
    ) -> None:
        """Publish the merged months that differ from those before."""
        publications, writing = {}, {}
        with ThreadPoolExecutor(DISK_THREADS) as disk:
            for month in sorted(before):
                publication, data = self._publication(month, before[month], merged, counts[month])
                publications[month] = publication
                if publication.changed:
                    damaged = before[month].damaged
                    writing[month] = disk.submit(write_month, publication, data, damaged=damaged)
        for month, publication in publications.items():
            try:
                warning = writing[month].result() if month in writing else ""
            except OSError as error:
                reason = error.strerror or error
                self._failed[month] = f"{publication.path} cannot be written ({reason})"
                continue
            self.warnings += [warning] if warning else []
            self.done.add(month)
            self.publications.append(publication)
            self.counts += counts[month]
            self.kept += merged.published_rows(month)

    def _publication(
        self, month: int, before: PublishedMonth, merged: MergedRows, counts: Ints
    ) -> tuple[Publication, Any]:
        """A month's file, and its bytes."""
        pending = self._pending_files(month)
        zone = self._covering[month][-1].zone or before.zone or pending[-1].zone
        publication = Publication(
            self.published.path(month),
            sources=[run_file.path for run_file in pending],
            detail={"series": self.stream, **merged.span(month)},
        )
        changed = counts[[Change.NEW, Change.UPDATED, Change.REMOVED]].any()
        data: Any = before.data
        if self.published.rebuild or changed or zone != before.zone:
            data = merged.file(month, zone)
        publication.fingerprint = hasher(data).hexdigest()
        publication.changed = before.data is None or data != before.data
        return publication, data

    def _pending_files(self, month: int) -> list[RunFile]:
        """The run files that cover a month and are still to be merged into it, in order."""
        wanted = self.stream_month(month)
        return [run_file for run_file in self._covering[month] if run_file.is_pending(wanted)]
