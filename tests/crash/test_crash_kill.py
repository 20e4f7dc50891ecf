"""kill -9 at any instant: the next run closes what was left, and no success is claimed falsely."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

UPPER = """
import json, sys
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

WORKER = '''
import os, time
from pipekit.worker import fingerprint, look, report, request
for path in request():
    with report.unit(path):
        signature = look(path)
        out = path.replace("raw", "out")
        os.makedirs("data/out", exist_ok=True)
        with open(out + ".tmp", "w") as file:
            file.write(open(path).read().upper())
        time.sleep(0.05)
        os.replace(out + ".tmp", out)
        report.wrote(out, fingerprint(out))
        report.consumed(path, fingerprint(path), signature)
'''

def plan(ctx, settings):
    new = ctx.pending(ctx.files("data/raw/*"))
    if not new:
        return StagePlan.skip(new.sentence("data/raw"), new)
    paths = [item.path for item in new]
    command = Command(argv=[sys.executable, "-c", WORKER], stdin=json.dumps(paths).encode())
    return StagePlan(reason=new.sentence("data/raw"), inputs=new.inputs,
                     tasks=[Task(name="upper", command=command, units=paths)])

@hookimpl
def pipekit_stages():
    yield StageSpec("upper", plan)
"""

CONFIG = """
[pipeline]
stages = ["upper"]
quiet_seconds = 0
[stages.upper]
grace = "0.5s"
"""
ENDS = {"success", "partial", "failure", "cancelled", "idle"}


@pytest.fixture
def upper(project):
    project.plugin("upper", UPPER)
    project.config(CONFIG)
    return project


def next_run(project):
    """The first run that gets the lock again; what still lives of the killed one holds it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        run = project.pipekit("run", "--json")
        if run.code != 75:
            assert run.code == 0, run
            return run.json
        assert len(run.err.splitlines()) == 1
        time.sleep(0.1)
    raise AssertionError("the lock of a killed run was never free again")


def journals(project):
    """Run id -> its records, each line of the file a whole record."""
    found = {}
    for path in sorted((project.root / "logs/events").glob("*.jsonl")):
        data = path.read_bytes()
        assert data.endswith(b"\n"), f"{path.name} has a torn tail"
        found[path.stem.removeprefix("pipeline_")] = [
            json.loads(line) for line in data.splitlines()
        ]
    return found


def check_that_all_is_told(project):
    """One terminal event each, the last; no number missing; ledger, journal and report agree."""
    told = journals(project)
    with sqlite3.connect(project.root / ".pipekit/state.db") as connection:
        rows = dict(connection.execute("SELECT run_id, status FROM runs"))
    connection.close()
    for run_id, records in told.items():
        ends = [r for r in records if r["stage"] == "pipeline" and r["event"] in ENDS]
        assert ends == [records[-1]], f"{run_id}: {[r['event'] for r in records]}"
        assert [r["seq"] for r in records] == list(range(1, len(records) + 1))
        (report,) = (project.root / "logs").glob(f"pipeline_report_*_{run_id}.json")
        assert json.loads(report.read_text("utf-8"))["status"] == rows[run_id]
        assert records[-1]["event"] == rows[run_id]
    assert rows.keys() == told.keys()
    assert None not in rows.values()


@pytest.mark.slow
def test_runs_killed_at_random_instants_are_closed_and_all_work_is_done_once_more(upper):
    chance = random.Random(20260412)
    for n in range(15):
        upper.write(f"data/raw/{n:02}", f"text {n}")
        run = subprocess.Popen(
            [sys.executable, "-m", "pipekit", "run"],
            cwd=upper.root,
            env=upper.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.05, 0.8))
        over = run.poll() is not None
        run.kill()
        run.wait()
        if n % 3 == 2:  # sometimes the next one is killed as well before it has cleaned up
            continue
        next_run(upper)
        check_that_all_is_told(upper)
        statuses = [r["status"] for r in upper.pipekit("history", "--all", "--json").json]
        assert over or statuses[0] in ("success", "idle")
        for done in range(n + 1):
            assert (upper.root / f"data/out/{done:02}").read_text() == f"TEXT {done}"
    next_run(upper)
    check_that_all_is_told(upper)
    assert next_run(upper)["status"] == "idle"


# --- at chosen instants -------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pipekit.cli.main import run_command_line

def die(*_args, **_more):
    os.kill(os.getpid(), signal.SIGKILL)

def die_in(owner, name):
    assert callable(getattr(owner, name))  # else nothing would be killed
    setattr(owner, name, die)

{patch}
sys.exit(run_command_line(["run"]))
"""


def killed(project, patch):
    """A real run, in a real process that kills itself where the patch says."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED.format(patch=patch)],
        cwd=project.root,
        env=project.env,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def end_of(project, number):
    return project.pipekit("show", str(number), "--json").json


@pytest.mark.parametrize(
    "patch",
    [
        "import pipekit.run.current_run as r; die_in(r.CurrentRun, 'open_events')",
        "import pipekit.run.executors as e; die_in(e, 'ProcessSupervisor')",
        "import pipekit.run.execution as e; die_in(e.StageRunner, '_run_tasks')",
        "import pipekit.storage.ledger as l; die_in(l.Ledger, 'commit')",
        "import pipekit.storage.runs as r; die_in(r.RunHistory, 'note_stage')",
        "import pipekit.storage.runs as r; die_in(r.RunHistory, 'end_run')",
    ],
)
def test_a_run_killed_before_its_commit_is_a_failure(upper, patch):
    upper.write("data/raw/a", "x")
    killed(upper, patch)
    next_run(upper)
    check_that_all_is_told(upper)
    report = end_of(upper, 1)
    assert (report["status"], report["exit_code"]) == ("failure", 2)
    assert (upper.root / "data/out/a").read_text() == "X"


def test_a_stage_that_was_running_is_told_to_be_lost(upper):
    upper.write("data/raw/a", "x")
    killed(upper, "import pipekit.storage.ledger as l; die_in(l.Ledger, 'commit')")
    next_run(upper)
    (stage,) = end_of(upper, 1)["stages"]
    assert (stage["status"], stage["kind"]) == ("failure", "lost")
    assert "died" in stage["error"]
    with sqlite3.connect(upper.root / ".pipekit/state.db") as connection:
        ((stages,),) = connection.execute("SELECT stages FROM runs WHERE number = 1")
    connection.close()
    assert json.loads(stages)["upper"]["sentence"] == "upper: failure"


@pytest.mark.parametrize(
    "patch",
    [
        # between the commit and the last event
        (
            "import pipekit.run.orchestrator as o; end = o.Ledger.end_run;"
            "o.Ledger.end_run = lambda *a: (end(*a), die())"
        ),
        # between the last event and the report
        "import pipekit.run.current_run as r; die_in(r, 'write_report')",
    ],
)
def test_a_run_killed_after_its_commit_keeps_the_status_it_had(upper, patch):
    upper.write("data/raw/a", "x")
    killed(upper, patch)
    assert next_run(upper)["status"] == "idle"
    check_that_all_is_told(upper)
    assert end_of(upper, 1)["status"] == "success"
    assert end_of(upper, 1)["stages"][0]["status"] == "success"


@pytest.mark.parametrize("function", ["_close", "_complete", "_end_journal", "_report"])
def test_a_run_killed_while_it_closes_another_leaves_that_to_the_next(upper, function):
    upper.write("data/raw/a", "x")
    killed(upper, "import pipekit.storage.ledger as l; die_in(l.Ledger, 'commit')")
    killed(upper, f"import pipekit.run.recovery as r; die_in(r, '{function}')")
    next_run(upper)
    check_that_all_is_told(upper)
    assert end_of(upper, 1)["status"] == "failure"


@pytest.mark.parametrize("cut", [1, 17, 200])
def test_a_last_line_torn_by_the_kill_is_repaired(upper, cut):
    upper.write("data/raw/a", "x")
    killed(upper, "import pipekit.storage.ledger as l; die_in(l.Ledger, 'commit')")
    (journal,) = (upper.root / "logs/events").glob("*.jsonl")
    os.truncate(journal, journal.stat().st_size - cut)
    next_run(upper)
    check_that_all_is_told(upper)


def test_a_journal_that_nobody_can_write_any_more_does_not_keep_the_next_run_from_starting(upper):
    upper.write("data/raw/a", "x")
    killed(upper, "import pipekit.storage.ledger as l; die_in(l.Ledger, 'commit')")
    (journal,) = (upper.root / "logs/events").glob("*.jsonl")
    journal.unlink()
    journal.mkdir()
    assert upper.pipekit("run").code == 0
    assert [r["status"] for r in upper.pipekit("history", "--json").json] == ["success", "failure"]


def test_rubbish_in_the_journal_of_a_dead_run_does_not_keep_the_next_run_from_starting(upper):
    upper.write("data/raw/a", "x")
    killed(upper, "import pipekit.storage.ledger as l; die_in(l.Ledger, 'commit')")
    (journal,) = (upper.root / "logs/events").glob("*.jsonl")
    with open(journal, "ab") as file:
        file.write(b'{"seq": "x"}\n{}\n[1]\nnonsense\n{"stage": "upper"}\n')
    assert upper.pipekit("run").code == 0
    assert journal.read_bytes().splitlines()[-1].find(b'"failure"') > 0
