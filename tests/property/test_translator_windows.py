"""Rows that waited come back a stretch of time after the other, whatever their chunks were."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pipekit_translator.work.assemble.buffer import Chunk, windows
from pipekit_translator.work.table import Table

Rows = tuple[int, list[int]]  # the rank of a chunk, its times
CHUNKS = st.lists(
    st.tuples(st.integers(-1, 2), st.lists(st.integers(0, 12), min_size=1, max_size=6).map(sorted)),
    min_size=1,
    max_size=7,
)


def chunk(times: list[int], number: int) -> Chunk:
    """Each row knows its chunk and its place in it."""
    rows = Table(
        np.array(times, np.int64),
        (np.full(len(times), float(number)),),
        np.arange(len(times), dtype=np.int64),
    )
    return Chunk(times[0], times[-1], lambda: rows)


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(chunks=CHUNKS, least=st.sampled_from([1, 2, 5, 100]))
def test_every_row_comes_once_in_order_and_no_time_in_two_stretches(
    chunks: list[Rows], least: int
) -> None:
    """Within a stretch by rank, then as given, then as in the chunk."""
    chunks = sorted(chunks, key=lambda item: item[0])
    given_ = [(rank, chunk(times, number)) for number, (rank, times) in enumerate(chunks)]
    stretches = list(windows(given_, least))
    found = []
    for parts in stretches:
        rows = [
            (part.rank, int(number), int(place), int(time))
            for part in parts
            for time, number, place in zip(
                part.table.time, part.table.prices[0], part.table.volume, strict=True
            )
        ]
        assert rows == sorted(rows)
        assert all(part.table.size for part in parts)
        found += rows
    assert sorted(found) == [
        (rank, number, place, time)
        for number, (rank, times) in enumerate(chunks)
        for place, time in enumerate(times)
    ]
    times = [[int(t) for part in parts for t in part.table.time] for parts in stretches]
    assert all(max(one) < min(next_) for one, next_ in pairwise(times))
    assert all(len(one) >= least for one in times[:-1])
