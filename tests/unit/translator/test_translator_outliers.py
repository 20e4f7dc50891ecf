"""Bars that fill gaps with zeros or a false price, and prices far off: found, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pipekit_translator.layout import BARS, TICKS
from pipekit_translator.settings import Settings
from pipekit_translator.work.read.outliers import Outliers
from pipekit_translator.work.table import Floats, Ints, Table

EXPORT = "data/raw/DataExport_ES_20240110_000500_UTC.csv"


def bars(close: Any, reach: Any = 0.5) -> Table:
    """Bars that end at these prices."""
    close = np.asarray(close, np.float64)
    open_ = np.concatenate((close[:1], close[:-1]))
    high, low = np.maximum(open_, close) + reach, np.minimum(open_, close) - reach
    volume = np.full(len(close), 5)
    return Table(np.arange(len(close)), (open_, high, low, close), volume)


def walk(count: int, start: float = 4800.0, step: float = 0.5) -> Floats:
    steps = np.random.default_rng(3).normal(size=count) * step
    found: Floats = np.round((start + steps.cumsum()) * 4) / 4
    return found


def flat(table: Table, rows: Any, price: float, volume: int = 0) -> Table:
    """The table with bars of one price at these rows."""
    for column in table.prices:
        column[rows] = price
    table.volume[rows] = volume
    return table


def found(
    table: Table, block: int = 10_000, series: Any = BARS, *, carried: bool = False
) -> list[int]:
    """The rows that are taken out."""
    reader, kept = Outliers(series, carried=carried), []
    lines: Ints = np.arange(table.size)
    for at in range(0, table.size, block):
        part = slice(at, at + block)
        kept += [n for _, rows in reader.feed(table.at(part), lines[part]) for n in rows.tolist()]
    kept += [n for _, rows in reader.finish() for n in rows.tolist()]
    bad = sorted(reader.fillers + reader.lines)
    assert sorted(kept + bad) == lines.tolist()
    return bad


ROWS = {
    "one": [150],
    "the first": [0],
    "the last": [299],
    "each tenth": list(range(0, 300, 10)),
    "each second": list(range(1, 300, 2)),
    "an hour": list(range(100, 160)),
    "the first hour": list(range(60)),
    "the last hour": list(range(240, 300)),
}


@pytest.mark.parametrize("block", [1, 40, 1000])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("price", [0.0, 1.0, 9999.0])
def test_bars_that_fill_gaps(rows: str, price: float, block: int) -> None:
    assert found(flat(bars(walk(300)), ROWS[rows], price), block) == ROWS[rows]


@pytest.mark.parametrize("price", [0.0, 48.0, 480.0, 48_000.0, -4800.0])
@pytest.mark.parametrize("rows", ["one", "the first", "the last", "each tenth"])
def test_prices_far_off_with_trades(rows: str, price: float) -> None:
    assert found(flat(bars(walk(300)), ROWS[rows], price, 7)) == ROWS[rows]


@pytest.mark.parametrize(("column", "price"), [(1, 48_000.0), (2, 0.0), (2, 48.0)])
def test_one_price_of_a_bar_far_off(column: int, price: float) -> None:
    table = bars(walk(300))
    table.prices[column][100] = price
    assert found(table) == [100]


def test_bars_without_trades_at_the_last_price_are_right() -> None:
    table = bars(walk(300))
    for row in range(100, 160):
        flat(table, row, float(table.prices[3][99]))
    assert found(table) == []


@pytest.mark.parametrize("share", [0.8, 0.93, 1.07, 1.5])
@pytest.mark.parametrize("at", [1, 20, 150, 280])
def test_a_new_level_stays(share: float, at: int) -> None:
    """A limit move, or the next contract."""
    close = walk(300)
    close[at:] *= share
    assert found(bars(close)) == []


def test_a_limit_move_at_the_end_of_a_file_stays() -> None:
    close = walk(300)
    close[-1] *= 0.8
    assert found(bars(close)) == []


def test_a_crash_and_its_recovery_stay() -> None:
    """As in May 2010: six percent down and up in ten minutes."""
    close = walk(300, 1120.0, 0.3)
    way = np.interp(np.arange(12), [0, 6, 11], [0, -64, -5])
    close[150:162] += way
    close[162:] -= 5
    assert found(bars(close, np.where(np.abs(np.arange(300) - 155) < 20, 4.0, 0.5))) == []


def test_crude_oil_of_april_2020_stays() -> None:
    """From 17 dollars through zero to -40 and back to 10, in limit moves and halts."""
    minute = [0, 200, 260, 290, 310, 318, 325, 332, 360, 420, 600]
    price = [17, 11, 5, 1, -1.5, -10, -28, -40.3, -37.6, -20, 10]
    close = np.interp(np.arange(600), minute, price)
    close += np.random.default_rng(5).normal(size=600) * 0.15
    reach = np.interp(
        np.arange(600), [0, 250, 310, 340, 420, 599], [0.05, 0.15, 0.8, 1.5, 0.5, 0.2]
    )
    table = bars(np.round(close, 2), reach)
    assert found(table) == []
    crossing = int(np.argmin(np.abs(close[280:310]))) + 280
    assert found(flat(table, crossing, 0.0, 3)) == []


def test_spreads_around_zero_stay() -> None:
    close = np.round(np.random.default_rng(2).normal(size=300) * 0.02, 2)
    table = bars(close, 0.01)
    assert found(flat(table, [50, 51, 52], 0.0)) == []


@pytest.mark.parametrize("row", [0, 1, 150, 299])
@pytest.mark.parametrize("volume", [0, 5])
def test_zeros_among_bars_that_reach_far(row: int, volume: int) -> None:
    """Bars of an hour, or of a volatile coin: each reaches over four percent of the price."""
    assert found(flat(bars(walk(300, 100.0, 1.0), 2.0), row, 0.0, volume)) == [row]


def test_a_low_of_zero_among_bars_that_reach_far() -> None:
    table = bars(walk(300, 100.0, 1.0), 2.0)
    table.prices[2][150] = 0.0
    assert found(table) == [150]


@pytest.mark.parametrize("row", [0, 1, 150, 299])
def test_a_tick_of_zero_among_ticks_far_apart(row: int) -> None:
    price = walk(300, 200.0, 4.0)
    price[row] = 0.0
    table = Table(np.arange(300), (price,) * 3, np.ones(300, np.int64))
    assert found(table, series=TICKS) == [row]


def test_ticks_of_a_spread_near_zero_stay() -> None:
    price = np.random.default_rng(4).choice([0.25, 0.5, 0.75, 1.0], size=300)
    price[[0, 30, 31, 200]] = 0.0
    table = Table(np.arange(300), (price,) * 3, np.ones(300, np.int64))
    assert found(table, series=TICKS) == []


@pytest.mark.parametrize("price", [0.0, 480.0, 48_000.0])
@pytest.mark.parametrize("rows", [range(50, 90), range(40), range(270, 300), [7]])
def test_a_false_price_that_is_carried_on(rows: Any, price: float) -> None:
    """In all rows, as they would not be a new level without the first of them."""
    prices = walk(300)
    prices[rows] = price
    table = Table(np.arange(300), (prices,) * 3, np.ones(300, np.int64))
    assert found(table, series=TICKS, carried=True) == [*rows]


def test_a_new_level_of_carried_prices_stays() -> None:
    """Ten percent up for forty rows of one price, and down again, with few trades."""
    prices = np.repeat([100.0, 100.25, 110.0, 100.0, 100.5], 40)
    table = Table(np.arange(200), (prices,) * 3, np.ones(200, np.int64))
    assert found(table, series=TICKS, carried=True) == []


def test_ticks_far_off() -> None:
    price = walk(300)
    price[[40, 120]] = [0.0, 48_000.0]
    price[200:205] = np.nan
    table = Table(np.arange(300), (price,) * 3, np.ones(300, np.int64))
    assert found(table, series=TICKS) == [40, 120]


def test_a_bar_of_zeros_among_few_others() -> None:
    assert found(flat(bars(walk(5)), 2, 0.0)) == [2]


def test_a_file_of_zeros_holds_nothing_right() -> None:
    assert found(flat(bars(walk(5)), slice(None), 0.0)) == [0, 1, 2, 3, 4]


@pytest.fixture
def with_zero(export: Any) -> str:
    rows = [f"2024-01-09 08:{at:02},4800,4801,4799,4800.5,5" for at in range(40)]
    rows[20] = "2024-01-09 08:20,0,0,0,0,0"
    return str(export(*rows))


def test_outliers_are_set_aside_with_a_warning(project: Any, with_zero: str) -> None:
    project.write(EXPORT, with_zero)
    run = project.run()
    assert len(project.rows("ES", "2024-01")) == 39
    (row,) = project.quarantine()
    assert row["line"] == 22
    assert row["reason"] == "a bar without trades at a price far off those around it (outliers)"
    assert "1 row set aside" in run.warnings


def test_outliers_are_kept_if_the_settings_say_so(project: Any, with_zero: str) -> None:
    project.write(EXPORT, with_zero)
    project.run(Settings(outliers="keep"))
    assert len(project.rows("ES", "2024-01")) == 40


def test_a_file_with_outliers_is_rejected_if_the_settings_say_so(
    project: Any, with_zero: str
) -> None:
    project.write(EXPORT, with_zero)
    run = project.run(Settings(outliers="reject"))
    assert "line 22: a bar without trades" in run.all("rejected")[0]["reason"]
    assert not project.tree()
