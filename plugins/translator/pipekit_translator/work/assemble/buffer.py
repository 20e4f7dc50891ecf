"""Rows that wait to be published, in memory up to a limit, then in a temporary file.

`windows` returns the rows of many chunks in time order, a few at a time.
"""

from __future__ import annotations

import os
import tempfile
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from pipekit_translator.work.table import Ints, Ranked, Table

_VALUE = 8  # bytes
_NONE = slice(0, 0)
# Values that are allocated at once: an array for each small chunk is mostly header.
_BLOCK = 1 << 16
_IN_FILE = -1  # instead of the number of a block
FIXED_MEMORY = 256_000_000  # bytes used to read and write on two cores, besides the buffer
SPAN = 1 << 14  # rows: each span costs some 0.2 ms, so small chunks share one


class Chunk(NamedTuple):
    """Sorted rows, none before `first` and none after `last`; `load` returns them."""

    first: int
    last: int
    load: Callable[[], Table]


def limit_of(memory: int) -> int:
    """How many bytes of rows to buffer if the whole process may use `memory` bytes."""
    return int(memory / 50 + max(memory - FIXED_MEMORY, 0) / 2)


class RowBuffer:
    """Keeps up to `limit` bytes of rows in memory and the rest in an unnamed file in `folder`.

    Thread-safe. The file is deleted when it is closed, or when the process ends, in any way. Chunks
    are known by number, since there may be hundreds of thousands.
    """

    def __init__(self, limit: int, folder: str) -> None:
        self._left = limit
        self._folder = folder
        self._lock = threading.Lock()
        self._file: Any = None  # whose type differs from system to system
        self._blocks: list[Ints] = []
        self._used = 0  # values of the last block
        # by table: block, columns, values between two columns, and whether the volume is fractional
        self._tables = array("q")
        self._places = array("q")  # by chunk: first, last, and the place in the block
        self._sizes = array("i")  # by chunk: number of the table, and rows

    def add(self, table: Table, begins: Sequence[int] = (0,)) -> int:
        """Buffer rows as chunks, which begin at these rows; each is sorted and has a row or more.

        Returns the number of the first chunk; the others follow. Raises OSError.
        """
        columns, ends = len(table.columns()), [*begins[1:], table.size]
        times = table.time[list(begins)], table.time[np.array(ends) - 1]
        bounds = list(zip(*(time.tolist() for time in times), begins, ends, strict=True))
        size = table.size * _VALUE * columns
        with self._lock:
            if size <= self._left:
                self._left -= size
                block, at = self._keep(table)
            else:
                block, at = _IN_FILE, self._write(table)
            of, number = len(self._tables) // 4, len(self._sizes) // 2
            real = table.volume.dtype == np.float64
            self._tables.extend((block, columns, table.size, real))
            for first, last, begin, end in bounds:
                self._places.extend((first, last, at + begin))
                self._sizes.extend((of, end - begin))
            return number

    def chunk(self, number: int) -> Chunk:
        """The chunk of this number."""
        first, last, at = self._places[number * 3 : number * 3 + 3]
        table, rows = self._sizes[number * 2 : number * 2 + 2]
        return Chunk(first, last, partial(self._load, table, at, rows))

    def close(self) -> None:
        """Close the file, which deletes it."""
        if self._file is not None:
            self._file.close()

    def _keep(self, table: Table) -> tuple[int, int]:
        """Copy the rows into a block; return its number and their position in it."""
        columns = table.columns()
        size = table.size * len(columns)
        if not self._blocks or self._used + size > len(self._blocks[-1]):
            self._blocks.append(np.empty(max(size, _BLOCK), np.int64))
            self._used = 0
        at, self._used = self._used, self._used + size
        place = self._blocks[-1][at : self._used].reshape(len(columns), -1)
        for kept, column in zip(place, columns, strict=True):
            kept[:] = column.view(np.int64)
        return len(self._blocks) - 1, at

    def _write(self, table: Table) -> int:
        """Write the rows; return their position in the file, in values."""
        if self._file is None:
            os.makedirs(self._folder, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  # see close
        at = int(self._file.seek(0, os.SEEK_END))
        for column in table.columns():
            self._file.write(np.ascontiguousarray(column).data)
        return at // _VALUE

    def _load(self, table: int, at: int, rows: int) -> Table:
        block, columns, step, real = self._tables[table * 4 : table * 4 + 4]
        if block == _IN_FILE:
            values = self._read(range(at, at + columns * step, step), rows)
            at, step = 0, rows
        else:
            values = self._blocks[block]
        strides = step * _VALUE, _VALUE
        whole = np.ndarray((columns, rows), np.int64, values, at * _VALUE, strides)
        fractions = whole.view(np.float64)
        return Table(whole[0], tuple(fractions[1:-1]), fractions[-1] if real else whole[-1])

    def _read(self, places: range, count: int) -> Ints:
        """So many values from each of these places in the file."""
        found = np.empty((len(places), count), np.int64)
        with self._lock:
            assert self._file is not None
            for at, values in zip(places, found, strict=True):
                self._file.seek(at * _VALUE)
                self._file.readinto(values.data)
        return found.ravel()


class _Open:
    """A chunk with rows that have not been returned yet."""

    def __init__(self, rank: int, number: int, chunk: Chunk) -> None:
        self.place = rank, number
        self.last = chunk.last
        self.table = chunk.load()

    def upto(self, bound: int) -> Ranked:
        """Pop all rows up to and including a time."""
        if bound >= self.last:
            found, self.table = self.table, self.table.at(_NONE)
            return Ranked(self.place[0], found)
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
