"""Ticks of one time stamp: as they happened, in files of either order, read in any blocks."""

from __future__ import annotations

import numpy as np
import pytest
from pipekit_translator.work.read.chronological import Chronological
from pipekit_translator.work.table import Ints, Table

TIMES = np.repeat(np.arange(20), [1, 2, 3, 4] * 5)


def read(time: Ints, rows: Ints, block: int) -> list[int]:
    """The rows, after a stable sort by time as it is made when they are published."""
    reader, tables = Chronological(), []
    for at in range(0, len(time), block):
        part = slice(at, at + block)
        volume = rows[part]
        tables += list(reader.feed(Table(time[part], (), volume), volume))
    tables += list(reader.finish())
    assert all((table.volume == lines).all() for table, lines in tables)
    found = np.concatenate([table.time for table, _ in tables])
    numbers = np.concatenate([lines for _, lines in tables])
    return numbers[np.argsort(found, kind="stable")].tolist()


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("turn", [0, 9, 30, len(TIMES)])
def test_each_part_is_read_in_its_own_direction(block: int, turn: int) -> None:
    """The first `turn` rows are the newest ones, in descending order."""
    turn = int(np.searchsorted(TIMES, TIMES[turn])) if turn < len(TIMES) else turn
    rows = np.arange(len(TIMES))
    rows = np.concatenate([rows[len(rows) - turn :][::-1], rows[: len(rows) - turn]])
    whole = [len(set(TIMES[part].tolist())) for part in (rows[:turn], rows[turn:])]
    found = read(TIMES[rows], rows, block)
    if sum(whole) == len(set(TIMES.tolist())):  # no stamp is in both parts
        assert found == list(range(len(TIMES)))
    assert sorted(found) == list(range(len(TIMES)))


@pytest.mark.parametrize("block", [1, 4, 1000])
def test_a_tick_out_of_order_turns_nothing_round(block: int) -> None:
    time = np.array([1, 1, 5, 3, 3, 4, 6, 6, 8, 7, 7, 9])
    found = read(time, np.arange(len(time)), block)
    assert found == np.argsort(time, kind="stable").tolist()


@pytest.mark.parametrize("descending", [False, True])
def test_a_file_of_one_time_stamp_and_its_neighbour(descending: bool) -> None:
    time = np.array([1, 1, 1, 2])
    rows = np.arange(4)
    order = rows[::-1] if descending else rows
    assert read(time[order], order, 2) == [0, 1, 2, 3]
