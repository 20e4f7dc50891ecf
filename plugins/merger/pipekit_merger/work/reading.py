"""Read the run files of an instrument, and reject those that contradict themselves.

Their rows are converted in batches: several small files together, a large one in parts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import define, field

from pipekit_merger.request import RunFileEntry
from pipekit_merger.work.buffer import RowBuffer
from pipekit_merger.work.coverage import Coverage, RunFile
from pipekit_merger.work.rows import Rows
from pipekit_merger.work.run_files import (
    OpenedRunFile,
    RejectedRunFile,
    RowCheck,
    instrument_of,
    merged_run_file,
    open_run_file,
)
from pipekit_merger.work.table import BATCH, to_matrix


@define
class RunFiles:
    """The run files of an instrument.

    `accepted`: those to merge now, whose rows are in `buffer`. `ordered`: the run files of
    `accepted` and those that are merged already, in order. `rejected`: those that can never be
    used. `waiting`: instrument → why its files have to wait.
    """

    buffer: RowBuffer
    ordered: list[RunFile] = field(factory=list)
    accepted: list[OpenedRunFile] = field(factory=list)
    rejected: list[RejectedRunFile] = field(factory=list)
    waiting: dict[str, str] = field(factory=dict)
    _batch: list[tuple[RowCheck, OpenedRunFile, Any]] = field(factory=list)  # Arrow tables
    _rows: int = 0  # in the batch
    _line_numbers: dict[tuple[str, ...], int] = field(factory=dict)  # the same in all batches
    _complete: list[tuple[RowCheck, OpenedRunFile]] = field(factory=list)  # all rows are added

    def add(self, file: OpenedRunFile) -> None:
        """Add the rows of a file. Raises OSError."""
        check = RowCheck(file.run_file)
        try:
            for table in file.tables:
                if self._rows + table.num_rows > BATCH:
                    self.flush()
                if file.run_file.number in self.buffer.discarded:
                    return
                self._batch.append((check, file, table))
                self._rows += table.num_rows
        except ValueError as error:
            self._reject(file, error)
        self._complete.append((check, file._replace(tables=())))

    def flush(self) -> None:
        """Convert and check the rows added so far, and accept the files. Raises OSError."""
        self._convert_batch()
        for check, file in self._complete:
            try:
                check.whole()
            except ValueError as error:
                self._reject(file, error)
            if file.run_file.number not in self.buffer.discarded:
                self.accepted.append(file)
        self._complete.clear()

    def _convert_batch(self) -> None:
        batch, self._batch, self._rows = self._batch, [], 0
        if not batch:
            return
        vocabulary = self.buffer.vocabulary
        values = to_matrix([table for *_, table in batch], vocabulary)
        rows = Rows(values, vocabulary.words())
        coverage, end = Coverage(rows), 0
        known = self._line_numbers
        lines = np.array([known.setdefault(line, len(known)) for line in coverage.lines], np.int64)
        keys = (lines[coverage.line] << 32) + rows["date"]
        for check, file, table in batch:
            start, end = end, end + table.num_rows
            try:
                check.batch(coverage, rows, keys, slice(start, end))
            except ValueError as error:
                self._reject(file, error)
        numbers = [file.run_file.number for _, file, _ in batch]
        self.buffer.add(values, np.repeat(numbers, [table.num_rows for *_, table in batch]))

    def _reject(self, file: OpenedRunFile, error: ValueError) -> None:
        """Reject a file, of which rows may be in the buffer already."""
        if file.run_file.number not in self.buffer.discarded:
            self.buffer.discarded.add(file.run_file.number)
            self.rejected.append(
                RejectedRunFile(file.run_file.path, str(error), file.fingerprint, file.signature)
            )


def read_run_files(entries: Sequence[RunFileEntry]) -> RunFiles:
    """The run files of one instrument, whose entries are in order. Raises OSError.

    A file that cannot be opened makes its instrument wait: later files must not be merged before
    it. One that can be read and is wrong is rejected by itself. Their rows wait in a temporary file
    beside the folders of the runs.
    """
    found = RunFiles(RowBuffer(os.path.dirname(os.path.dirname(entries[0].path))))
    for entry in entries:
        result = open_run_file(entry)
        if isinstance(result, OSError):
            found.waiting.setdefault(instrument_of(entry.path), _cannot_read(entry.path, result))
        elif isinstance(result, RejectedRunFile):
            found.rejected.append(result)
        elif isinstance(result, RunFile):
            found.ordered.append(result)
        else:
            found.add(result)
    found.flush()
    _set_waiting_aside(found)
    found.ordered += _merged_earlier(entries, found.rejected)
    found.ordered += [file.run_file for file in found.accepted]
    found.ordered.sort(key=lambda run_file: run_file.number)
    return found


def _cannot_read(path: str, error: OSError) -> str:
    return f"{path} cannot be read ({error.strerror or error}): fix this and run again"


def _set_waiting_aside(found: RunFiles) -> None:
    """Drop the accepted files of instruments that have to wait."""
    by_waiting: dict[bool, list[OpenedRunFile]] = {True: [], False: []}
    for file in found.accepted:
        by_waiting[file.run_file.scope.instrument in found.waiting].append(file)
    found.buffer.discarded.update(file.run_file.number for file in by_waiting[True])
    found.accepted = by_waiting[False]


def _merged_earlier(
    entries: Sequence[RunFileEntry], rejected: Sequence[RejectedRunFile]
) -> list[RunFile]:
    """Files that were merged once and are rejected now: what is published of them must stay."""
    paths = {file.path for file in rejected}
    return [
        merged_run_file(entry, entry.earlier_scope)
        for entry in entries
        if entry.path in paths and entry.earlier_scope is not None
    ]
