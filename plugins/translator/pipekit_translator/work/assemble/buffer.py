"""Rows that wait to be published, in memory up to a limit, then in a temporary file.

`windows` returns the rows of many chunks in time order, a few at a time.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import IO, NamedTuple

import numpy as np

from pipekit_translator.work.table import Ranked, Table

_VALUE = 8  # bytes
SPAN = 1 << 14  # rows: each span costs some 0.2 ms, so small chunks share one


class Chunk(NamedTuple):
    """Sorted rows, none before `first` and none after `last`; `load` returns them."""

    first: int
    last: int
    load: Callable[[], Table]


class RowBuffer:
    """Keeps up to `limit` bytes of rows in memory and the rest in an unnamed file in `folder`.

    Thread-safe. The file is deleted when it is closed, or when the process ends, in any way.
    """

    def __init__(self, limit: int, folder: str) -> None:
        self._left = limit
        self._folder = folder
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None

    def add(self, table: Table) -> Chunk:
        """Buffer sorted rows, at least one. Raises OSError."""
        first, last = int(table.time[0]), int(table.time[-1])
        size = table.size * _VALUE * len(table.columns())
        with self._lock:
            fits = size <= self._left
            self._left -= size if fits else 0
            if not fits:
                columns, at = len(table.columns()), self._write(table)
                return Chunk(first, last, lambda: self._read(at, columns, size))
        kept = table.copy()
        return Chunk(first, last, lambda: kept)

    def close(self) -> None:
        """Close the file, which deletes it."""
        if self._file is not None:
            self._file.close()

    def _write(self, table: Table) -> int:
        """Write the rows; return their position in the file."""
        if self._file is None:
            os.makedirs(self._folder, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  # see close
        at = int(self._file.seek(0, os.SEEK_END))
        for column in table.columns():
            self._file.write(np.ascontiguousarray(column).data)
        return at

    def _read(self, at: int, columns: int, size: int) -> Table:
        with self._lock:
            assert self._file is not None
            self._file.seek(at)
            whole = np.frombuffer(self._file.read(size), np.int64).reshape(columns, -1)
        return Table(whole[0], tuple(whole.view(np.float64)[1:-1]), whole[-1])


class _Open:
    """A chunk with rows that have not been returned yet."""

    def __init__(self, rank: int, number: int, chunk: Chunk) -> None:
        self.place = rank, number
        self.last = chunk.last
        self.table = chunk.load()

    def upto(self, bound: int) -> Ranked:
        """Pop all rows up to and including a time."""
        count = int(self.table.time.searchsorted(bound, "right"))
        found, self.table = self.table.at(slice(0, count)), self.table.at(slice(count, None))
        return Ranked(self.place[0], found)


def windows(chunks: Iterable[tuple[int, Chunk]], least: int = SPAN) -> Iterator[list[Ranked]]:
    """The rows of ranked chunks, one span of time after the other; at least `least` in each.

    No time is in two spans. Within one, parts are ordered by rank, then as given, then by time.
    """
    waiting = [(chunk.first, -number, rank, chunk) for number, (rank, chunk) in enumerate(chunks)]
    waiting.sort(key=lambda item: item[:2], reverse=True)
    active: list[_Open] = []
    found: list[tuple[tuple[int, int], Ranked]] = []
    rows = 0
    while waiting or active:
        bound = min((one.last for one in active), default=None)
        while waiting and (bound is None or waiting[-1][0] <= bound):
            _, number, rank, chunk = waiting.pop()
            active.append(_Open(rank, -number, chunk))
            bound = chunk.last if bound is None else min(bound, chunk.last)
        assert bound is not None
        for one in active:
            part = one.upto(bound)
            rows += part.table.size
            if part.table.size:
                found.append((one.place, part))
        active = [one for one in active if one.table.size]
        if rows >= least or (rows and not waiting and not active):
            found.sort(key=itemgetter(0))
            yield [part for _, part in found]
            found, rows = [], 0
