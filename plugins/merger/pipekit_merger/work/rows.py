"""Rows of results as a matrix of integers, so that equal cells are equal numbers.

A matrix lies on its side: `matrix[LINES["date"]]` is a column of the results, `matrix[:, i]` a row.
Texts are codes of a Vocabulary, floats are their bits, times are microseconds of UTC, dates are
days since 1970-01-01. NULL is null.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

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


class Vocabulary:
    """The words of each text column, numbered in the order in which they appear.

    It only grows, so a code once given stays.
    """

    def __init__(self) -> None:
        self._codes: dict[str, dict[str, int]] = {name: {} for name in TEXTS}

    def codes(self, column: str, words: Sequence[str]) -> Ints:
        """The code of each word."""
        known = self._codes[column]
        return np.array([known.setdefault(word, len(known)) for word in words], np.int64)

    def words(self) -> dict[str, list[str]]:
        """The words of each column, each at the place of its code."""
        return {name: list(known) for name, known in self._codes.items()}


@frozen(eq=False)
class Rows:
    """A matrix, the words that its codes stand for, and the names of its lines."""

    values: Ints
    words: dict[str, list[str]]
    columns: Sequence[str] = COLUMNS

    def __getitem__(self, column: str) -> Ints:
        values: Ints = self.values[self.columns.index(column)]
        return values

    def __len__(self) -> int:
        return int(self.values.shape[1])

    def first(self, count: int) -> Rows:
        """So many rows from the first one; not a copy."""
        return Rows(self.values[:, :count], self.words, self.columns)

    def take(self, which: NDArray[np.intp]) -> Rows:
        """The rows at these places, in this order."""
        return Rows(self.values.take(which, axis=1), self.words, self.columns)


def with_sorted_words(
    values: Ints, vocabulary: Vocabulary, columns: Sequence[str] = COLUMNS
) -> Rows:
    """The rows of a matrix, recoded so that the codes are in the order of the words.

    The matrix is changed in place.
    """
    words = vocabulary.words()
    for name in set(words).intersection(columns):
        found, line = words[name], columns.index(name)
        order = sorted(range(len(found)), key=found.__getitem__)
        ranks = np.empty(len(found) + 1, np.int64)
        ranks[order] = np.arange(len(found))
        ranks[-1] = NULL
        values[line] = ranks[np.where(values[line] == NULL, len(found), values[line])]
        words[name] = [found[code] for code in order]
    return Rows(values, words, columns)


def empty(count: int = 0) -> Ints:
    """A matrix of `count` rows, to be filled."""
    return np.empty((len(COLUMNS), count), np.int64)


def sort_key(rows: Rows, names: Sequence[str] = KEY) -> Ints:
    """A number for each row that orders the rows by some columns, and is equal for equal keys.

    Only keys of the same Rows can be compared. They sort like the words if the codes do (see
    `with_sorted_words`).
    """
    result = np.zeros(len(rows), np.int64)
    for name in names if len(rows) else ():
        values = rows[name] - rows[name].min()
        result = result * (int(values.max()) + 1) + values
    return result


def day_of(when: date) -> int:
    """A day, counted from 1970-01-01."""
    return when.toordinal() - date(1970, 1, 1).toordinal()


def months_of(days: Ints) -> Ints:
    """The month (counted from January of the year 0) of each day."""
    months: Ints = days.astype("M8[D]").astype("M8[M]").astype(np.int64) + 1970 * 12
    return months


def first_and_last_day(month: int) -> tuple[int, int]:
    """The days of a month."""
    months = (np.arange(month, month + 2) - 1970 * 12).astype("M8[M]")
    first, end = months.astype("M8[D]").astype(np.int64).tolist()
    return first, end - 1
