"""The doubled hour: which pass a row is in, in files of any order, with rows that are repeated."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from pipekit_translator.work.passes import Fold
from pipekit_translator.work.table import Ints, Table
from pipekit_translator.work.zones import Zone

ZONES = {
    "America/New_York": dt.datetime(2023, 11, 5, 6, tzinfo=dt.UTC),
    "Europe/London": dt.datetime(2023, 10, 29, 1, tzinfo=dt.UTC),
    "Australia/Sydney": dt.datetime(2023, 4, 1, 16, tzinfo=dt.UTC),
    "Australia/Lord_Howe": dt.datetime(2023, 4, 1, 15, tzinfo=dt.UTC),  # by half an hour
    "America/Santiago": dt.datetime(2023, 4, 2, 3, tzinfo=dt.UTC),  # at midnight
}


class File:
    """The minutes around a change of the clock, in UTC, and the position of the two passes."""

    def __init__(self, zone: str, step: int = 1, around: int = 120) -> None:
        change = int(ZONES[zone].timestamp()) // 60
        self.zone = zone
        self.utc = np.arange(change - around, change + around, step)
        rule = ZoneInfo(zone)
        clock = [dt.datetime.fromtimestamp(at * 60, rule) for at in self.utc.tolist()]
        self.local = np.array([int(c.replace(tzinfo=dt.UTC).timestamp()) for c in clock])
        self.change = int(np.searchsorted(self.utc, change))
        length = int((self.local[self.change - 1] - self.local[self.change]) // 60 // step) + 1
        self.first = self.change - length
        self.last = self.change + length

    def table(self, rows: Ints) -> Table:
        """The bars at these positions, with a random walk for their prices."""
        walk = np.random.default_rng(1).normal(size=(4, len(self.utc))).cumsum(axis=1)
        high, low = walk.max(axis=0) + 1, walk.min(axis=0)
        prices = (walk[0], high, low, walk[1])
        return Table(self.local[rows], tuple(p[rows] for p in prices), rows % 7)

    def found(self, rows: Ints) -> Ints:
        """The minutes in UTC that rows at these positions, in this order, are read as."""
        utc, missing = Zone(self.zone).to_utc(self.table(rows), Fold())
        assert not missing.any()
        return utc // 60


def _repeated(rows: Ints, at: int, count: int = 1) -> Ints:
    return np.concatenate([rows[: at + count], rows[at:]])


ARRANGED: dict[str, Callable[[File, Ints], Ints]] = {
    "as it is": lambda _, rows: rows,
    "a row twice in the first pass": lambda f, rows: _repeated(rows, f.first + 5),
    "a row twice in the second": lambda f, rows: _repeated(rows, f.change + 5),
    "the first row twice": lambda f, rows: _repeated(rows, f.first),
    "the last of the first pass twice": lambda f, rows: _repeated(rows, f.change - 1),
    "the first of the second twice": lambda f, rows: _repeated(rows, f.change),
    "the last row twice": lambda f, rows: _repeated(rows, f.last - 1),
    "rows over the beginning again": lambda f, rows: _repeated(rows, f.first - 2, 4),
    "rows over the end again": lambda f, rows: _repeated(rows, f.last - 2, 4),
    "five rows again in the first pass": lambda f, rows: _repeated(rows, f.first + 8, 5),
    "five rows again in the second": lambda f, rows: _repeated(rows, f.change + 8, 5),
    "each row twice": lambda _, rows: np.repeat(rows, 2),
    "each row three times": lambda _, rows: np.repeat(rows, 3),
    "all rows again": lambda _, rows: np.concatenate([rows, rows]),
    "both passes again": lambda f, rows: _repeated(rows, f.first, f.last - f.first),
    "sorted by the clock": lambda f, rows: rows[np.argsort(f.local[rows], kind="stable")],
    "the file begins in the first pass": lambda f, rows: rows[rows >= f.first + 3],
    "the file ends in the second pass": lambda f, rows: rows[rows <= f.last - 4],
    "only the hour": lambda f, rows: rows[(rows >= f.first) & (rows < f.last)],
}


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("arranged", ARRANGED)
def test_each_row_is_read_as_its_own_minute(zone: str, arranged: str, newest_first: bool) -> None:
    file = File(zone)
    rows = ARRANGED[arranged](file, np.arange(len(file.utc)))
    rows = rows[::-1] if newest_first else rows
    assert file.found(rows).tolist() == file.utc[rows].tolist()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("turn", [-70, -20, 0, 20, 70])
def test_a_file_that_is_descending_in_part(zone: str, turn: int) -> None:
    """Its newest rows come first, in descending order, then the others in ascending order."""
    file = File(zone)
    rows = np.arange(len(file.utc))
    middle = file.change + turn
    arranged = np.concatenate([rows[middle:][::-1], rows[:middle]])
    assert file.found(arranged).tolist() == file.utc[arranged].tolist()


@pytest.mark.parametrize("zone", ZONES)
def test_hours_newest_first_with_their_rows_in_order(zone: str) -> None:
    file = File(zone)
    length = file.change - file.first
    hours = np.arange(len(file.utc))[: len(file.utc) // length * length].reshape(-1, length)
    rows = hours[::-1].ravel()
    assert file.found(rows).tolist() == file.utc[rows].tolist()


@pytest.mark.parametrize("zone", ZONES)
def test_a_corrected_row_stands_beside_the_first(zone: str) -> None:
    """Another row of the same minute is in the same pass, as long as the others say so."""
    file = File(zone)
    rows = _repeated(np.arange(len(file.utc)), file.first + 5)
    table = file.table(rows)
    table.volume[file.first + 5] += 1
    utc, _ = Zone(zone).to_utc(table, Fold())
    assert (utc // 60).tolist() == file.utc[rows].tolist()


@pytest.mark.parametrize("newest_first", [False, True])
def test_bars_without_trades_are_in_both_passes(newest_first: bool) -> None:
    file = File("America/New_York")
    flat = np.full(len(file.utc), 5.0)
    order = slice(None, None, -1 if newest_first else 1)
    table = Table(file.local[order], (flat,) * 4, np.zeros(len(flat), np.int64))
    utc, _ = Zone(file.zone).to_utc(table, Fold())
    assert (utc // 60).tolist() == file.utc[order].tolist()


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("cut", [100, 130, 170, 200])
def test_a_file_read_in_two_blocks(cut: int, newest_first: bool) -> None:
    file = File("America/New_York")
    rows = np.arange(len(file.utc))[:: -1 if newest_first else 1]
    rows = _repeated(rows, 75)
    zone, fold = Zone(file.zone), Fold()
    found = [zone.to_utc(file.table(part), fold)[0] for part in (rows[:cut], rows[cut:])]
    assert (np.concatenate(found) // 60).tolist() == file.utc[rows].tolist()


def test_two_autumns_in_one_file() -> None:
    files = [File("America/New_York"), File("America/New_York")]
    change = int(dt.datetime(2024, 11, 3, 6, tzinfo=dt.UTC).timestamp()) // 60
    files[1].utc = files[0].utc - files[0].utc[files[0].change] + change
    files[1].local = files[0].local + (files[1].utc[0] - files[0].utc[0]) * 60
    rows = _repeated(np.arange(len(files[0].utc)), files[0].first + 5)
    tables = [file.table(rows) for file in files]
    table = Table(
        np.concatenate([t.time for t in tables]),
        tuple(map(np.concatenate, zip(*(t.prices for t in tables), strict=True))),
        np.concatenate([t.volume for t in tables]),
    )
    utc, _ = Zone("America/New_York").to_utc(table, Fold())
    assert (utc // 60).tolist() == [*files[0].utc[rows], *files[1].utc[rows]]


@pytest.mark.parametrize("newest_first", [False, True])
def test_ticks_out_of_order_by_a_moment_change_no_pass(newest_first: bool) -> None:
    file = File("America/New_York")
    rows = np.arange(len(file.utc))
    time = np.repeat(file.local * 10**9, 3)
    time[file.first * 3 + 7] -= 10**9
    order = slice(None, None, -1 if newest_first else 1)
    price = np.arange(len(time), dtype=np.float64)
    table = Table(time[order], (price,) * 3, np.ones(len(time), np.int64))
    utc, _ = Zone(file.zone, 10**9).to_utc(table, Fold())
    expected = np.repeat(file.utc[rows] * 60, 3)
    expected[file.first * 3 + 7] -= 1
    assert (utc // 10**9).tolist() == expected[order].tolist()


def test_a_warning_says_that_one_file_has_two_rows_of_a_minute(project: Any, export: Any) -> None:
    rows = ("2020-01-06 08:00,10,12,9,11,5", "2020-01-06 08:00,10,13,9,11,5")
    project.write("data/raw/DataExport_ES_20200107_000500_UTC.csv", export(*rows))
    run = project.run()
    assert "ES: bars that one file states twice, with different values: 1" in run.warnings
    assert "two exports" not in run.warnings
