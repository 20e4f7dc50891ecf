"""What rows come to by month and group, in such a form that months add up; knows no files.

A tally is a row like those of `rows`: its month, the words of its group, how many rows have each
result, and what the closed trades come to. The same rows have the same tally, whatever others are
tallied with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np  # noqa: TID253  # a worker's module: no plan imports it
from numpy.typing import NDArray  # noqa: TID253  # as above

from pipekit_merger.rows import Ints, Rows, months_of, sort_key

CLOSED = {"Win": "wins", "BE": "break_evens", "Loss": "losses", "Time": "times"}
OTHERS = {"Open": "open", "NoTrade": "no_trade"}
COUNTS = (*CLOSED.values(), *OTHERS.values())
AMOUNTS = ("points", "high", "low", "fall", "dollars")  # see Course; floats as their bits
_ORDER = ["date", "session", "slot", "instrument"]  # in which trades are cumulated

Floats = NDArray[np.float64]


class Course(NamedTuple):
    """How lines of amounts go that are cumulated from 0.

    `end`: the last standing; `high`, `low`: the highest and the lowest, 0 included; `fall`: the
    deepest below the highest before it.
    """

    end: Floats
    high: Floats
    low: Floats
    fall: Floats


def columns(by: Sequence[str]) -> tuple[str, ...]:
    """What the lines of a matrix of tallies are."""
    return ("month", *by, *COUNTS, *AMOUNTS)


def tally(rows: Rows, by: Sequence[str]) -> Rows:
    """Tallies by month, and in it by the words of the columns `by`."""
    month = months_of(rows["date"])
    first, group = _groups(month, rows, by)
    counts = [
        np.bincount(group[_having(rows, [result])], minlength=len(first))
        for result in (*CLOSED, *OTHERS)
    ]
    closed = np.flatnonzero(_having(rows, CLOSED))
    trades = closed[np.lexsort([sort_key(rows, _ORDER)[closed], group[closed]])]
    of = group[trades]
    points, dollars = (rows[name][trades].view(np.float64) for name in ("profit", "profit_usd"))
    amounts = [*course(_beside(points, of, len(first))), np.bincount(of, dollars, len(first))]
    texts = [rows[name][first] for name in by]
    values = [month[first], *texts, *counts, *(amount.view(np.int64) for amount in amounts)]
    return Rows(np.array(values, np.int64), rows.words, columns(by))


def total(tallies: Rows, by: Sequence[str]) -> Rows:
    """Tallies of whole groups, in the order of their words; each has its group's first month."""
    tallies = tallies.take(np.argsort(tallies["month"], kind="stable"))
    first, group = _groups(np.zeros(len(tallies), np.int64), tallies, by)
    order = np.argsort(group, kind="stable")
    months, of = tallies.take(order), group[order]
    amounts = {name: months[name].view(np.float64) for name in AMOUNTS}
    points, high, low, fall = (_beside(amounts[name], of, len(first)) for name in AMOUNTS[:4])
    end = np.cumsum(points, axis=1)
    start = _before(end)
    highest = np.maximum.accumulate(start + high, axis=1)
    falls = np.maximum(fall, _before(highest) - (start + low)).max(axis=1)
    sums = [np.bincount(of, months[name], len(first)).astype(np.int64) for name in COUNTS]
    ends = [end[:, -1], highest[:, -1], (start + low).min(axis=1), falls]
    ends.append(np.bincount(of, amounts["dollars"], len(first)))
    head = [tallies[name][first] for name in ("month", *by)]
    values = [*head, *sums, *(amount.view(np.int64) for amount in map(np.ascontiguousarray, ends))]
    return Rows(np.array(values, np.int64), tallies.words, columns(by))


def course(amounts: Floats) -> Course:
    """How each line of a matrix goes, which has a column at least."""
    standing = np.cumsum(amounts, axis=1)
    highest = np.maximum(np.maximum.accumulate(standing, axis=1), 0.0)
    lowest = np.minimum(standing.min(axis=1), 0.0)
    fall = (highest - standing).max(axis=1)
    return Course(standing[:, -1].copy(), highest[:, -1].copy(), lowest, fall)


def _groups(code: Ints, rows: Rows, by: Sequence[str]) -> tuple[Ints, Ints]:
    """The first row of each group, and each row's group; they go by `code`, then by the words."""
    for name in by:
        code = code * len(rows.words[name]) + rows[name]
    _, first, group = np.unique(code, return_index=True, return_inverse=True)
    return first, group


def _having(rows: Rows, results: Sequence[str] | dict[str, str]) -> NDArray[np.bool_]:
    there = rows.words["result"]
    return np.isin(rows["result"], [there.index(word) for word in results if word in there])


def _beside(values: Floats, of: Ints, groups: int) -> Floats:
    """A line for each group with its values in their order, zeros behind them; `of` ascends."""
    place = np.arange(len(of)) - np.searchsorted(of, of)
    lines = np.zeros((groups, int(place.max(initial=0)) + 1))
    lines[of, place] = values
    return lines


def _before(amounts: Floats) -> Floats:
    """Each line moved on by one, from 0."""
    return np.pad(amounts[:, :-1], ((0, 0), (1, 0)))
