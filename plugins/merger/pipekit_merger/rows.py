"""Rows of results as integers, so that equal cells are equal numbers; knows no file and no Arrow.

A matrix has a line for each of COLUMNS. Texts are numbers of words, floats their bits, times
microseconds of UTC, dates days since 1970-01-01; NULL is null.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np  # noqa: TID253  # a worker's module: no plan imports it
from attrs import frozen
from numpy.typing import NDArray  # noqa: TID253  # as above

Ints = NDArray[np.int64]

TEXTS = ("variant", "session", "slot", "stream", "instrument", "direction", "result")
TIMES = ("entry_time", "exit_time")
COLUMNS = (
    *("variant", "date", "session", "slot", "stream", "instrument", "direction", "result"),
    *("entry_time", "exit_time", "entry_price", "exit_price", "stop_distance", "target", "peak"),
    *("range_high", "range_low", "range_size", "range_bars", "profit", "profit_usd"),
)
LINES = {name: line for line, name in enumerate(COLUMNS)}
KEY = ("variant", "date", "session", "slot", "instrument")
NULLABLE = ("direction", *TIMES, "entry_price", "exit_price", "peak")
# What stands for null among integers: the bits of a NaN that no arithmetic makes.
NULL = 0x7FF0_0000_0000_0001


class Words:
    """The words of each column of texts, numbered as they come; for matrices that are put together.

    It only grows, so a number once given stays. Several threads may use it.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, dict[str, int]] = {name: {} for name in TEXTS}
        self._turn = threading.Lock()

    def numbers(self, column: str, words: Sequence[str]) -> Ints:
        """The number of each word."""
        known = self._numbers[column]
        with self._turn:
            return np.array([known.setdefault(word, len(known)) for word in words], np.int64)

    def listed(self) -> dict[str, list[str]]:
        """The words of each column by their number."""
        with self._turn:
            return {name: list(known) for name, known in self._numbers.items()}


@frozen(eq=False)
class Rows:
    """A matrix and what the numbers of its texts mean; `columns`: what its lines are."""

    values: Ints
    words: dict[str, list[str]]
    columns: Sequence[str] = COLUMNS

    def __getitem__(self, column: str) -> Ints:
        values: Ints = self.values[self.columns.index(column)]
        return values

    def __len__(self) -> int:
        return int(self.values.shape[1])

    def take(self, which: NDArray[np.intp]) -> Rows:
        """Those of its rows, in this order."""
        return Rows(self.values.take(which, axis=1), self.words, self.columns)


def ordered(values: Ints, words: Words, columns: Sequence[str] = COLUMNS) -> Rows:
    """The rows of a matrix, whose numbers of words are then in the order of the words.

    The matrix itself is changed.
    """
    listed = words.listed()
    for name in set(listed).intersection(columns):
        found, line = listed[name], columns.index(name)
        order = sorted(range(len(found)), key=found.__getitem__)
        ranks = np.empty(len(found) + 1, np.int64)
        ranks[order] = np.arange(len(found))
        ranks[-1] = NULL
        values[line] = ranks[np.where(values[line] == NULL, len(found), values[line])]
        listed[name] = [found[number] for number in order]
    return Rows(values, listed, columns)


def joined(parts: Sequence[Ints]) -> Ints:
    """The rows of matrices in one, which is the only one itself where there is one."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def empty(count: int = 0) -> Ints:
    """A matrix of so many rows, to be filled."""
    return np.empty((len(COLUMNS), count), np.int64)


def sort_key(rows: Rows, names: Sequence[str] = KEY) -> Ints:
    """A number for each row that orders rows by some columns and is equal for equal keys.

    Keys of the same Rows only can be compared, and they have an order where those of its words have
    one (see `ordered`).
    """
    result = np.zeros(len(rows), np.int64)
    for name in names if len(rows) else ():
        values = rows[name] - rows[name].min()
        result = result * (int(values.max()) + 1) + values
    return result


def months_of(days: Ints) -> Ints:
    """The month (counted from year 0) of each day since 1970-01-01."""
    months: Ints = days.astype("M8[D]").astype("M8[M]").astype(np.int64) + 1970 * 12
    return months
