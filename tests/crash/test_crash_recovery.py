"""Every run gets one end, one report and one exit code; none that goes on is taken for dead."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import time

import pytest

from pipekit.storage.holder import process_start
from pipekit.storage.lock import running

SLEEPER = """
import sys
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

WORKER = '''
import os, time
open("working", "w").close()
while not os.path.exists("go"):
    time.sleep(0.02)
'''

def plan(ctx, settings):
    {plan}
    argv = [sys.executable, "-c", WORKER]
    return StagePlan(reason="always", tasks=[Task(name="t", command=Command(argv=argv))])

@hookimpl
def pipekit_stages():
    yield StageSpec("sleeper", plan)
"""
CONFIG = '[pipeline]\nstages = ["sleeper"]\n[stages.sleeper]\ngrace = "0.5s"\n'
LOCKED = """import gc, sqlite3
    for ours in gc.get_objects():
        if isinstance(ours, sqlite3.Connection):
            ours.execute('PRAGMA busy_timeout = 200')
    globals()['held'] = held = sqlite3.connect(ctx.root / '.pipekit/state.db')
    held.execute('BEGIN IMMEDIATE')"""
ENDS = {"success", "partial", "failure", "cancelled", "idle"}


@pytest.fixture
def sleeper(project):
    """A project whose only stage works until the file `go` is there."""
    project.plugin("sleeper", SLEEPER.replace("{plan}", "pass"))
    project.config(CONFIG)
    return project


@pytest.fixture
def going(sleeper, eventually):
    """The same, and a run that is going on."""
    run = sleeper.start("run")
    eventually((sleeper.root / "working").exists)
    yield sleeper, run
    (sleeper.root / "go").touch()
    if run.poll() is None:
        run.kill()
    run.communicate()


def run_of(project, number=1):
    """The run as the ledger, its journal and its report have it: (status, exit code), each."""
    with sqlite3.connect(project.root / ".pipekit/state.db") as connection:
        row = connection.execute(
            "SELECT run_id, status, exit_code FROM runs WHERE number = ?", (number,)
        ).fetchone()
    connection.close()
    run_id, *outcome = row
    (report,) = (project.root / "logs").glob(f"pipeline_report_*_{run_id}.json")
    told = json.loads(report.read_text("utf-8"))
    events = journal(project, run_id)
    ends = [e for e in events if e["stage"] == "pipeline" and e["event"] in ENDS]
    assert ends == events[-1:]
    return (
        tuple(outcome),
        (ends[0]["event"], ends[0]["data"]["exit_code"]),
        (told["status"], told["exit_code"]),
    )


def journal(project, run_id):
    path = project.root / f"logs/events/pipeline_{run_id}.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


# --- a run that goes on ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "gone",
    [
        ("lock",),
        ("lock", "lock.json"),
        ("lock", "lock.json", "state.db", "state.db-wal", "state.db-shm"),
    ],
    ids="+".join,
)
@pytest.mark.parametrize("made_anew", [False, True])
def test_without_its_lock_a_run_still_keeps_others_out_and_ends_as_it_would(going, gone, made_anew):
    project, run = going
    for name in gone:
        (project.root / ".pipekit" / name).unlink(missing_ok=True)
    if made_anew:
        (project.root / ".pipekit/lock").touch()
    if "lock.json" not in gone:
        assert running(project.root / ".pipekit").pid == run.pid
    second = project.pipekit("run")
    assert second.code == 75, second
    assert "another run" in second.err
    assert run.poll() is None
    (project.root / "go").touch()
    assert run.wait(30) == 0
    assert project.pipekit("run").code == 0
    assert run_of(project) == (("success", 0),) * 3
    assert run_of(project, 2)[0] == ("success", 0)


def test_a_record_of_the_lock_that_names_a_process_of_the_past_keeps_nobody_out(sleeper):
    """Its process id was given away again, or the system has been started again since."""
    (sleeper.root / "go").touch()
    assert sleeper.pipekit("run").code == 0
    record = sleeper.root / ".pipekit/lock.json"
    values = json.loads(record.read_text("utf-8"))
    start = process_start(os.getpid())
    ours = {**values, "pid": os.getpid(), "start": start, "exit_code": None}
    for changed, code in (({}, 75), ({"start": start + 1}, 0), ({"boot": "another"}, 0)):
        record.write_text(json.dumps({**ours, **changed}))
        assert sleeper.pipekit("run").code == code


def test_a_run_on_another_machine_is_not_judged_by_a_process_id_of_this_one(sleeper):
    (sleeper.root / "go").touch()
    assert sleeper.pipekit("run").code == 0
    record = sleeper.root / ".pipekit/lock.json"
    values = json.loads(record.read_text("utf-8"))
    gone = {"host": "elsewhere", "exit_code": None, "inode": values["inode"] + 1}
    record.write_text(json.dumps({**values, **gone}))
    refused = sleeper.pipekit("run")
    assert refused.code == 75
    assert f"delete {record}" in refused.err
    record.unlink()
    assert sleeper.pipekit("run").code == 0


def test_a_run_that_another_one_has_closed_leaves_it_at_that(going):
    """As after a network failure: it was taken for dead, and comes back."""
    project, run = going
    code = (
        "import pathlib, sys, time\n"
        "from pipekit.storage.ledger import Ledger\n"
        "from pipekit.model.run import Paths\n"
        "from pipekit.run import recovery\n"
        "import pipekit.process\n"
        "from pipekit.storage import journal\n"
        "recovery.is_claimed = lambda path: False\n"
        "journal.claim = lambda descriptor: True\n"
        "pipekit.process.kill_leftovers = lambda cookie: (0, 0)\n"
        "root = pathlib.Path.cwd()\n"
        "paths = Paths(root, root / 'data', root / 'logs', root / '.pipekit')\n"
        "with Ledger(root / '.pipekit/state.db') as ledger:\n"
        "    print(recovery.close_dead_runs(ledger, paths))\n"
    )
    done = project.run_python(code)
    assert done.code == 0, done
    (project.root / "go").touch()
    assert run.wait(30) == 2
    assert "closed it" in run.stderr.read()
    assert run_of(project) == (("failure", 2),) * 3


# --- runs without an end -----------------------------------------------------------------------


def kill_runs(project, count):
    for _ in range(count):
        (project.root / "working").unlink(missing_ok=True)
        run = project.start("run")
        while not (project.root / "working").exists():
            time.sleep(0.02)
        os.kill(run.pid, signal.SIGKILL)
        run.communicate()
        wait_until_free(project)


def wait_until_free(project):
    deadline = time.monotonic() + 20
    while running(project.root / ".pipekit") is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_lost_ledger_is_filled_again_from_the_journals(sleeper):
    """Also for runs without an end; numbers stay what they were."""
    (sleeper.root / "go").touch()
    assert [sleeper.pipekit("run").code for _ in range(2)] == [0, 0]
    (sleeper.root / "go").unlink()
    kill_runs(sleeper, 1)
    for path in (sleeper.root / ".pipekit").glob("state.db*"):
        path.unlink()
    for path in (sleeper.root / "logs").glob("pipeline_report_*"):
        path.unlink()
    (sleeper.root / "go").touch()
    done = sleeper.pipekit("run")
    assert done.code == 0
    assert "run 3 died" in done.err
    assert "3 runs were recorded again from the journals" in done.err
    history = sleeper.pipekit("history", "--all", "--json").json
    assert [(run["run"], run["status"]) for run in history] == [
        (4, "success"),
        (3, "failure"),
        (2, "success"),
        (1, "success"),
    ]
    assert history[1]["stages"]["sleeper"]["kind"] == "lost"
    assert [set(run_of(sleeper, number)) for number in (1, 2, 3, 4)] == [
        {("success", 0)},
        {("success", 0)},
        {("failure", 2)},
        {("success", 0)},
    ]


@pytest.mark.parametrize("left", ["nothing", "empty", "torn"])
def test_a_run_that_ended_well_gets_its_last_event_and_its_report_though_its_logs_are_gone(
    sleeper, left
):
    (sleeper.root / "go").touch()
    assert sleeper.pipekit("run").code == 0
    (path,) = (sleeper.root / "logs/events").iterdir()
    shutil.rmtree(sleeper.root / "logs")
    if left != "nothing":
        path.parent.mkdir(parents=True)
        path.write_text("" if left == "empty" else '{"v": 1, "run')
    assert sleeper.pipekit("run").code == 0
    assert set(run_of(sleeper)) == {("success", 0)}


def test_what_could_not_be_written_is_written_by_a_later_run(sleeper):
    """Three runs that could not write a journal: all of them, not the latest alone."""
    (sleeper.root / "go").touch()
    sleeper.write("logs/events", "a file stands in the way")
    assert [sleeper.pipekit("run").code for _ in range(3)] == [3, 3, 3]
    (sleeper.root / "logs/events").unlink()
    assert sleeper.pipekit("run").code == 0
    for number in (1, 2, 3):
        assert set(run_of(sleeper, number)) == {("failure", 3)}


@pytest.mark.parametrize("how", ["locked", "full"])
def test_when_the_ledger_fails_in_the_middle_all_tell_the_exit_code_of_the_process(project, how):
    """The journal and the report have it; the row gets it from there."""
    broken = {
        "locked": LOCKED,
        # beyond the size that the journal will have, and less than the next commit needs
        "full": "import resource; path = ctx.root / '.pipekit/state.db-wal';"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10,) * 2)",
    }[how]
    project.plugin("sleeper", SLEEPER.replace("{plan}", broken))
    project.config(CONFIG)
    project.write("go", "")
    done = project.pipekit("run")
    assert done.code == 3, done
    assert "cannot write the ledger" in done.err
    status, shown = project.pipekit("status", "--json").json, project.pipekit("show", "--json").json
    (listed,) = project.pipekit("history", "--json").json
    told = [(run["status"], run["exit_code"]) for run in (status["last_run"], listed, shown)]
    assert told == [("failure", 3)] * 3
    assert "died" not in project.pipekit("status").out
    project.plugin("sleeper", SLEEPER.replace("{plan}", "pass"))
    assert project.pipekit("run").code == 0
    assert set(run_of(project)) == {("failure", 3)}
