"""Keeps the rows of an instrument's run files until it is merged: in memory or, if many, in a file.

Each batch is sorted by stream, month and run file, so that the rows of a few months can be read
without the others: memory does not grow with the length of history.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from pipekit_merger.work.rows import COLUMNS, LINES, Ints, Vocabulary, months_of

IN_MEMORY = 262_144  # rows; each takes 168 bytes
_MONTHS = 12 * 10_000  # more than there are until the year 9999


class _Extent(NamedTuple):
    """Consecutive rows of a batch: their run file, the batch, first row and end."""

    number: int
    batch: int
    start: int
    end: int


class RowBuffer:
    """Rows by stream and month, each with the number of its run file.

    `discarded`: numbers of run files whose rows are ignored. `folder`: for the temporary file.
    """

    def __init__(self, folder: str) -> None:
        self.vocabulary = Vocabulary()
        self.discarded: set[int] = set()
        self._folder = folder
        self._file: Any = None
        self._in_memory = 0  # rows
        self._batches: list[Ints | tuple[int, int]] = []  # in the file: first byte, rows
        self._extents: dict[tuple[str, int], list[_Extent]] = defaultdict(list)

    def add(self, values: Ints, numbers: Ints) -> None:
        """Add a matrix, coded by `vocabulary`, and each row's run file's number. Raises OSError."""
        words = self.vocabulary.words()["stream"]
        size = int(numbers.max(initial=0)) + 1
        group = values[LINES["stream"]] * _MONTHS + months_of(values[LINES["date"]])
        code = group * size + numbers
        order = np.argsort(code, kind="stable")
        codes, starts = np.unique(code[order], return_index=True)
        ends = [*starts.tolist()[1:], len(code)]
        for found, start, end in zip(codes.tolist(), starts.tolist(), ends, strict=True):
            group, number = divmod(found, size)
            stream, month = divmod(group, _MONTHS)
            extent = _Extent(number, len(self._batches), start, end)
            self._extents[words[stream], month].append(extent)
        self._batches.append(values.take(order, axis=1))
        self._in_memory += len(code)
        if self._in_memory > IN_MEMORY:
            self._spill()

    def _spill(self) -> None:
        """Move the batches in memory to the file."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115  # until close()
        for number, batch in enumerate(self._batches):
            if isinstance(batch, np.ndarray):
                self._batches[number] = self._file.seek(0, os.SEEK_END), batch.shape[1]
                batch.tofile(self._file)
        self._in_memory = 0

    def streams(self) -> set[str]:
        """The streams that have rows."""
        return {stream for stream, month in self._extents if self._valid(stream, month)}

    def counts(self, stream: str) -> dict[int, dict[int, int]]:
        """How many rows a stream has: month → number of a run file → rows."""
        found: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for of, month in self._extents:
            for extent in self._valid(of, month) if of == stream else ():
                found[month][extent.number] += extent.end - extent.start
        return found

    def read(self, stream: str, months: Iterable[int]) -> tuple[list[Ints], Ints]:
        """The rows of a stream in some months: matrices, and the run file's number of each row."""
        extents = [extent for month in months for extent in self._valid(stream, month)]
        numbers = np.repeat([e.number for e in extents], [e.end - e.start for e in extents])
        return [self._read(extent) for extent in extents], numbers.astype(np.int64)

    def _valid(self, stream: str, month: int) -> list[_Extent]:
        found = self._extents.get((stream, month), ())
        return [extent for extent in found if extent.number not in self.discarded]

    def _read(self, extent: _Extent) -> Ints:
        batch = self._batches[extent.batch]
        if isinstance(batch, np.ndarray):
            return batch[:, extent.start : extent.end]
        start, rows = batch
        mapped = np.memmap(self._file, np.int64, "r", start, (len(COLUMNS), rows))
        return np.array(mapped[:, extent.start : extent.end])

    def close(self) -> None:
        """Release all rows."""
        self._batches.clear()
        if self._file is not None:
            self._file.close()
