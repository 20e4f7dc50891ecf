"""The rules of docs/reference/remote.md, one by one, against an engine that breaks its word."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.posix("signals, and a supervisor that is suspended")


def attempts(root: Path) -> list[tuple[int, str, int]]:
    connection = sqlite3.connect(root / ".pipekit/state.db")
    try:
        return connection.execute("SELECT attempt, task, settled FROM attempts").fetchall()
    finally:
        connection.close()


def test_1_the_number_is_in_the_ledger_before_the_attempt_is_submitted(remote):
    """The engine looks for it itself; numbers grow from run to run."""
    remote.prepare("ledger", a="one", b="two")
    remote.run()
    remote.prepare("ledger", c="three")
    remote.run()
    assert attempts(remote.root) == [(1, "a", 1), (2, "b", 1), (3, "c", 1)]
    assert remote.out() == {"a": "ONE", "b": "TWO", "c": "THREE"}


def test_2_an_attempt_begins_once_however_often_it_is_started(remote):
    remote.prepare("twice", a="one", b="two")
    remote.run()
    assert sorted(task for task, *_ in remote.notes()) == ["a", "b"]


def test_3_a_node_that_wakes_up_late_publishes_nothing(remote):
    """The paused holder: suspended until the work has been done again, then it goes on."""
    remote.prepare("stop", retries=1, a="first=0.2")
    remote.run()
    assert [task["kind"] for task in remote.tasks()] == ["lost", None]
    late = remote.attempt(1) / "files/data/out/a"
    assert late.read_text() == "FIRST=0.2"  # it did all of its work, for nothing
    assert (remote.attempt(1) / "outcome.json").exists()
    assert not (remote.attempt(2) / "files").exists()
    assert remote.out() == {"a": "FIRST=0.2"}
    assert remote.survivors() == []
    assert remote.project.pipekit("run").out.startswith("skipped")


def test_4_a_node_stops_when_it_hears_nothing_of_its_run(remote, until):
    """The run is killed; no other one begins. The node measures by its own clock."""
    remote.prepare(a="sleep=60")
    run = remote.project.start("run")
    until(remote.notes)
    run.kill()
    run.communicate()
    killed = time.monotonic()
    until(lambda: not remote.survivors())
    assert time.monotonic() - killed < 5
    until((remote.attempt(1) / "outcome.json").exists)
    process = json.loads((remote.attempt(1) / "outcome.json").read_text())["process"]
    assert process["outcome"] == "lost"
    assert "was not renewed for 1 s" in process["reason"]
    assert remote.out() == {}
    remote.prepare(a="done")
    remote.run()
    assert remote.out() == {"a": "DONE"}


def test_4_an_engine_that_takes_a_working_node_for_dead_is_not_believed_at_once(remote):
    """It goes on for a while; the second attempt begins only when the first has certainly ended."""
    remote.prepare("early", retries=1, a="first=60")
    remote.run()
    (_, second) = remote.notes()
    outcome = json.loads((remote.attempt(1) / "outcome.json").read_text())
    assert float(second[2]) > outcome["process"]["started"] + outcome["process"]["duration"]
    assert remote.out() == {"a": "FIRST=60"}


def test_5_the_next_run_waits_for_the_nodes_of_one_that_died(remote, until):
    """It has the lock at once, and works only when nothing of the other one does."""
    remote.prepare(lease="30s", a="first=60 sleep=0.1")
    run = remote.project.start("run")
    until(remote.notes)
    run.kill()
    run.communicate()
    remote.prepare(lease="30s", a="done")
    done = remote.run()
    assert "1 task of it on other machines ended" in done.err
    outcome = json.loads((remote.attempt(1) / "outcome.json").read_text())
    (_, again) = remote.notes()
    assert float(again[2]) > outcome["process"]["started"] + outcome["process"]["duration"]
    assert [settled for *_, settled in attempts(remote.root)] == [1, 1]
    assert remote.survivors() == []


def test_5_what_had_not_begun_never_will(remote, until):
    """An order that waits in a queue when its run dies is forbidden by the next one."""
    remote.prepare(a="x")
    folder = remote.root / "logs/runs"
    run = remote.project.start("run")
    until(lambda: list(folder.glob("*/work/a/1/started")))
    run.kill()
    run.communicate()
    until(lambda: not remote.survivors())
    second = remote.run()
    assert second.code == 0
    spec = folder / "nowhere"
    assert not list(folder.glob("*/work/a/1/spec.json")), spec  # it may have held secrets


@pytest.mark.parametrize("how", ["kill", "torn"])
def test_6_without_an_outcome_nothing_is_a_success(remote, how):
    """The node's supervisor is killed, or what it wrote is torn: the engine says that it ended."""
    remote.prepare(how, a="sleep=0.5")
    remote.run(2)
    (task,) = remote.tasks()
    assert (task["status"], task["kind"]) == ("failure", "lost")
    assert remote.out() == {}
    assert remote.survivors() == []


def test_7_a_file_that_is_not_as_its_node_left_it_is_not_published(remote):
    remote.prepare("tamper", a="x")
    remote.run(2)
    (task,) = remote.tasks()
    assert task["kind"] == "contract"
    assert "files/data/out/a of the attempt did not arrive here" in task["reason"]
    assert remote.out() == {}
    remote.prepare("", a="x")
    remote.run()
    assert remote.out() == {"a": "X"}


def test_8_stopping_a_run_stops_its_nodes_politely(remote, until):
    remote.prepare(a="sleep=60", b="sleep=60")
    run = remote.project.start("run")
    until(lambda: len(remote.notes()) == 2)
    done = remote.project.pipekit("stop")
    run.communicate()
    assert done.code == 0
    assert run.returncode == 143
    assert remote.survivors() == []
    assert [task["status"] for task in remote.tasks()] == ["cancelled", "cancelled"]
    outcome = json.loads((remote.attempt(1) / "outcome.json").read_text())
    assert [sent["name"] for sent in outcome["process"]["signals"]] == ["SIGTERM"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("moved", "is another folder there"),
        ("digest", "is not the file that the run wrote"),
        ("never", "did not begin"),
        ("unopened", "did not take it: RuntimeError: no room at all"),
        ("closed", "cannot be used: RuntimeError: nobody is there"),
    ],
)
def test_9_a_task_that_no_node_is_fit_for_fails_with_the_reason(remote, how, reason):
    remote.prepare(how, a="x")
    remote.run(2)
    (task,) = remote.tasks()
    if how == "digest":  # a node that cannot trust the spec says so to the engine alone
        assert task["kind"] == "spawn"
        return
    assert task["kind"] == "spawn"
    assert reason in task["reason"]


def test_10_retries_are_ours_by_kind(remote):
    remote.prepare(retries=1, a="exit=7", b="x")
    remote.run(1)
    ended = [(task["task"], task["attempt"], task["kind"]) for task in remote.tasks()]
    assert sorted(ended, key=str) == [("a", 1, "exit"), ("a", 2, "exit"), ("b", 1, None)]
    assert len(remote.notes("exit")) == 2


def test_an_engine_that_does_not_answer_changes_nothing(remote):
    """What counts is in the folders."""
    remote.prepare("deaf", a="one", b="two")
    done = remote.run()
    assert remote.out() == {"a": "ONE", "b": "TWO"}
    assert "does not answer: RuntimeError: the scheduler is gone" in done.err


def test_what_is_known_of_a_place_is_in_events_report_and_show(remote):
    remote.prepare(a="sleep=0.5")
    remote.run()
    events = {each["event"]: each for each in remote.project.events()}
    node = os.uname().nodename
    assert events["task_queued"]["data"]["engine_id"].endswith("-work-a-1")
    assert events["task_start"]["data"]["node"] == node
    assert events["task_end"]["data"]["order"] == 1
    assert events["progress"]["data"]["done"] == 1
    (task,) = remote.tasks()
    assert task["placement"]["node"] == node
    assert f"on {node} (odd " in remote.project.pipekit("show").out
    assert f"work on {node}" in remote.project.pipekit("history").out


def test_what_goes_on_elsewhere_is_in_status_and_logs(remote, until):
    remote.prepare(a="print sleep=60", b="sleep=60")
    run = remote.project.start("run")
    until(lambda: len(remote.notes()) == 2)
    until(lambda: list((remote.root / "logs/runs").glob("*/work/a/*/command.out")))
    until(lambda: "2 tasks on" in remote.project.pipekit("status").out)
    assert remote.project.pipekit("stop", "--now").code == 0
    run.communicate()
    logs = remote.project.pipekit("logs")
    assert logs.out == "printed\n"
    assert logs.err == "--- a/1/command.out ---\n"


def test_a_program_that_cannot_stage_what_it_writes_is_refused(remote):
    """A stage of `command = [...]` would publish from a node; the sentence says what to write."""
    remote.prepare(a="one")
    config = remote.root / "pipekit.toml"
    text = config.read_text().replace("stages = [", 'stages = ["copy", ', 1)
    command = 'command = ["cp", "{input}", "{output}"]\ninputs = ["data/raw/*"]'
    config.write_text(f'{text}\n[stages.copy]\n{command}\noutputs = ["data/copies/{{name}}"]\n')
    remote.run(code=1)
    said = remote.project.pipekit("show").out
    assert "cannot publish from another machine" in " ".join(said.split())
    assert 'write executor = "local" for its stage' in " ".join(said.split())
    assert not (remote.root / "data/copies").exists()
