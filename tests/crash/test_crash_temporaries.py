"""Temporary files never outlive the process that wrote them by more than a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

PLUGIN = """
import sys
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

WORKER = '''
import os, signal, sys, time
from pipekit.worker import publish, report
forged = os.environ.get("FORGED")
if forged:
    report.temporary(forged)
with publish("data/out.txt") as file:
    file.write(b"half")
    open("written", "w").close()
    {end}
'''

def plan(ctx, settings):
    command = Command(argv=[sys.executable, "-c", WORKER], env={env})
    return StagePlan(reason="always", tasks=[Task(name="t", command=command)])

@hookimpl
def pipekit_stages():
    yield StageSpec("half", plan)
"""
CONFIG = """
[pipeline]
stages = ["half"]
[stages.half]
timeout = "20s"
grace = "0.2s"
"""


def prepare(project, end, env=None):
    project.plugin("half", PLUGIN.replace("{end}", end).replace("{env}", repr(env or {})))
    project.config(CONFIG)


def left(project):
    return sorted(path.name for path in (project.root / "data").iterdir())


@pytest.mark.parametrize(
    "end",
    ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(0)", "os._exit(3)"],
    ids=["killed", "exited", "failed"],
)
def test_what_a_dead_worker_left_is_gone_after_the_run(project, end):
    prepare(project, end)
    project.pipekit("run")
    assert left(project) == []


def test_what_a_worker_left_that_was_stopped_is_gone_after_the_run(project):
    prepare(project, "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)")
    run = project.start("run")
    wait_for(project.root / "written")
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert left(project) == []


def test_what_a_vanished_run_left_is_gone_after_the_next_one(project):
    """The worker dies with its run, and nobody is left to clean up."""
    prepare(project, "time.sleep(60)")
    run = subprocess.Popen(
        [sys.executable, "-m", "pipekit", "run"],
        cwd=project.root,
        env=project.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(project.root / "written")
    run.kill()
    run.wait()
    assert len(left(project)) == 1
    prepare(project, "pass")
    deadline = time.monotonic() + 30
    while (done := project.pipekit("run")).code == 75 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert done.code == 0, done
    assert left(project) == ["out.txt"]


def test_a_forged_path_in_a_report_is_left_alone(project, tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("x")
    prepare(project, "os._exit(0)", {"FORGED": os.fspath(precious)})
    project.pipekit("run")
    assert precious.read_text() == "x"
    assert left(project) == []


def wait_for(path):
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never appeared"
        time.sleep(0.02)
