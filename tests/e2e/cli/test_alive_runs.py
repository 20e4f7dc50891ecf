"""Runs of other processes that lost the record of their lock, or have just taken it."""

from __future__ import annotations

import json
import signal
import time

import pytest

from pipekit.cli.status import _print_state
from pipekit.reading import ProjectReader
from pipekit.storage.lock import RunLock
from tests.e2e.test_run import shell_stage

CONFIG = '[pipeline]\nstages = ["slow"]\n'

# Takes the lock as a run does, and says who it is only when it is told to.
BEGIN = """
import fcntl, json, os, sys
from pipekit.storage.holder import Holder, boot_id, host_name, process_start
folder = sys.argv[1]
lock = open(folder + "/lock")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
pid = os.getpid()
holder = Holder(pid, process_start(pid), "new-run", host_name(), run=7, boot=boot_id())
with open(folder + "/lock.json", "w") as record:
    json.dump(holder._asdict(), record)
sys.stdin.read()
"""


@pytest.fixture
def going_on(project, eventually):
    """A run that goes on until it is stopped."""
    project.plugin("slow", shell_stage("slow", "sleep 60"))
    project.config(CONFIG)
    run = project.start("run")
    journals = project.root / "logs/events"
    eventually(lambda: any("task_start" in p.read_text() for p in journals.glob("*")), 20)
    yield run
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=30)


@pytest.fixture
def beginning(holding, project):
    """A process that has just taken the lock; the record is that of a run that has ended."""
    project.config("")
    state = project.root / ".pipekit"
    with RunLock(state, "old-run") as lock:
        lock.write_holder(6)
        lock.exit_code = 0
    return holding(BEGIN, state)


def test_stop_says_what_to_do_about_a_run_without_a_record(project, going_on):
    (project.root / ".pipekit/lock.json").unlink()
    stopped = project.pipekit("stop")
    assert (stopped.code, stopped.out) == (3, "")
    assert "a run is going on; its record (lock.json in the state folder) is gone" in stopped.err
    assert "nothing was stopped; send SIGTERM to `pipekit run` yourself (`lsof " in stopped.err
    assert going_on.poll() is None
    assert project.pipekit("status", "--check").code == 0


def test_a_run_on_another_machine_is_stopped_there(project, going_on):
    record = project.root / ".pipekit/lock.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"host": "elsewhere"}))
    stopped = project.pipekit("stop")
    assert stopped.code == 3
    assert "elsewhere" in stopped.err
    assert stopped.err.endswith(": it can be stopped only there, with `pipekit stop`\n")
    assert going_on.poll() is None


def test_a_run_whose_lock_is_gone_as_well_is_not_dead(project, going_on):
    """Its process still has its journal."""
    (project.root / ".pipekit/lock").unlink()
    (project.root / ".pipekit/lock.json").unlink()
    assert project.pipekit("status", "--check").code == 0
    assert project.pipekit("show").out.startswith("run 1: running, ")
    assert project.pipekit("history").out.splitlines()[1].split()[3] == "running"
    assert project.pipekit("status", "--json").json["running"] is not None


def test_stop_waits_until_a_run_that_is_just_beginning_says_which_it_is(project, beginning):
    stopping = project.start("stop")
    time.sleep(1.5)  # by now it has looked
    assert stopping.poll() is None
    beginning.stdin.write("\n")
    beginning.stdin.flush()
    out, err = stopping.communicate(timeout=30)
    assert (stopping.returncode, out[:13], err[:14]) == (0, "stopped run 7", "stopping run 7")
    assert beginning.wait(10) == -signal.SIGTERM


def test_stop_does_not_wait_for_ever_for_that(project, beginning):
    stopped = project.pipekit("stop")
    assert (stopped.code, stopped.out) == (3, "")
    assert "a run is just beginning or ending: nothing was stopped; try again" in stopped.err
    assert beginning.poll() is None


def test_stop_finds_no_run_once_the_one_that_was_ending_has_ended(project, beginning):
    stopping = project.start("stop")
    beginning.kill()
    out, _ = stopping.communicate(timeout=30)
    assert (stopping.returncode, out) == (0, "no run is going on\n")
    record = json.loads((project.root / ".pipekit/lock.json").read_text())
    assert record["run_id"] == "old-run"


def test_nothing_is_left_of_a_run_that_ends_while_its_status_is_made(project, going_on, capsys):
    reader = ProjectReader(project.root)
    state = reader.status().state
    assert state.holder.run == 1
    going_on.send_signal(signal.SIGTERM)
    assert going_on.wait(30) == 143
    _print_state(state, reader.paths)
    out = capsys.readouterr().out
    assert out.startswith("OK: nothing failed; run 1 at ")
    assert "stopping what is left" not in out
