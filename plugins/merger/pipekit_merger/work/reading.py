"""Read the run files of an instrument, and reject those that contradict themselves.

Their rows are converted in batches: several small files together, a large one in parts.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from attrs import define, field

from pipekit.worker import Signature, hasher, look
from pipekit_merger.request import RunFileEntry, StatedScope
from pipekit_merger.work.buffer import RowBuffer
from pipekit_merger.work.coverage import Coverage, RunFile
from pipekit_merger.work.rows import Ints, Rows
from pipekit_merger.work.scope import METADATA, Scope, parse_scope
from pipekit_merger.work.table import BATCH, ResultsFile, incomplete, to_matrix

_STREAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@define(eq=False, kw_only=True)
class AcceptedRunFile:
    """A run file to merge now. `stated`: its scope in JSON form; `keys`: of its rows."""

    run_file: RunFile
    fingerprint: str
    signature: Signature
    stated: StatedScope
    keys: list[Ints] = field(factory=list)


class RejectedRunFile(NamedTuple):
    """A run file that can be read but not used, with the reason."""

    path: str
    reason: str
    fingerprint: str
    signature: Signature


@define
class RunFiles:
    """The run files of an instrument.

    `accepted`: those to merge now, whose rows are in `buffer`. `ordered`: the run files of
    `accepted` and those that are merged already, in order. `rejected`: those that can never be
    used. `waiting`: instrument → why its files have to wait.
    """

    buffer: RowBuffer
    ordered: list[RunFile] = field(factory=list)
    accepted: list[AcceptedRunFile] = field(factory=list)
    rejected: list[RejectedRunFile] = field(factory=list)
    waiting: dict[str, str] = field(factory=dict)
    _batch: list[tuple[AcceptedRunFile, Any]] = field(factory=list)  # Arrow tables
    _rows: int = 0  # in the batch
    _line_numbers: dict[tuple[str, ...], int] = field(factory=dict)  # the same in all batches

    def read(self, entry: RunFileEntry) -> None:
        """Read a run file; if it is merged already, only its scope is needed.

        If it cannot be opened now, it may be usable later, so its instrument waits. Raises OSError
        if rows cannot be buffered.
        """
        if entry.merged_scope is not None:
            self.ordered.append(_merged(entry, entry.merged_scope))
            return
        try:
            signature = look(entry.path)
            with open(entry.path, "rb", buffering=0) as file:
                data = file.read()
        except OSError as error:
            reason = (
                f"{entry.path} cannot be read ({error.strerror or error}): fix this and run again"
            )
            self.waiting.setdefault(instrument_of(entry.path), reason)
            return
        fingerprint = hasher(data).hexdigest()
        try:
            run_file, stated, tables = _opened(entry, data)
        except ValueError as error:
            self.rejected.append(RejectedRunFile(entry.path, str(error), fingerprint, signature))
            return
        self._add(
            AcceptedRunFile(
                run_file=run_file, fingerprint=fingerprint, signature=signature, stated=stated
            ),
            tables,
        )

    def finish(self, entries: Iterable[RunFileEntry]) -> None:
        """Check and order the files read from these entries. Raises OSError."""
        self._convert_batch()
        for file in list(self.accepted):
            keys = np.concatenate([np.empty(0, np.int64), *file.keys])
            file.keys.clear()
            keys.sort()
            if (keys[1:] == keys[:-1]).any():
                self._reject(file, "it has several rows of one variant, date, session and slot")
            elif file.run_file.scope.instrument in self.waiting:
                self._discard(file)
        rejected = {file.path for file in self.rejected}
        self.ordered += [
            _merged(entry, entry.earlier_scope)  # its published rows must stay
            for entry in entries
            if entry.path in rejected and entry.earlier_scope is not None
        ]
        self.ordered += [file.run_file for file in self.accepted]
        self.ordered.sort(key=lambda run_file: run_file.number)

    def _add(self, file: AcceptedRunFile, tables: Iterable[Any]) -> None:
        self.accepted.append(file)
        try:
            for table in tables:
                if self._rows + table.num_rows > BATCH:
                    self._convert_batch()
                if file not in self.accepted:
                    return
                self._batch.append((file, table))
                self._rows += table.num_rows
        except ValueError as error:
            self._reject(file, str(error))

    def _convert_batch(self) -> None:
        batch, self._batch, self._rows = self._batch, [], 0
        if not batch:
            return
        vocabulary = self.buffer.vocabulary
        values = to_matrix([table for _, table in batch], vocabulary)
        if incomplete(values):
            self._reject_incomplete(batch, values)
            return
        rows = Rows(values, vocabulary.words())
        coverage, end = Coverage(rows), 0
        known = self._line_numbers
        lines = np.array([known.setdefault(line, len(known)) for line in coverage.lines], np.int64)
        keys = (lines[coverage.line] << 32) + rows["date"]  # equal for duplicates
        for file, table in batch:
            start, end = end, end + table.num_rows
            which = slice(start, end)
            file.keys.append(keys[which])
            streams = {rows.words["stream"][code] for code in set(rows["stream"][which].tolist())}
            coverage.cover(file.run_file.scope, file.run_file.number)
            if wrong := _wrong_streams(streams, file.run_file.scope):
                self._reject(file, wrong)
            elif (coverage.decisive(which) != file.run_file.number).any():
                self._reject(file, "it has rows outside the scope that it states")
        numbers = [file.run_file.number for file, _ in batch]
        self.buffer.add(values, np.repeat(numbers, [table.num_rows for _, table in batch]))

    def _reject_incomplete(self, batch: list[tuple[AcceptedRunFile, Any]], values: Ints) -> None:
        """Reject the files of a batch that lack values, and convert the others."""
        end = 0
        for file, table in batch:
            start, end = end, end + table.num_rows
            if reason := incomplete(values[:, start:end]):
                self._reject(file, reason)
        self._batch = [(file, table) for file, table in batch if file in self.accepted]
        self._convert_batch()

    def _reject(self, file: AcceptedRunFile, reason: str) -> None:
        """Reject a file; some of its rows may already be in the buffer."""
        if file in self.accepted:
            self._discard(file)
            self.rejected.append(
                RejectedRunFile(file.run_file.path, reason, file.fingerprint, file.signature)
            )

    def _discard(self, file: AcceptedRunFile) -> None:
        self.accepted.remove(file)
        self.buffer.discarded.add(file.run_file.number)


def read_run_files(entries: Sequence[RunFileEntry]) -> RunFiles:
    """The run files of one instrument, whose entries are in order. Raises OSError.

    If a file cannot be opened, its whole instrument waits, because later files must not be merged
    before it. A readable but invalid file is rejected on its own. Rows that do not fit in memory go
    to a temporary file next to the run folders.
    """
    found = RunFiles(RowBuffer(os.path.dirname(os.path.dirname(entries[0].path))))
    for entry in entries:
        found.read(entry)
    found.finish(entries)
    return found


def instrument_of(path: str) -> str:
    """The instrument that a run file is named after."""
    return path.rpartition("/")[2].removesuffix(".parquet")


def _merged(entry: RunFileEntry, stated: StatedScope) -> RunFile:
    """A run file that is merged into every month already."""
    return RunFile(entry.number, entry.path, parse_scope(stated), pending=frozenset())


def _opened(entry: RunFileEntry, data: bytes) -> tuple[RunFile, StatedScope, Iterable[Any]]:
    """A run file, its scope in JSON form, and its rows as Arrow tables.

    Raises ValueError with a clause about the file, also while the rows are read.
    """
    opened = ResultsFile(data)
    stated = json.loads(opened.metadata.get(METADATA, b"null"))
    if stated is None:
        raise ValueError("it states no scope (metadata pipekit.scope)")
    scope = parse_scope(stated)
    if scope.instrument != instrument_of(entry.path):
        raise ValueError(f"its scope is that of another instrument, {scope.instrument}")
    pending = None if entry.months is None else frozenset(entry.months)
    return RunFile(entry.number, entry.path, scope, opened.zone, pending), stated, opened.tables()


def _wrong_streams(streams: Iterable[str], scope: Scope) -> str:
    """Why rows of a file with this scope cannot be of these streams; empty if they can."""
    for stream in sorted(streams):
        if not (_STREAM.fullmatch(stream) and stream.startswith(scope.instrument)):
            return f"it has rows of a stream {stream!r}, which cannot be {scope.instrument}'s"
    return ""
