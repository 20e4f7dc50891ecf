"""The sums of months that are added one after the other are those of all trades."""

import datetime as dt
import io
import json
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipekit_merger import worker
from pipekit_merger.request import Request
from pipekit_merger.settings import Settings
from pipekit_merger.work.rows import NULL, TEXTS, Rows
from pipekit_merger.work.summary import SummedMonths, Sums, max_drawdown, summarise

from pipekit.worker import request

DAYS = ["2020-01-30", "2020-01-31", "2020-02-03", "2020-03-02", "2021-01-04"]
BY = ("variant", "stream", "slot")
NAMES = (*TEXTS, "date", "profit", "profit_usd")

trades = st.fixed_dictionaries(
    {
        "variant": st.sampled_from(["a", "b"]),
        "session": st.sampled_from(["S1", "S2"]),
        "slot": st.sampled_from(["07:30", "08:00"]),
        "stream": st.sampled_from(["ES1", "NQ1"]),
        "instrument": st.sampled_from(["ES", "NQ"]),
        "direction": st.just("Long"),
        "result": st.sampled_from(["Win", "BE", "Loss", "Time", "Open", "NoTrade"]),
        "date": st.sampled_from(DAYS),
        "profit": st.integers(-400, 400).map(lambda ticks: ticks / 4),
    }
)
histories = st.lists(trades, max_size=30)


def as_rows(history):
    """Trades as a matrix."""
    words = {name: sorted({trade[name] for trade in history}) for name in TEXTS}
    values = np.full((len(NAMES), len(history)), NULL, np.int64)
    for at, trade in enumerate(history):
        day = dt.date.fromisoformat(trade["date"]).toordinal() - dt.date(1970, 1, 1).toordinal()
        ranks = [words[name].index(trade[name]) for name in TEXTS]
        amounts = np.array([trade["profit"], trade["profit"] * 50]).view(np.int64)
        values[:, at] = [*ranks, day, *amounts]
    return Rows(values, words, NAMES)


def plain(history, by):
    """The same in plain Python: group → (trades, wins, profit, drawdown)."""
    found = {}
    for trade in sorted(history, key=lambda t: [t[n] for n in ("date", *TEXTS[1:3], TEXTS[4])]):
        points = found.setdefault(tuple(trade[name] for name in by), [])
        if trade["result"] not in ("Open", "NoTrade"):
            points.append((trade["profit"], trade["result"] == "Win"))
    result = {}
    for group, closed in found.items():
        profit = highest = drawdown = 0.0
        for points, _ in closed:
            profit += points
            highest = max(highest, profit)
            drawdown = max(drawdown, highest - profit)
        result[group] = (len(closed), sum(won for _, won in closed), profit, drawdown)
    return result


def shown(found, by):
    names = ("trades", "wins", "profit", "max_drawdown")
    return {tuple(line[n] for n in by): tuple(line[n] for n in names) for line in found}


@pytest.mark.parametrize("by", [BY, ("stream",), ("variant", "instrument")])
@settings(deadline=None)
@given(histories)
def test_months_add_up_to_the_sums_of_all_trades(by, history):
    """Counts, sums and the drawdown across months, for any groups, as all trades in turn."""
    # The drawdown depends on the order of trades of one date, session, slot and instrument.
    history = list({tuple(t[n] for n in ("date", *TEXTS[1:5])): t for t in history}.values())
    single = {
        tuple(t[n] for n in ("date", "session", "slot", "instrument", *by)): t for t in history
    }
    history = list(single.values())
    found = summarise(as_rows(history), by)
    assert shown(found, by) == plain(history, by)
    assert [tuple(line[n] for n in by) for line in found] == sorted(plain(history, by))


@settings(deadline=None)
@given(histories, st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_months_can_be_added_one_after_the_other(history, size, chance):
    """The lines are the same, in any order of a month's rows."""
    history = list({tuple(t[n] for n in ("date", *TEXTS[:5])): t for t in history}.values())
    rows = as_rows(history)
    sums = Sums(BY)
    for first in range(0, len(DAYS), size + 1):
        dates = DAYS[first : first + size + 1]
        at = [n for n, trade in enumerate(history) if trade["date"] in dates]
        chance.shuffle(at)
        sums.add(rows.take(np.array(at, np.intp)))
    assert sums.lines() == summarise(rows, BY)


def test_no_rows_have_no_lines():
    """And no drawdown."""
    assert summarise(as_rows([]), BY) == []
    assert max_drawdown(np.array([])) == 0.0


def summary(project, kit):
    return (project.root / kit.merged / "summary.json").read_bytes()


def history_of(project, kit):
    """Three months merged, with their summary."""
    rows = [kit.row(day, profit=0.1 * n) for n, day in enumerate(DAYS)]
    path = project.run_file(rows, kit.scope(kit.always))
    project.run("merge", "summary")
    (project.root / path).unlink()  # so that no month can be made again


def test_a_month_that_was_edited_by_hand_is_read_again(project, kit):
    """The summary is that of the files, whatever the merge wrote into them."""
    history_of(project, kit)
    path = project.root / kit.merged / "ES1/2020/ES1_2020_02.parquet"
    table = pq.ParquetFile(path).read()
    kit.write(path, [{**line, "profit": 7.0} for line in table.to_pylist()])
    project.run_file([kit.row(DAYS[0], profit=0.5)], kit.scope(DAYS[0]))
    project.run("merge", "summary")
    (line,) = json.loads(summary(project, kit))["rows"]
    assert line["profit"] == pytest.approx(0.5 + 0.1 + 7.0 + 0.3 + 0.4)


def test_a_month_that_vanished_is_not_counted(project, kit):
    """The summary is that of the months that are there, whatever was merged."""
    history_of(project, kit)
    (project.root / kit.merged / "ES1/2020/ES1_2020_02.parquet").unlink()
    project.run("merge", "summary")
    (line,) = json.loads(summary(project, kit))["rows"]
    assert line["trades"] == len(DAYS) - 1


def test_no_summary_is_made_where_a_month_failed(project, kit):
    """It waits until all months are merged."""
    history_of(project, kit)
    made = summary(project, kit)
    (project.root / kit.merged / "ES1/2020/ES1_2020_01.parquet").write_bytes(b"damaged")
    project.run_file([kit.row(DAYS[0]), kit.row(DAYS[4], profit=3.0)], kit.scope(DAYS[0], DAYS[4]))
    outcome = project.run("merge", "summary")
    assert set(outcome.failures()) == {"ES1"}
    assert summary(project, kit) == made


@pytest.mark.parametrize(
    ("again", "in_memory"),
    [
        (DAYS, ["2020-01", "2020-02", "2020-03", "2021-01"]),
        (DAYS[:3], ["2020-01", "2020-02"]),
        ([DAYS[0], DAYS[3]], ["2020-01"]),
        (DAYS[4:], []),
    ],
)
def test_months_are_summed_while_their_rows_are_in_memory(
    project, kit, monkeypatch, again, in_memory
):
    """Up to the first that is not merged; the files of the others are read, and the sums agree."""
    history_of(project, kit)
    rows = [kit.row(day, profit=0.7 * n) for n, day in enumerate(again)]
    project.run_file(rows, kit.scope(*again))
    (task,) = project.plan(Settings(summary=True)).tasks
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(sys, "stdin", io.StringIO(task.command.stdin.decode()))
    summed = SummedMonths()
    assert worker._merge(request(Request), summed) == []
    assert sorted(map(str, summed.fingerprints)) == [f"ES1/{month}" for month in in_memory]
    of_files = SummedMonths()
    for each in (summed, of_files):
        each.add_others(kit.merged, 1)
    assert summed.lines() == of_files.lines()
    assert summed.fingerprints == of_files.fingerprints
