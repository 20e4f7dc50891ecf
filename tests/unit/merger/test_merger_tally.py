"""Tallies of months: they add up to what all trades come to, and are believed of no other month."""

import datetime as dt
import json
import random

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipekit_merger.rows import NULL, TEXTS, Rows
from pipekit_merger.summary import drawdown, lines, summarise
from pipekit_merger.tallies import Tallies
from pipekit_merger.tally import columns, tally

from pipekit.worker import fingerprint

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
    """The same in plain Python: group → (trades, wins, profit, deepest fall)."""
    found = {}
    for trade in sorted(history, key=lambda t: [t[n] for n in ("date", *TEXTS[1:3], TEXTS[4])]):
        points = found.setdefault(tuple(trade[name] for name in by), [])
        if trade["result"] not in ("Open", "NoTrade"):
            points.append((trade["profit"], trade["result"] == "Win"))
    result = {}
    for group, closed in found.items():
        standing = highest = fall = 0.0
        for profit, _ in closed:
            standing += profit
            highest = max(highest, standing)
            fall = max(fall, highest - standing)
        result[group] = (len(closed), sum(won for _, won in closed), standing, fall)
    return result


def shown(found, by):
    names = ("trades", "wins", "profit", "max_drawdown")
    return {tuple(line[n] for n in by): tuple(line[n] for n in names) for line in found}


@pytest.mark.parametrize("by", [BY, ("stream",), ("variant", "instrument")])
@settings(deadline=None)
@given(histories)
def test_months_add_up_to_what_all_trades_come_to(by, history):
    """Counts, sums and the fall across months, for any groups: as a plain walk over all trades."""
    # The fall depends on the order of trades of one date, session, slot and instrument: leave one.
    history = list({tuple(t[n] for n in ("date", *TEXTS[1:5])): t for t in history}.values())
    single = {
        tuple(t[n] for n in ("date", "session", "slot", "instrument", *by)): t for t in history
    }
    history = list(single.values())
    found = summarise(as_rows(history), by)
    assert shown(found, by) == plain(history, by)
    assert [tuple(line[n] for n in by) for line in found] == sorted(plain(history, by))


@settings(deadline=None)
@given(histories, st.randoms(use_true_random=False))
def test_a_tally_knows_its_own_rows_alone(history, chance):
    """A month tallied with others is what it is alone, to the bit, in any order of the rows."""
    history = list({tuple(t[n] for n in ("date", *TEXTS[:5])): t for t in history}.values())
    rows = as_rows(history)
    found = tally(rows, BY)
    order = list(range(len(rows)))
    random.Random(chance.random()).shuffle(order)
    mixed = rows.take(np.array(order, np.intp))
    months = rows["date"].astype("M8[D]").astype("M8[M]").astype(np.int64) + 1970 * 12
    parts = [tally(mixed.take(np.flatnonzero(months[order] == m)), BY) for m in np.unique(months)]
    alone = [part.values for part in parts]
    assert np.array_equal(found.values, np.concatenate([found.values[:, :0], *alone], axis=1))
    assert lines(found, BY) == summarise(rows, BY)


def test_no_rows_have_no_tallies():
    """Nothing is made up of nothing."""
    none = tally(as_rows([]), BY)
    assert (len(none), none.columns) == (0, columns(BY))
    assert lines(none, BY) == []
    assert drawdown(np.array([])) == 0.0


def kept(project):
    return project.root / ".pipekit/cache/merger/tallies.parquet"


def summary(project, kit):
    return (project.root / kit.merged / "summary.json").read_bytes()


def history_of(project, kit):
    """Three months merged, with their summary."""
    rows = [kit.row(day, profit=0.1 * n) for n, day in enumerate(DAYS)]
    project.run_file(rows, kit.scope(kit.always))
    project.run("merge", "summary")


def test_the_summary_is_the_same_with_and_without_known_tallies(project, kit):
    """What the merge had in memory, what was kept and what the months say are one."""
    history_of(project, kit)
    made = summary(project, kit)
    tallies = kept(project).read_bytes()
    for damage in (
        b"",
        b"no Parquet",
        tallies[:-20],
        tallies[:200] + b"xxxx" + tallies[204:],
        None,
    ):
        (project.root / kit.merged / "summary.json").unlink()
        kept(project).unlink() if damage is None else kept(project).write_bytes(damage)
        project.run("merge", "summary")
        assert summary(project, kit) == made
        assert kept(project).read_bytes() == tallies


def test_a_month_that_was_edited_by_hand_is_read_again(project, kit):
    """Tallies are believed of the bytes they were made of, not of a name."""
    history_of(project, kit)
    path = project.root / kit.merged / "ES1/2020/ES1_2020_02.parquet"
    table = pq.ParquetFile(path).read()
    kit.write(path, [{**line, "profit": 7.0} for line in table.to_pylist()])
    project.run_file([kit.row(DAYS[0], profit=0.5)], kit.scope(DAYS[0]))
    project.run("merge", "summary")
    (line,) = json.loads(summary(project, kit))["rows"]
    assert line["profit"] == pytest.approx(0.5 + 0.1 + 7.0 + 0.3 + 0.4)


def test_a_month_that_vanished_is_not_counted(project, kit):
    """The summary is that of the months that are there, whatever is known of others."""
    history_of(project, kit)
    (project.root / kit.merged / "ES1/2020/ES1_2020_02.parquet").unlink()
    project.run("merge", "summary")
    (line,) = json.loads(summary(project, kit))["rows"]
    assert line["trades"] == len(DAYS) - 1


def test_a_month_is_read_once(project, kit):
    """What is known of a month's bytes is not read from them: they may even be no Parquet."""
    history_of(project, kit)
    made = json.loads(summary(project, kit))["rows"]
    months = [project.root / kit.merged / name for name in project.months()]
    before = fingerprint(months[1])
    months[1].write_bytes(b"no Parquet")
    known = Tallies(str(kept(project)))
    known.add(fingerprint(months[1]), known.of([before]))
    known.keep(map(fingerprint, months))
    (project.root / kit.merged / "summary.json").unlink()
    outcome = project.run("merge", "summary")
    assert outcome.failures() == {}
    assert json.loads(summary(project, kit))["rows"] == made


def test_a_place_for_tallies_that_cannot_be_written_costs_nothing_but_time(project, kit):
    """The summary stands without them."""
    (project.root / ".pipekit").mkdir()
    (project.root / ".pipekit/cache").write_text("in the way")
    history_of(project, kit)
    (line,) = json.loads(summary(project, kit))["rows"]
    assert line["trades"] == len(DAYS)


def test_no_summary_is_made_where_a_month_failed(project, kit):
    """It waits until all is merged, and is asked for again."""
    history_of(project, kit)
    made = summary(project, kit)
    (project.root / kit.merged / "ES1/2020/ES1_2020_01.parquet").write_bytes(b"damaged")
    project.run_file([kit.row(DAYS[0]), kit.row(DAYS[4], profit=3.0)], kit.scope(DAYS[0], DAYS[4]))
    outcome = project.run("merge", "summary")
    assert set(outcome.failures()) == {"ES1"}
    assert summary(project, kit) == made
