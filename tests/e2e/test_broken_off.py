"""What is left of a run in which pipekit itself fails: an end that says so, and nothing running."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

CONFIG = '[pipeline]\nstages = ["one", "two"]\nquiet_seconds = 0\n'
PLUGIN = """
import sys
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

DROP = '''
import sqlite3
with sqlite3.connect(".pipekit/state.db") as ledger:
    refuse = "BEGIN SELECT raise(ABORT, 'no such luck'); END"
    ledger.execute(f"CREATE TRIGGER refuse BEFORE INSERT ON content {refuse}")
from pipekit.worker import report
report.consumed("pipekit.toml", "00")
'''

def plan(ctx, settings):
    return StagePlan(reason="always", tasks=[Task(name="only", command=Command(argv=["true"]))])

def broken(ctx, settings):
    {broken}

@hookimpl
def pipekit_stages():
    yield StageSpec("one", plan)
    yield StageSpec("two", broken)
"""
TASK = """return StagePlan(reason="r", tasks=[Task(name="a", command=Command(
        argv=[sys.executable, "-c", DROP]))])"""

OURS = """import pipekit.run.orchestrator
    def raises(plan):
        raise {error}
    pipekit.run.orchestrator._plan_warnings = raises
    return StagePlan.skip("nothing")"""


@pytest.fixture
def run(project):
    """Make a run whose second stage does this; exit code, what it said, its events."""

    def make(broken: str):
        project.config(CONFIG)
        project.plugin("two", PLUGIN.replace("{broken}", broken))
        return project.pipekit("run")

    return make


@pytest.mark.parametrize(
    ("broken", "code", "status", "said"),
    [
        (TASK, 3, "failure", "no such luck"),
        (OURS.replace("{error}", "KeyboardInterrupt"), 130, "cancelled", "KeyboardInterrupt"),
        (
            OURS.replace("{error}", "GeneratorExit('whatever')"),
            3,
            "failure",
            "GeneratorExit: whatever",
        ),
    ],
    ids=["the ledger cannot be written", "an interrupt", "an exception that nobody expects"],
)
def test_a_run_broken_off_by_our_own_error_has_its_end_and_its_report(
    run, project, broken, code, status, said
):
    """One last event with the reason; process, event, report and history name one exit code."""
    done = run(broken)
    assert done.code == code
    events = project.events()
    assert [e["event"] for e in events if e["stage"] == "one"][-1] == "success"
    assert (events[-2]["stage"], events[-2]["event"]) == ("two", "failure")
    assert (events[-1]["stage"], events[-1]["event"]) == ("pipeline", status)
    assert events[-1]["data"]["exit_code"] == code
    report, (row,) = project.report(), project.pipekit("history", "--json").json
    assert (report["status"], report["exit_code"]) == (status, code)
    assert (row["status"], row["exit_code"]) == (status, code)
    assert said in events[-1]["data"]["error"]
    stages = {stage["stage"]: stage for stage in project.report()["stages"]}
    assert (stages["two"]["status"], stages["two"]["kind"]) == ("failure", "lost")
    assert stages["one"]["status"] == "success"
    again = project.pipekit("run", "--only", "one")
    assert "died" not in again.err
    assert "failure" in project.pipekit("history").out


def test_logs_that_cannot_be_made_are_said_and_the_run_is_closed(project):
    """No traceback, and no run that looks as if it were still going."""
    project.config(CONFIG)
    project.plugin("two", PLUGIN.replace("{broken}", "raise ValueError"))
    project.write("logs", "a file stands in the way")
    done = project.pipekit("run")
    assert done.code == 3
    assert done.err.startswith("pipekit: cannot write a journal in ")
    assert "died" not in project.pipekit("status").out


def test_a_task_that_runs_when_pipekit_fails_is_ended_with_it(project, tmp_path: Path):
    """Its report line of a size that no number has breaks us; the command does not live on."""
    project.config('[pipeline]\nstages = ["one"]\n[stages.one]\ngrace = "0.2s"\n')
    pid = tmp_path / "pid"
    project.plugin(
        "one",
        f"""
        from pipekit import Command, StagePlan, StageSpec, Task, hookimpl
        import pipekit.run.running_task

        def tell(self):
            import pathlib
            if pathlib.Path({str(pid)!r}).exists():
                raise RuntimeError("our own error")
        pipekit.run.running_task.RunningTask.update = tell

        def plan(ctx, settings):
            argv = ["sh", "-c", "echo $$ > {pid}; exec sleep 60"]
            return StagePlan(reason="r", tasks=[Task(name="a", command=Command(argv=argv))])

        @hookimpl
        def pipekit_stages():
            yield StageSpec("one", plan)
        """,
    )
    started = time.monotonic()
    done = project.pipekit("run")
    assert done.code == 3
    assert "our own error" in done.err
    assert time.monotonic() - started < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert project.events()[-1]["event"] == "failure"
