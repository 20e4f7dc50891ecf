"""Breakouts with signals of vectorbt: INPUT OUTPUT CORES [kernel]. A column for each slot.

`generate_nb` asks a function for a column's entries, `generate_ex_nb` another one for the exit of
each. Both are ours and compiled, as vectorbt intends; they note what a signal cannot say. README.md
tells why not its portfolio.
"""

from typing import NamedTuple

import breakouts
import numpy as np
from analyse_numpy import Given, load, write
from breakouts import SLOTS, Instrument
from numba import njit
from vectorbt.signals.nb import generate_ex_nb, generate_nb


class Plans(NamedTuple):
    """Windows by column and date: bars `at` to `end`, entries before `latest`, ranges in ticks.

    `first`: where each column's begin, and their count.
    """

    at: np.ndarray
    latest: np.ndarray
    end: np.ndarray
    expired: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    first: np.ndarray


class Notes(NamedTuple):
    """Of each window: direction, entry and exit price, peak (all in ticks) and the result."""

    direction: np.ndarray
    entry: np.ndarray
    exit: np.ndarray
    peak: np.ndarray
    result: np.ndarray


@njit
def entries(from_i, to_i, col, high, low, plans, notes):
    """The first bar of each window that touches one of the levels."""
    found = np.empty(plans.first[col + 1] - plans.first[col], np.int64)
    count = 0
    for w in range(plans.first[col], plans.first[col + 1]):
        for i in range(plans.at[w], plans.latest[w]):
            up, down = high[i] > plans.top[w], low[i] < plans.bottom[w]
            if up or down:
                if up != down:
                    notes.direction[w] = 1 if up else -1
                    notes.entry[w] = plans.top[w] + 1 if up else plans.bottom[w] - 1
                    found[count] = i
                    count += 1
                break
    return found[:count]


@njit
def exits(from_i, to_i, col, high, low, close, target, t1, plans, notes):
    """The bar in which a trade ends, if the data reach it; also notes its peak."""
    first = plans.first[col]
    w = first + np.searchsorted(plans.at[first : plans.first[col + 1]], from_i, side="right") - 1
    entry, direction = notes.entry[w], notes.direction[w]
    original = min(plans.top[w] - plans.bottom[w], 3 * target)
    stop, watched, left = original, True, np.empty(0, np.int64)
    result, reached = 0, False
    for i in range(from_i, plans.end[w]):
        best, worst = high[i] - entry, entry - low[i]
        if direction < 0:
            best, worst = worst, best
        watched &= worst < original
        if watched:
            notes.peak[w] = max(notes.peak[w], best)
        if not result:
            won, lost = best >= target, reached and worst >= stop
            if not reached:
                lost = best < t1 and worst >= stop
                if best >= t1:
                    reached, stop = True, 1
            if won and lost:
                moved = (close[i] - entry) * direction
                won = abs(moved - target) < abs(moved + stop)
                lost = not won
            if won or lost:
                result = 1 if won else 2 if reached else 3
                notes.exit[w] = entry + direction * (target if won else -stop)
                left = np.array([i])
        elif not watched:
            break
    if not result:
        last = plans.end[w] - 1
        notes.exit[w] = close[last]
        result = 4 if plans.expired[w] else 5
        if plans.expired[w]:
            left = np.array([last])
    notes.result[w] = result
    return left


def compute(given: Given, rules: Instrument) -> list:
    """What came of each window that has a range."""
    times, high, low, close = given.bars
    plans, asked = planned(given)
    notes = Notes(*(np.zeros(len(asked), np.int64) for _ in Notes._fields))
    shape = len(times), len(SLOTS)
    entered = generate_nb(shape, False, entries, high, low, plans, notes)
    prices = high, low, close, rules.target, rules.t1
    left = generate_ex_nb(entered, 0, True, False, True, exits, *prices, plans, notes)
    begun, ended = np.full(len(asked), -1), np.full(len(asked), -1)
    for bar, signals in ((begun, entered), (ended, left)):
        for col, (begin, end) in enumerate(zip(plans.first, plans.first[1:], strict=False)):
            bars_of = np.flatnonzero(signals[:, col])
            bar[begin - 1 + np.searchsorted(plans.at[begin:end], bars_of, side="right")] = bars_of
    profit = (notes.exit - notes.entry) * notes.direction
    columns = [notes.result, notes.direction, begun, ended, notes.entry, profit, notes.peak]
    columns += [plans.top, plans.bottom]
    rows = zip(asked, *(column.tolist() for column in columns), strict=True)
    return sorted(rows, key=lambda row: row[0][:2])


def planned(given: Given) -> tuple[Plans, list]:
    """The windows that have a range, by column and date."""
    (times, high, low, _), asked, at = given
    edges = np.searchsorted(times, at)
    edges[2] = np.searchsorted(times, at[2], side="right")
    slots = [slot for _, slot in SLOTS]
    column = np.array([slots.index(window.slot) for window in asked])
    ranged = np.flatnonzero(edges[0] < edges[1])
    ranged = ranged[np.argsort(column[ranged], kind="stable")]
    begin, slot, latest, end = edges[:, ranged]
    bounds = np.column_stack([begin, slot]).ravel()
    top, bottom = np.maximum.reduceat(high, bounds)[::2], np.minimum.reduceat(low, bounds)[::2]
    expired = at[3, ranged] <= times[-1]
    first = np.searchsorted(column[ranged], range(len(slots) + 1))
    latest = np.minimum(latest, end)
    return Plans(slot, latest, end, expired, top, bottom, first), [asked[row] for row in ranged]


if __name__ == "__main__":
    breakouts.main(load, compute, write, compiles=True)
