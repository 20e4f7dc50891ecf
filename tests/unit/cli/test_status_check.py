"""`pipekit status` says the worst first, and `--check` has the exit code of a monitoring plugin."""

from __future__ import annotations

import json
import time

import pytest

from pipekit.model.names import new_run_id
from pipekit.model.status import PipelineStatus
from pipekit.storage.hold import Hold, HoldFile
from pipekit.storage.ledger import Ledger
from tests.unit.cli.conftest import CONFIG

FEED = '[[expect]]\nfiles = "data/feed/**"\nnewest_within = "1h"\n'


@pytest.fixture
def ran(tiny):
    """A run in which the stage `first` ended so."""

    def make(status: str, ended: PipelineStatus, **entry: object) -> None:
        run_id = new_run_id()
        with Ledger(tiny.root / ".pipekit/state.db") as ledger:
            ledger.begin_run(run_id, time.time())
            ledger.note_stage(run_id, "first", {"status": status, **entry})
            ledger.end_run(run_id, ended, 0, time.time())

    return make


def checked(pipekit) -> tuple[int, str]:
    done = pipekit("status", "--check")
    (line,) = done.out.splitlines()
    assert done.err == ""
    assert pipekit("status").code in (0, 3)
    return done.code, line


def test_all_is_well(tiny, pipekit):
    assert checked(pipekit) == (3, "UNKNOWN: there was no run yet")
    pipekit("run")
    code, line = checked(pipekit)
    assert (code, line[:44]) == (0, "OK: nothing failed; run 1 had nothing to do ")


def test_a_stage_that_fails_is_said_since_when(pipekit, ran):
    ran("success", PipelineStatus.SUCCESS)
    for _ in range(3):
        ran("failure", PipelineStatus.FAILURE, error="one: exited with code 7\nmore")
    ran("blocked", PipelineStatus.FAILURE)
    code, line = checked(pipekit)
    assert (code, line) == (1, "WARNING: first was blocked in run 5")
    ran("failure", PipelineStatus.FAILURE, error="one: exited with code 7\nmore")
    expected = "FAILED: first has failed since run 2: one: exited with code 7"
    assert checked(pipekit) == (2, expected)
    assert pipekit("status").out.splitlines()[0] == expected
    ran("skipped", PipelineStatus.IDLE)
    assert checked(pipekit)[0] == 1


def test_a_stage_may_have_failed_for_longer_than_status_looks_back(tiny, pipekit, ran):
    """Five days of runs every quarter of an hour are 480."""
    ran("failure", PipelineStatus.FAILURE)
    with Ledger(tiny.root / ".pipekit/state.db") as ledger:
        for _ in range(520):
            run_id = new_run_id()
            ledger.begin_run(run_id, time.time())
            ledger.note_stage(run_id, "first", {"status": "failure"})
            ledger.end_run(run_id, PipelineStatus.FAILURE, 2, time.time(), durable=False)
    assert checked(pipekit) == (2, "FAILED: first has failed since run 1")


@pytest.mark.parametrize("status", ["partial", "cancelled"])
def test_partial_and_cancelled_are_warnings(pipekit, ran, status):
    ran(status, PipelineStatus(status))
    assert checked(pipekit) == (1, f"WARNING: first was {status} in run 1")


def test_stale_is_worse_than_all_else_and_stands_first(tiny, pipekit, ran):
    """Also when no run has noticed it: `status` judges for itself."""
    ran("partial", PipelineStatus.PARTIAL)
    tiny.config(CONFIG + FEED)
    expected = "STALE: no file matches data/feed/** (expected within 1h) (and 1 more)"
    assert checked(pipekit) == (2, expected)
    assert pipekit("status").out.startswith(expected)
    record = json.loads(pipekit("status", "--json").out)
    assert record["verdict"]["code"] == 2
    assert record["expected"][0]["state"] == "stale"
    assert not (tiny.root / ".pipekit/expect.json").exists(), "status told it"
    tiny.write("data/feed/one.txt", "here")
    assert checked(pipekit)[0] == 1


def test_a_hold_is_a_warning(tiny, pipekit):
    pipekit("run")
    now = time.time()
    HoldFile(tiny.root / ".pipekit").store(Hold(now, now + 3600, "the disk is replaced"))
    code, line = checked(pipekit)
    assert (code, "(the disk is replaced)" in line) == (1, True)


def test_what_cannot_be_known_is_unknown(tiny, pipekit):
    pipekit("run")
    tiny.config("[pipeline\n")
    code, line = checked(pipekit)
    assert (code, line[:24]) == (3, "UNKNOWN: pipekit.toml:1:")
    tiny.config(CONFIG)
    (tiny.root / ".pipekit/state.db").write_bytes(b"no ledger " * 1000)
    done = pipekit("status", "--check")
    assert (done.code, done.out[:32]) == (3, "UNKNOWN: cannot open the ledger ")
    done = pipekit("-C", "nowhere", "status", "--check")
    assert (done.code, done.out[:24]) == (3, "UNKNOWN: there is no fol")


def test_several_projects_have_the_exit_code_of_the_worst(tiny, pipekit, ran):
    other = tiny.root / "other"
    other.mkdir()
    (other / "pipekit.toml").write_text(CONFIG)
    ran("failure", PipelineStatus.FAILURE)
    done = pipekit("status", "-C", "other", "-C", ".", "--check")
    assert done.code == 2
    assert done.out.splitlines() == [
        "other: UNKNOWN: there was no run yet",
        ".: FAILED: first has failed since run 1",
    ]
    shown = pipekit("status", "-C", "other", "-C", "nowhere", "-C", ".")
    assert shown.code == 64
    assert "\nno runs yet; start one with `pipekit run`\n" in shown.out
    assert "\nFAILED: first has failed since run 1\n" in shown.out
    assert "nowhere: there is no folder" in shown.err
    records = json.loads(pipekit("status", "-C", "other", "-C", ".", "--json").out)
    assert [record["verdict"]["code"] for record in records] == [3, 2]
    alone = pipekit("status", "-C", "other")
    assert alone.out.splitlines() == [
        "no runs yet; start one with `pipekit run`",
        "next start: none, nothing is scheduled: `pipekit schedule install`",
    ]
