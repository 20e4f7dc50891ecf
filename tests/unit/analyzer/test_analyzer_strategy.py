"""The rules of one slot, each on a handful of bars (data, §2.2). Prices in ticks, times in minutes.

The range is minutes 0 to 2 with prices 90 to 100: orders stand at 101 and 89 from minute 3 on. The
target is 20 ticks, so T1 is 13; the stop is 10 away, by rule `boundary` 11.
"""

from __future__ import annotations

import numpy as np
import pytest
from pipekit_analyzer.work.kernel import NO_ROW, RESULTS, Bars, DataEnd, TickRules, Windows
from pipekit_analyzer.work.simulate import simulate

RANGE = [(100, 95, 95), (96, 90, 91), (92, 91, 91)]
RULES = TickRules(target=20, t1=13, max_stop=60)
EXPIRY = 100


def trade(*bars, rules=RULES, end=EXPIRY, latest=50, range=RANGE, slot=3):
    """The outcome of bars (high, low, close), the first one at minute 3."""
    columns = np.array([*range, *bars], np.int64).reshape(-1, 3).T
    times = np.arange(len(columns[0]), dtype=np.int64)
    edges = (np.array([edge], np.int64) for edge in (0, slot, latest, EXPIRY))
    (out,) = simulate(Bars(times, *columns), Windows(*edges), DataEnd(end, end), [rules])
    return type(out)(*(int(column[0]) for column in out))


def seen(outcome):
    """Result, direction, and where it ended: bar, price, profit."""
    o = outcome
    return RESULTS[o.result], o.direction, o.entry_bar, o.exit_bar, o.exit, o.profit


QUIET = (95, 94, 95)
ENTER = (102, 99, 101)  # long at 101, with neither stop nor T1


def test_no_row_before_the_data_reach_the_slot():
    assert trade(end=2).result == NO_ROW
    assert RESULTS[trade(end=3).result] == "NoTrade"


def test_no_row_without_a_bar_in_the_range():
    assert trade(ENTER, range=[], slot=0).result == NO_ROW


def test_orders_stand_one_tick_beyond_the_range_and_fill_at_their_level():
    at_the_edge = trade((100, 90, 95))
    assert RESULTS[at_the_edge.result] == "NoTrade"
    gap = trade((110, 108, 109), end=50)
    assert (gap.direction, gap.entry) == (1, 101)
    assert trade((95, 80, 81), end=50).entry == 89


def test_both_levels_first_touched_in_one_bar_is_no_trade():
    assert seen(trade(QUIET, (101, 89, 95), (130, 100, 130)))[:3] == ("NoTrade", 0, -1)


def test_an_entry_after_the_latest_time_is_no_trade():
    assert RESULTS[trade(QUIET, ENTER, latest=3).result] == "NoTrade"
    assert RESULTS[trade(QUIET, ENTER, latest=4).result] == "Time"


def test_a_touch_of_the_target_wins_also_in_the_entry_bar():
    assert seen(trade(ENTER, (121, 99, 110))) == ("Win", 1, 3, 4, 121, 20)
    assert seen(trade(ENTER, (120, 102, 110)))[0] == "Time"
    assert seen(trade((121, 99, 110))) == ("Win", 1, 3, 3, 121, 20)


def test_a_short_trade_is_the_mirror_of_a_long_one():
    assert seen(trade((91, 88, 89), (91, 69, 80))) == ("Win", -1, 3, 4, 69, 20)
    assert seen(trade((91, 88, 89), (99, 88, 80))) == ("Loss", -1, 3, 4, 99, -10)
    assert seen(trade((91, 88, 89), (80, 76, 80), (90, 80, 80))) == ("BE", -1, 3, 5, 90, -1)


def test_the_first_stop_is_the_range_or_its_far_boundary_or_three_targets_away():
    near, far = (102, 91, 95), (102, 90, 95)
    assert seen(trade(ENTER, near)) == ("Loss", 1, 3, 4, 91, -10)
    boundary = TickRules(20, 13, 60, boundary=True)
    assert seen(trade(ENTER, near, rules=boundary))[0] == "Time"
    assert seen(trade(ENTER, far, rules=boundary)) == ("Loss", 1, 3, 4, 90, -11)
    assert trade(ENTER, rules=TickRules(3, 2, 9)).stop == 9


def test_the_stop_holds_in_the_entry_bar_itself():
    assert seen(trade((102, 91, 95))) == ("Loss", 1, 3, 3, 91, -10)


def test_t1_moves_the_stop_to_one_tick_beyond_the_entry():
    assert seen(trade(ENTER, (114, 102, 114), (110, 100, 105))) == ("BE", 1, 3, 5, 100, -1)
    assert seen(trade(ENTER, (114, 102, 114), (110, 101, 105)))[0] == "Time"
    assert seen(trade(ENTER, (113, 102, 113), (110, 100, 105)))[0] == "Time"


def test_no_stop_is_tested_in_the_bar_in_which_t1_fires():
    assert seen(trade(ENTER, (114, 80, 114)))[0] == "Time"
    assert seen(trade((114, 91, 114), (113, 101, 110)))[0] == "Time"
    assert seen(trade((114, 91, 114), (113, 100, 110))) == ("BE", 1, 3, 4, 100, -1)


@pytest.mark.parametrize(
    ("close", "tie_to_target", "result"),
    [(111, False, "Win"), (110, False, "BE"), (110, True, "BE"), (112, True, "Win")],
)
def test_of_target_and_stop_in_one_bar_the_nearer_to_the_close_wins(close, tie_to_target, result):
    rules = TickRules(20, 13, 60, tie_to_target=tie_to_target)
    both = trade(ENTER, (114, 102, 114), (121, 100, close), rules=rules)
    assert RESULTS[both.result] == result


@pytest.mark.parametrize(("tie_to_target", "result"), [(False, "BE"), (True, "Win")])
def test_a_tie_goes_to_the_stop_unless_set_otherwise(tie_to_target, result):
    rules = TickRules(21, 13, 63, tie_to_target=tie_to_target)
    both = trade(ENTER, (114, 102, 114), (122, 100, 111), rules=rules)
    assert RESULTS[both.result] == result


def test_at_the_expiry_the_last_close_before_it_counts():
    quiet = [(103, 101, 102)] * (EXPIRY - 4)
    held = trade(ENTER, *quiet, (130, 100, 130), end=EXPIRY)
    assert seen(held) == ("Time", 1, 3, EXPIRY - 1, 102, 1)


def test_a_trade_is_open_while_the_data_end_before_the_expiry():
    still = trade(ENTER, (103, 99, 99), end=EXPIRY - 1)
    assert seen(still)[:4] == ("Open", 1, 3, -1)
    assert still.profit == -2


def test_the_peak_goes_on_after_the_exit_up_to_the_original_stop_excluded():
    assert trade(ENTER, (122, 101, 120), (150, 92, 100), (200, 91, 100)).peak == 49
    assert trade((180, 91, 95)).peak == 0


def test_a_range_of_size_zero_stops_at_the_entry():
    flat = trade((101, 100, 101), range=[(100, 100, 100)] * 3)
    assert seen(flat) == ("Loss", 1, 3, 3, 101, 0)
    assert (flat.range_high, flat.range_low, flat.range_bars) == (100, 100, 3)
