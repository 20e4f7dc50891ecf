"""What rows come to by month and group, in a form in which months add up.

Aggregates are Rows themselves: the month, the words of the group, how many rows have each result,
and what the closed trades come to. Rows have the same aggregates whatever others they are
aggregated with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipekit_merger.work.rows import Ints, Rows, months_of, sort_key

CLOSED = {"Win": "wins", "BE": "break_evens", "Loss": "losses", "Time": "times"}
OTHERS = {"Open": "open", "NoTrade": "no_trade"}
COUNTS = (*CLOSED.values(), *OTHERS.values())
AMOUNTS = ("points", "high", "low", "drawdown", "dollars")  # see Equity; floats as their bits
_ORDER = ["date", "session", "slot", "instrument"]  # in which trades are cumulated

Floats = NDArray[np.float64]


class Equity(NamedTuple):
    """Curves of amounts cumulated from 0, a number for each.

    `end`: the last value; `high`, `low`: the highest and the lowest, 0 included; `drawdown`: the
    maximum drawdown, which is the largest distance of a value below the highest before it.
    """

    end: Floats
    high: Floats
    low: Floats
    drawdown: Floats


def columns(by: Sequence[str]) -> tuple[str, ...]:
    """The names of the lines of a matrix of aggregates."""
    return ("month", *by, *COUNTS, *AMOUNTS)


def aggregate(rows: Rows, by: Sequence[str]) -> Rows:
    """The aggregates of rows by month, and in each month by the words of the columns `by`."""
    month = months_of(rows["date"])
    first, group = _groups(month, rows, by)
    counts = [
        np.bincount(group[_has_result(rows, [result])], minlength=len(first))
        for result in (*CLOSED, *OTHERS)
    ]
    closed = np.flatnonzero(_has_result(rows, CLOSED))
    trades = closed[np.lexsort([sort_key(rows, _ORDER)[closed], group[closed]])]
    of = group[trades]
    points, dollars = (rows[name][trades].view(np.float64) for name in ("profit", "profit_usd"))
    amounts = [*equity(_side_by_side(points, of, len(first))), np.bincount(of, dollars, len(first))]
    texts = [rows[name][first] for name in by]
    values = [month[first], *texts, *counts, *(amount.view(np.int64) for amount in amounts)]
    return Rows(np.array(values, np.int64), rows.words, columns(by))


def total(aggregates: Rows, by: Sequence[str]) -> Rows:
    """The aggregates of whole groups, in the order of their words; the month is the first one."""
    aggregates = aggregates.take(np.argsort(aggregates["month"], kind="stable"))
    first, group = _groups(np.zeros(len(aggregates), np.int64), aggregates, by)
    order = np.argsort(group, kind="stable")
    months, of = aggregates.take(order), group[order]
    amounts = {name: months[name].view(np.float64) for name in AMOUNTS}
    points, high, low, drawdown = (
        _side_by_side(amounts[name], of, len(first)) for name in AMOUNTS[:4]
    )
    end = np.cumsum(points, axis=1)
    start = _shifted(end)
    highest = np.maximum.accumulate(start + high, axis=1)
    drawdowns = np.maximum(drawdown, _shifted(highest) - (start + low)).max(axis=1)
    sums = [np.bincount(of, months[name], len(first)).astype(np.int64) for name in COUNTS]
    ends = [end[:, -1], highest[:, -1], (start + low).min(axis=1), drawdowns]
    ends.append(np.bincount(of, amounts["dollars"], len(first)))
    head = [aggregates[name][first] for name in ("month", *by)]
    values = [*head, *sums, *(amount.view(np.int64) for amount in map(np.ascontiguousarray, ends))]
    return Rows(np.array(values, np.int64), aggregates.words, columns(by))


def equity(amounts: Floats) -> Equity:
    """The curve of each line of a matrix of amounts, which has at least one column."""
    curve = np.cumsum(amounts, axis=1)
    highest = np.maximum(np.maximum.accumulate(curve, axis=1), 0.0)
    lowest = np.minimum(curve.min(axis=1), 0.0)
    drawdown = (highest - curve).max(axis=1)
    return Equity(curve[:, -1].copy(), highest[:, -1].copy(), lowest, drawdown)


def _groups(code: Ints, rows: Rows, by: Sequence[str]) -> tuple[Ints, Ints]:
    """The first row of each group, and each row's group; sorted by `code`, then by the words."""
    for name in by:
        code = code * len(rows.words[name]) + rows[name]
    _, first, group = np.unique(code, return_index=True, return_inverse=True)
    return first, group


def _has_result(rows: Rows, results: Iterable[str]) -> NDArray[np.bool_]:
    words = rows.words["result"]
    return np.isin(rows["result"], [words.index(word) for word in results if word in words])


def _side_by_side(values: Floats, of: Ints, groups: int) -> Floats:
    """A line for each group with its values in order, then zeros; `of`, their group, ascends."""
    place = np.arange(len(of)) - np.searchsorted(of, of)
    lines = np.zeros((groups, int(place.max(initial=0)) + 1))
    lines[of, place] = values
    return lines


def _shifted(amounts: Floats) -> Floats:
    """Each line moved right by one column, with a 0 before it."""
    return np.pad(amounts[:, :-1], ((0, 0), (1, 0)))
