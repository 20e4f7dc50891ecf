"""Whether new rows of a contract can be of the one that is published, if no ledger tells.

Rows of one contract have the same prices at the same times; those of two contracts do not.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pipekit_translator.layout import Series
from pipekit_translator.work.assemble.buffer import Chunk
from pipekit_translator.work.publish import parquet
from pipekit_translator.work.table import Ints, Table
from pipekit_translator.work.zones import Zone

LEAST = 30  # rows that tell
_CLOSE = 3  # of a bar's prices

Pairs = Iterable[tuple[str, list[Chunk]]]


def is_other(pairs: Pairs, series: Series, zone: Zone) -> bool:
    """Whether most rows differ from the published ones at their time, or in their span.

    `pairs`: published files, each with new chunks of the same part. Raises OSError, UnusableError.
    """
    common = same = 0
    for path, chunks in pairs:
        published = parquet.read(path, series, zone)
        for old in published.chunks if published else ():
            for new in chunks:
                if new.first <= old.last and old.first <= new.last:
                    both, alike = _compared(old.load(), new.load(), series)
                    common, same = common + both, same + alike
        if common >= LEAST:
            break
    return common >= LEAST and 2 * same < common


def _compared(old: Table, new: Table, series: Series) -> tuple[int, int]:
    """How many rows can be compared, and how many of them are the same."""
    if series.grouped:
        low, high = max(old.time[0], new.time[0]), min(old.time[-1], new.time[-1])
        before, after = (np.unique(_marks(_inside(table, low, high))) for table in (old, new))
        return min(len(before), len(after)), len(np.intersect1d(before, after))
    _, one, other = np.intersect1d(old.time, new.time, return_indices=True)
    return len(one), int((old.prices[_CLOSE][one] == new.prices[_CLOSE][other]).sum())


def _inside(table: Table, low: int, high: int) -> Table:
    return table.at((table.time >= low) & (table.time <= high))


def _marks(table: Table) -> Ints:
    """A number for the time and the price of each tick."""
    price = np.ascontiguousarray(table.prices[0]).view(np.int64)
    mixed: Ints = table.time * 31 ^ price
    return mixed
