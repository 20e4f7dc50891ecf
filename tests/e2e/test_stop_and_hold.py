"""Stopping a run from another terminal, and holding runs for a while."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.e2e.test_run import shell_stage

CONFIG = '[pipeline]\nstages = ["slow"]\n[stages.slow]\ngrace = "{grace}"\n'
STUBBORN = "trap '' TERM; while :; do sleep 0.1; done"


@pytest.fixture
def going_on(project, eventually):
    """Start a run whose program does this, and wait until it runs."""
    runs = []

    def start(script: str, grace: str):
        project.plugin("slow", shell_stage("slow", script))
        project.config(CONFIG.format(grace=grace))
        runs.append(project.start("run"))
        journals = project.root / "logs/events"
        eventually(lambda: any("task_start" in p.read_text() for p in journals.glob("*")), 20)
        return runs[0]

    yield start
    for run in runs:
        if run.poll() is None:
            run.kill()
        run.communicate()


def test_stop_ends_the_run_and_waits_for_it(project, going_on):
    run = going_on("sleep 60", "5s")
    stopped = project.pipekit("stop")
    assert (stopped.code, stopped.out[:13], stopped.err[:14]) == (
        0,
        "stopped run 1",
        "stopping run 1",
    )
    assert ": cancelled" in stopped.out
    assert run.wait(5) == 143
    assert project.report()["status"] == "cancelled"
    again = project.pipekit("stop")
    assert (again.code, again.out) == (0, "no run is going on\n")


def test_stop_now_does_not_wait_for_the_grace(project, going_on):
    run = going_on(STUBBORN, "1h")
    assert project.pipekit("stop", "--now").code == 0
    assert run.wait(5) == 143
    assert project.events()[-1]["event"] == "cancelled"


def test_stop_waits_for_what_a_killed_run_left(project, going_on):
    run = going_on(STUBBORN, "1s")
    os.kill(run.pid, signal.SIGKILL)
    assert project.pipekit("stop").code == 0
    assert project.pipekit("run", "--set", "stages.slow.timeout=0.1").code == 2


def test_no_run_begins_during_a_hold_and_each_start_is_counted(project):
    project.plugin("slow", shell_stage("slow", "echo ran > ran"))
    project.config(CONFIG.format(grace="1s"))
    held = project.pipekit("hold", "--for", "2d", "--reason", "the disk\n is replaced")
    assert held.code == 0
    for words in (["run"], ["run", "--force"]):
        run = project.pipekit(*words)
        assert (run.code, run.out.split()[0], run.err) == (0, "held", "")
        assert "(the disk is replaced)" in run.out
    assert project.pipekit("run", "--json").json["status"] == "held"
    assert not (project.root / "ran").exists()
    status = project.pipekit("status")
    assert status.out.startswith("held: no run begins until ")
    assert "3 starts held so far; `pipekit release` ends this" in status.out
    assert project.pipekit("status", "--json").json["hold"]["starts"] == 3
    assert "3 starts had been held" in project.pipekit("release").out
    assert project.pipekit("release").out == "nothing is held\n"
    assert project.pipekit("run").code == 0
    assert (project.root / "ran").exists()


def test_a_hold_ends_by_itself_and_a_damaged_one_holds_nothing(project):
    project.plugin("slow", shell_stage("slow", ":"))
    project.config(CONFIG.format(grace="1s"))
    project.pipekit("hold", "--for", "1h", "--reason", "x")
    file = project.root / ".pipekit/hold.json"
    hold = json.loads(file.read_text())
    for change in ({"until": time.time() - 1}, {"until": "x"}, {"until": 1e300}, {"more": 1}):
        file.write_text(json.dumps(hold | change))
        assert project.pipekit("run").out.split()[0] == "success"
        assert "held" not in project.pipekit("status").out


@pytest.mark.parametrize("words", [["--for", "0s"], ["--for", "400d"], ["--for", "soon"], []])
def test_a_hold_needs_an_end_and_a_reason(project, words):
    project.config("")
    assert project.pipekit("hold", *words, "--reason", "x").code == 64
    assert project.pipekit("hold", *words).code == 64
    assert not (project.root / ".pipekit/hold.json").exists()
