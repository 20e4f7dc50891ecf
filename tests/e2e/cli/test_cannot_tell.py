"""What commands say when they may not look, or do not know where: never that there is nothing."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from functools import partial

import pytest

WORKS = '[pipeline]\nstages = ["own"]\n[stages.own]\ncommand = ["true"]\n'
WAITS = """
[pipeline]
stages = ["own"]
[stages.own]
command = ["sh", "-c", "touch begun; exec sleep 60"]
[paths]
state = "var/state"
"""


@pytest.fixture
def unprivileged(project):
    """`pipekit` without root's right to read everything."""
    lead = []
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root may read everything, and there is no setpriv")
        rights = "-dac_override,-dac_read_search"
        lead = [setpriv, f"--bounding-set={rights}", "--inh-caps=-all"]

    return partial(project.pipekit, lead=lead)


@pytest.fixture
def going_on(project):
    """A project whose run is going on, until it is stopped or killed."""
    project.config(WAITS)
    process = project.start("run")
    deadline = time.monotonic() + 60
    while not (project.root / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    yield project
    project.pipekit("stop", "--now")
    process.communicate(timeout=60)


def test_without_the_right_to_look_nobody_says_that_there_is_nothing(going_on, unprivileged):
    state = going_on.root / "var/state"
    assert going_on.pipekit("hold", "--for", "1h", "--reason", "x").code == 0
    state.chmod(0)
    try:
        for words, said in (
            (("stop",), f"cannot tell whether a run is going on: {state}/lock: Permission denied"),
            (("release",), f"cannot tell whether runs are held: {state}/hold.json: Permission"),
        ):
            done = unprivileged(*words)
            assert done.code == 3, done
            assert said in done.err
        examined = unprivileged("doctor")
        assert examined.code == 2, examined
        assert "broken  lock: cannot tell whether runs are held" in examined.out
        assert "ok      clock: " in examined.out  # the others are looked at all the same
    finally:
        state.chmod(0o700)


def test_with_a_torn_configuration_no_other_folder_is_taken_for_the_projects(going_on):
    config = going_on.root / "pipekit.toml"
    whole = config.read_text()
    config.write_text(whole + "broken = [\n")
    for words in (("stop",), ("hold", "--for", "1h", "--reason", "x"), ("release",)):
        done = going_on.pipekit(*words)
        assert done.code == 3, done
        assert "not valid TOML" in done.err
        assert not done.out
    assert "not valid TOML" in going_on.pipekit("status", "--acknowledge").err
    examined = going_on.pipekit("doctor").out
    assert "no run is going on" not in examined
    assert "runs: none yet" not in examined
    assert not (going_on.root / ".pipekit").exists()
    config.write_text(whole)
    assert going_on.pipekit("stop").code == 0


def test_doctor_looks_at_the_rest_if_the_ledger_is_damaged(project):
    project.config(WORKS)
    assert project.pipekit("run").code == 0
    for file in (project.root / ".pipekit").glob("state.db-*"):
        file.unlink()
    (project.root / ".pipekit/state.db").write_bytes(b"no ledger" * 1000)
    examined = project.pipekit("doctor")
    assert examined.code == 2, examined
    assert "broken  configuration: not fully checked: " in examined.out
    assert "ok      clock: " in examined.out


def test_a_run_that_died_is_no_good_news_of_doctor(going_on):
    holder = json.loads((going_on.root / "var/state/lock.json").read_text())
    os.kill(holder["pid"], 9)
    deadline = time.monotonic() + 60
    while "died" not in (said := going_on.pipekit("doctor").out) and time.monotonic() < deadline:
        time.sleep(0.1)  # what it has started is still being ended
    assert "warning runs: run 1, at " in said
    assert ": died; the next run closes it" in said


def test_one_project_that_cannot_be_read_hides_no_other(project, tmp_path, unprivileged):
    project.config(WORKS)
    assert project.pipekit("run").code == 0
    other = tmp_path / "other"
    shutil.copytree(project.root, other)
    both = ("-C", str(other), "-C", str(project.root))
    (other / "logs").chmod(0)
    (other / ".pipekit").chmod(0)
    try:
        shown = unprivileged("status", *both)
        assert "Permission denied" in shown.err
        assert "last run 1" in shown.out, shown
        records = json.loads(unprivileged("status", "--json", *both).out)
        assert [each["project"] for each in records] == [str(other), str(project.root)]
        assert "Permission denied" in records[0]["problem"]
        other.chmod(0)
        checked = unprivileged("status", "--check", *both).out
        assert f"{other}: UNKNOWN: " in checked
        assert f"{project.root}: OK: " in checked
    finally:
        for folder in (other, other / "logs", other / ".pipekit"):
            folder.chmod(0o700)


@pytest.mark.parametrize("words", [["file"], ["show"], ["logs"], ["events"], ["run", "--forget"]])
def test_a_name_that_is_not_utf_8_is_refused_in_a_sentence(project, words):
    project.config(WORKS)
    assert project.pipekit("run").code == 0
    done = project.pipekit(*words, "in/\udcff.txt")
    assert done.code == 64, done
    assert "internal error" not in done.err


@pytest.mark.parametrize("words", [["events"], ["show"], ["logs"]])
def test_what_is_gone_is_not_laid_at_the_door_of_retention_alone(project, words):
    project.config(WORKS.replace('"true"', '"echo", "hello"'))
    assert project.pipekit("run").code == 0
    shutil.rmtree(project.root / "logs")
    done = project.pipekit(*words)
    assert "somebody" in done.out + done.err, done


def test_a_run_that_goes_on_is_said_to_be_running_and_no_other_stage_is_followed(going_on):
    (entry,) = going_on.pipekit("history", "--json").json
    assert entry["status"] == "running"
    followed = going_on.pipekit("logs", "--follow", "1", "typo", timeout=30)
    assert followed.code == 64, followed
    assert "stage 'typo' did not take part in run 1; its stages: own" in followed.err


def test_a_failure_that_only_the_journal_knows_is_of_its_run(project):
    """As on a full disk, where the ledger could not take the end of the run."""
    project.config(WORKS.replace('"true"', '"false"'))
    assert project.pipekit("run").code == 2
    with sqlite3.connect(project.root / ".pipekit/state.db") as ledger:
        ledger.execute("UPDATE runs SET status = NULL, ended = NULL, stages = '{}'")
    ledger.close()
    checked = project.pipekit("status", "--check")
    assert checked.code == 2
    assert checked.out.startswith("FAILED: own has failed since run 1: "), checked
