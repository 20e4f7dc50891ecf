"""The summary: its numbers, when it is made, and that it always covers all months."""

import hashlib
import json

import pandas as pd
import pyarrow.parquet as pq
import pytest
from pipekit_merger.layout import digest
from pipekit_merger.work.summary import max_drawdown

JANUARY = "ES1/2020/ES1_2020_01.parquet"


def read(project, kit):
    """The lines of summary.json by (variant, stream, slot)."""
    stated = json.loads((project.root / kit.merged / "summary.json").read_bytes())
    names = ("variant", "stream", "slot")
    return {tuple(line.pop(name) for name in names): line for line in stated["rows"]}


def test_the_numbers_of_a_slot(project, kit):
    """Counts, win rate, sums and drawdown of closed trades; Open and NoTrade only counted."""
    results = [
        ("2020-01-06", "Win", 10.0),
        ("2020-01-07", "Loss", -4.25),
        ("2020-01-08", "BE", -0.25),
        ("2020-01-09", "NoTrade", 0.0),
        ("2020-02-03", "Time", 1.5),
        ("2020-02-04", "Loss", -6.0),
        ("2020-02-05", "Open", -50.0),
    ]
    rows = [kit.row(day, profit=profit, result=result) for day, result, profit in results]
    project.run_file(rows, kit.scope(kit.always))
    project.run("merge", "summary")
    assert read(project, kit)["default", "ES1", "07:30"] == {
        "trades": 5,
        "wins": 1,
        "break_evens": 1,
        "losses": 2,
        "times": 1,
        "open": 1,
        "no_trade": 1,
        "win_rate": 0.2,
        "profit": 1.0,
        "average": 0.2,
        "profit_usd": 50.0,
        "max_drawdown": 9.0,
    }


def test_both_files_hold_the_same(project, kit):
    """summary.parquet has the lines of summary.json, typed, for pandas and everyone else."""
    rows = [kit.row("2020-01-06"), kit.row("2020-01-06", "08:00", result="NoTrade")]
    project.run_file(rows, kit.scope(kit.always))
    project.run("merge", "summary")
    table = pq.ParquetFile(project.root / kit.merged / "summary.parquet").read()
    lines = {
        (line.pop("variant"), line.pop("stream"), line.pop("slot")): line
        for line in table.to_pylist()
    }
    assert lines == read(project, kit)
    assert lines["default", "ES1", "08:00"]["win_rate"] is None
    assert table.schema.metadata is None


@pytest.mark.parametrize(
    ("points", "fall"),
    [
        ([], 0.0),
        ([1.0, 2.0], 0.0),
        ([-1.0, -2.0, 5.0], 3.0),
        ([3.0, -1.0, 2.0, -2.5, -1.0], 3.5),
        ([0.1, 0.2, -0.3], 0.3),
    ],
)
def test_the_drawdown_starts_from_0(points, fall):
    """A first loss is a drawdown from 0; the noise of binary fractions does not show."""
    assert max_drawdown(pd.Series(points, dtype=float).to_numpy()) == fall


def test_drawdown_goes_by_date_across_months(project, kit):
    """Trades are cumulated in date order, whatever run brought them."""
    late = [kit.row("2020-02-03", result="Loss", profit=-5.0)]
    early = [kit.row("2020-01-06", profit=3.0), kit.row("2020-01-07", result="Loss", profit=-1.0)]
    project.run_file(late, kit.scope("2020-02-03"))
    project.run_file(early, kit.scope("2020-01-06", "2020-01-07"))
    project.run("merge", "summary")
    assert read(project, kit)["default", "ES1", "07:30"]["max_drawdown"] == 6.0


def test_it_is_made_once_and_left_alone_while_no_month_changes(project, kit):
    """It is planned after a merge only; as long as no month changes, neither does a byte of it."""
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    project.run("merge", "summary")
    assert project.plan().tasks == ()
    files = [project.root / kit.merged / f"summary.{end}" for end in ("json", "parquet")]
    before = [(file.stat().st_ino, file.read_bytes()) for file in files]
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    outcome = project.run("merge", "summary")
    assert [path.rpartition("/")[2] for path in outcome.paths("unchanged")[-2:]] == [
        "summary.parquet",
        "summary.json",
    ]
    assert [(file.stat().st_ino, file.read_bytes()) for file in files] == before
    assert project.plan().tasks == ()


def test_a_summary_that_was_not_made_is_made_by_the_next_run(project, kit):
    """After a run that ended between merge and summary, only the summary is planned."""
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    project.run("merge")
    made = project.run("merge", "summary")
    assert [task.name for task in made.plan.tasks] == ["summary"]
    assert project.plan().tasks == ()


def test_a_summary_that_somebody_removed_or_changed_is_made_again(project, kit):
    """Both files are made again where one of them is missing or wrong."""
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    project.run("merge", "summary")
    table = project.root / kit.merged / "summary.parquet"
    good = table.read_bytes()
    table.unlink()
    project.run("merge", "summary")
    assert table.read_bytes() == good
    table.write_bytes(b"")
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    project.run("merge", "summary")
    assert table.read_bytes() == good


def test_after_the_ledger_was_lost_the_summary_is_made_once(project, kit):
    """The ledger then knows less than the disk has, and does not ask again and again."""
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    project.run("merge", "summary")
    project.ledger.__exit__(None, None, None)
    for file in (*project.root.glob("state.db*"), *project.root.glob(f"{kit.runs}/*/ES.parquet")):
        file.unlink()
    project.ledger = type(project.ledger)(project.root / "state.db")
    outcome = project.run("merge", "summary")
    assert outcome.paths("wrote") == []
    assert project.plan().tasks == ()


def test_an_unreadable_month_leaves_the_summary_as_it_was(project, kit):
    """A summary of some months would look like one of all: the unit fails and names the file."""
    rows = [kit.row("2020-01-06"), kit.row("2020-02-03")]
    path = project.run_file(rows, kit.scope(kit.always))
    project.run("merge", "summary")
    before = (project.root / kit.merged / "summary.json").read_bytes()
    (project.root / kit.merged / JANUARY).write_bytes(b"damaged")
    project.commit("merger", project.begin(), [project.record("wrote", f"{kit.merged}/{JANUARY}")])
    (project.root / path).unlink()
    project.run_file([kit.row("2020-02-03", profit=1.0)], kit.scope("2020-02-03"))
    outcome = project.run("merge", "summary")
    assert JANUARY in outcome.failures()["summary"]
    assert (project.root / kit.merged / "summary.json").read_bytes() == before
    assert [task.name for task in project.plan().tasks] == ["summary"]


def test_months_without_rows_have_an_empty_summary(project, kit):
    """When all rows were removed, nothing fails."""
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    project.run_file([], kit.scope(kit.always))
    outcome = project.run("merge", "summary")
    assert outcome.failures() == {}
    assert read(project, kit) == {}


def test_its_bytes_do_not_depend_on_the_number_of_runs(tmp_path, kit):
    """One run or two: the same summary."""
    found = []
    for cut in (1, 2):
        project = kit.project(tmp_path / str(cut))
        project.run_file([kit.row("2020-01-06")], kit.scope("2020-01-06"))
        if cut == 1:
            project.run("merge", "summary")
        project.run_file([kit.row("2020-01-07", profit=0.1)], kit.scope("2020-01-07"))
        project.run("merge", "summary")
        folder = project.root / kit.merged
        found.append([(folder / f"summary.{end}").read_bytes() for end in ("json", "parquet")])
        project.ledger.__exit__(None, None, None)
    assert found[0] == found[1]


def test_the_digest_of_months_is_sha_256():
    """The ledgers of older versions hold it."""
    months = [("ES1/2020/b", "2"), ("ES1/2020/a", "1")]
    assert digest(months) == hashlib.sha256(b"ES1/2020/a 1\nES1/2020/b 2\n").hexdigest()


def test_a_rebuild_without_run_files_only_makes_the_summary(project, kit):
    """Nothing is merged, so no month is reported as missing from the run files."""
    path = project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    project.run("merge")
    (project.root / path).unlink()
    outcome = project.run("merge", "summary", rebuild=True)
    assert [task.name for task in outcome.plan.tasks] == ["summary"]
    assert outcome.facts.warnings == []
    assert list(read(project, kit)) == [("default", "ES1", "07:30")]
