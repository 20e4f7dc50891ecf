"""A feed that stops is told once, and once that it has come again; `status` says it first."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time

import pytest

from tests.e2e.test_run import CONFIG, COUNT

EXPECT = """
[[expect]]
files = "data/in/**"
newest_within = "2s"
"""


@pytest.fixture
def feed(project):
    """A project whose feed is stale two seconds after the newest file."""
    project.plugin("upper", COUNT)
    project.config(CONFIG + EXPECT)
    return project


def told(project):
    """What all runs have told: run, event, sentence."""
    found = []
    for number, path in enumerate(sorted((project.root / "logs/events").glob("*.jsonl")), 1):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if record["event"] in ("stale", "fresh"):
                found.append((number, record["event"], record["msg"]))
                assert record["stage"] == "pipeline"
                assert record["data"] == {"expect": "data/in/**"}
    return found


def test_a_breach_is_one_event_when_it_begins_and_one_when_it_ends(feed):
    feed.write("data/in/a.txt", "hello")
    assert feed.pipekit("run").code == 0
    time.sleep(2.2)
    stale = feed.pipekit("run", "--json")
    assert (stale.code, stale.json["status"]) == (0, "idle")
    assert stale.json["warnings"][0].startswith("stale: nothing new in data/in/** since 20")
    again = feed.pipekit("run")
    assert "stale" not in again.out + again.err
    feed.write("data/in/a.txt", "more")
    assert feed.pipekit("run").code == 0
    assert [(run, kind) for run, kind, _ in told(feed)] == [(2, "stale"), (4, "fresh")]


def test_what_is_no_longer_expected_is_fresh(feed):
    assert feed.pipekit("run").code == 0
    feed.config(CONFIG)
    for _ in range(2):
        assert feed.pipekit("run").code == 0
    assert told(feed)[1:] == [(2, "fresh", "data/in/**: no longer expected")]


@pytest.mark.parametrize("damage", ["", "[]", '{"data/in/**": {"stale": 1}}'])
def test_a_damaged_file_of_what_was_told_is_written_again(feed, damage):
    feed.pipekit("run")
    path = feed.root / ".pipekit/expect.json"
    path.write_text(damage)
    assert feed.pipekit("run").code == 0
    assert json.loads(path.read_text())["data/in/**"]["done"] is True
    assert [run for run, _, _ in told(feed)] == [1, 2]


def test_state_that_cannot_be_written_is_said_and_the_run_goes_on(feed):
    (feed.root / ".pipekit/expect.json").mkdir(parents=True)
    feed.write("data/in/a.txt", "hello")
    done = feed.pipekit("run", "--json")
    assert (done.code, done.json["status"]) == (0, "success")


def test_a_ledger_whose_history_is_damaged_costs_the_judgement_alone(feed):
    """The stages have done their work; the run says what it could not judge."""
    feed.config(CONFIG + '[[expect]]\nstage = "upper"\nduration_within = "3x"\n')
    feed.write("data/in/a.txt", "hello")
    assert feed.pipekit("run").code == 0
    with contextlib.closing(sqlite3.connect(feed.root / ".pipekit/state.db")) as ledger:
        ledger.execute("UPDATE runs SET stages = 'no JSON', recorded = 1")
        ledger.commit()
    done = feed.pipekit("run", "--json")
    assert (done.code, done.json["status"]) == (0, "idle")
    assert done.json["warnings"][0].startswith("[[expect]] cannot be judged: ")


HUGE = """
    import sys

    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

    REPORT = "from pipekit.worker import report; report.metric('rows', 1.7e308)"

    def plan(ctx, settings):
        command = Command(argv=[sys.executable, "-c", REPORT])
        return StagePlan(reason="always", tasks=[Task(name=n, command=command) for n in "abc"])

    @hookimpl
    def pipekit_stages():
        yield StageSpec("huge", plan)
"""


def test_a_metric_whose_sum_is_too_large_stops_neither_runs_nor_status(project):
    project.plugin("huge", HUGE)
    expect = '[[expect]]\nstage = "huge"\nrows_within = "20%"\n'
    project.config('[pipeline]\nstages = ["huge"]\n' + expect)
    for _ in range(7):
        run = project.pipekit("run")
        assert run.code == 0, run
    status = project.pipekit("status")
    assert "Traceback" not in status.err
    assert "huge" in status.out
