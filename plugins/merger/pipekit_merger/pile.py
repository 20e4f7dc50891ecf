"""Rows of run files that wait for their months: in memory while they are few, then in a file.

Knows neither scopes nor months' files. What waits in the file is put by stream and month, so that
a few months' rows come back without the others.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np  # noqa: TID253  # a worker's module: no plan imports it

from pipekit_merger.rows import COLUMNS, LINES, Ints, Words, joined, months_of

IN_MEMORY = 262_144  # rows; each takes 176 bytes
MONTHS = 12 * 10_000  # more than there are until the year 9999
_NUMBER = len(COLUMNS)  # the line with the number of each row's run file
_LINES = _NUMBER + 1


class _Piece(NamedTuple):
    """Rows of a group in the file: where they begin, and how many."""

    start: int
    rows: int


class Pile:
    """The rows of an instrument's run files, each with the number of its file.

    `dropped`: numbers of files whose rows do not count. Several threads may take from it when all
    is added. `folder`: where the file is made, when there is one; it has no name.
    """

    def __init__(self, folder: str, limit: int = IN_MEMORY) -> None:
        self.words = Words()
        self.dropped: set[int] = set()
        self._folder = folder
        self._limit = limit
        self._chunks: list[tuple[Ints, Ints]] = []  # rows with their numbers, and their months
        self._rows = 0  # in the chunks
        self._counts: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
        self._file: Any = None
        self._end = 0
        self._pieces: dict[tuple[int, int], list[_Piece]] = defaultdict(list)
        self._turn = threading.Lock()

    def add(self, values: Ints, numbers: Ints) -> None:
        """Take in a matrix (of `words`) and the number of each row's file. Raises OSError."""
        months = months_of(values[LINES["date"]])
        self._count(values[LINES["stream"]], months, numbers)
        self._chunks.append((np.concatenate([values, numbers[None]]), months))
        self._rows += values.shape[1]
        if self._rows > self._limit:
            self._put_away()

    def _count(self, streams: Ints, months: Ints, numbers: Ints) -> None:
        most = int(numbers.max(initial=0)) + 1
        code = (streams * most + numbers) * MONTHS + months
        found, counts = np.unique(code, return_counts=True)
        for code_of, count in zip(found.tolist(), counts.tolist(), strict=True):
            rest, at = divmod(code_of, MONTHS)
            group = (rest // most, at)
            known = self._counts[group]
            known[rest % most] = known.get(rest % most, 0) + count

    def _put_away(self) -> None:
        if self._file is None:
            os.makedirs(self._folder, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115  # kept
        for chunk, months in self._chunks:
            group = chunk[LINES["stream"]] * MONTHS + months
            order = np.argsort(group, kind="stable")
            found, starts = np.unique(group[order], return_index=True)
            self._file.seek(self._end * _LINES * 8)
            _write(self._file, memoryview(np.ascontiguousarray(chunk[:, order].T)).cast("B"))  # type: ignore[arg-type]  # an array is one
            ends = np.append(starts[1:], len(order))
            for code, start, end in zip(
                found.tolist(), starts.tolist(), ends.tolist(), strict=True
            ):
                self._pieces[divmod(code, MONTHS)].append(_Piece(self._end + start, end - start))
            self._end += len(order)
        self._chunks, self._rows = [], 0

    def streams(self) -> dict[str, int]:
        """The number of each stream that has rows."""
        listed = self.words.listed()["stream"]
        having = {stream for (stream, _), numbers in self._alive() if numbers}
        return {name: number for number, name in enumerate(listed) if number in having}

    def counts(self, stream: int) -> dict[int, dict[int, int]]:
        """How many rows of a stream wait: month → number of a file → rows."""
        return {month: numbers for (of, month), numbers in self._alive() if of == stream}

    def _alive(self) -> Iterator[tuple[tuple[int, int], dict[int, int]]]:
        for group, counts in self._counts.items():
            yield group, {n: rows for n, rows in counts.items() if n not in self.dropped}

    def of(self, stream: int, months: Iterable[int]) -> tuple[Ints, Ints]:
        """The rows of a stream in some months, as a matrix, and their files' numbers."""
        wanted = sorted(months)
        parts = [
            chunk.compress((chunk[LINES["stream"]] == stream) & np.isin(months, wanted), axis=1)
            for chunk, months in self._chunks
        ]
        for month in wanted if self._file is not None else ():
            parts += [self._brought(piece) for piece in self._pieces.get((stream, month), ())]
        found = joined(parts or [np.empty((_LINES, 0), np.int64)])
        if self.dropped:
            found = found[:, ~np.isin(found[_NUMBER], list(self.dropped))]
        return found[:_NUMBER], found[_NUMBER]

    def _brought(self, piece: _Piece) -> Ints:
        rows = np.empty((piece.rows, _LINES), np.int64)
        buffer = memoryview(rows).cast("B")  # type: ignore[arg-type]  # as above
        with self._turn:
            self._file.seek(piece.start * _LINES * 8)
            done = 0
            while done < len(buffer):
                size = self._file.readinto(buffer[done:])
                if not size:
                    raise OSError("the file of waiting rows is shorter than it was")
                done += size
        return rows.T

    def close(self) -> None:
        """Let go of all rows."""
        self._chunks = []
        if self._file is not None:
            self._file.close()


def _write(file: Any, data: memoryview) -> None:
    while data:
        data = data[file.write(data) :]
