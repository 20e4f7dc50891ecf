"""What a merge changes in a month, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from pipekit_merger.work.coverage import PUBLISHED
from pipekit_merger.work.rows import Ints, Rows


class Change(IntEnum):
    """What becomes of a row, published or from a run file.

    REPLACED is a row whose key another row has, which is counted instead of it.
    """

    REPLACED = 0
    UNCHANGED = 1
    UPDATED = 2
    NEW = 3
    REMOVED = 4


def classify(rows: Rows, key: Ints, source: Ints, kept: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The Change of each row.

    `key`: equal for rows that stand for the same trade. `source`: the number of the row's run file,
    or PUBLISHED. `kept`: whether the row is in the month after the merge.
    """
    published = np.flatnonzero(source == PUBLISHED)
    fresh = np.flatnonzero(kept & (source != PUBLISHED))
    change = np.full(len(source), Change.REPLACED, np.int8)
    change[published] = np.where(kept[published], Change.UNCHANGED, Change.REMOVED)
    change[fresh] = Change.NEW
    if not len(published):
        return change
    published = published[np.argsort(key[published], kind="stable")]
    at = np.minimum(np.searchsorted(key[published], key[fresh]), len(published) - 1)
    before = published[at]
    same_key = key[before] == key[fresh]
    before, fresh = before[same_key], fresh[same_key]
    equal = (rows.values[:, before] == rows.values[:, fresh]).all(axis=0)
    change[before] = Change.REPLACED
    change[fresh] = np.where(equal, Change.UNCHANGED, Change.UPDATED)
    return change


def count_by_month(change: NDArray[np.int8], month: Ints, months: Sequence[int]) -> Ints:
    """How many rows of each month have each Change: a line for each of `months`, which ascend."""
    counts = np.zeros((len(months), len(Change)), np.int64)
    np.add.at(counts, (np.searchsorted(months, month), change), 1)
    return counts
