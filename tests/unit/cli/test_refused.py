"""A run that was refused before it began leaves a trace."""

from __future__ import annotations

import json
import sqlite3
import time

import pytest

from pipekit.storage.lock import RunLock
from pipekit.storage.refusals import Refusals

from .conftest import CONFIG

BROKEN = CONFIG + "[pipeline\n"
MISSING = CONFIG.replace('"second"', '"second", "nowhere"')
WRONG = CONFIG + "[retention]\nruns = -1\n"


@pytest.mark.parametrize(
    ("config", "problem"),
    [(BROKEN, "not valid TOML"), (MISSING, "stage 'nowhere' is configured"), (WRONG, "runs")],
)
@pytest.mark.parametrize("earlier", [True, False])
def test_status_and_history_show_it_also_after_a_run_until_acknowledged(
    tiny, pipekit, config, problem, earlier
):
    """Also while the configuration is still broken, and if no run was ever made."""
    if earlier:
        pipekit("run")
    tiny.config(config)
    assert [pipekit("run").code for _ in range(3)] == [3, 3, 3]
    for words in ("status", "history"):
        assert problem in pipekit(words).out
    tiny.config(CONFIG)
    status, history = pipekit("status"), pipekit("history")
    assert (status.code, history.code) == (0, 0)
    assert status.out.startswith("FAILED: no run could begin at ")
    assert "\nrefused at " in status.out
    assert ", 3 times since " in status.out
    assert problem in status.out
    assert "refused" in history.out
    assert problem in history.out
    refused = json.loads(pipekit("status", "--json").out)["refused"]
    assert (refused["exit_code"], refused["count"]) == (3, 3)
    newest, *_ = json.loads(pipekit("history", "--json").out)
    assert (newest["run"], newest["status"], problem in newest["error"]) == (None, "refused", True)
    pipekit("run")
    assert pipekit("status").out.startswith("WARNING: 3 runs refused, last at ")
    pipekit("status", "--acknowledge")
    assert "FAILED" not in pipekit("status").out
    assert json.loads(pipekit("status", "--json").out)["refused"] is None
    assert "refused" in pipekit("history", "--all").out


def test_a_broken_configuration_hides_no_earlier_run(tiny, pipekit):
    """The commands that show runs need only the folders, and those have usual places."""
    pipekit("run")
    tiny.config(BROKEN)
    for words in ("show", "events", "logs"):
        assert pipekit(words).code == 0
    status = pipekit("status")
    assert (status.code, "last run 1: idle" in status.out) == (3, True)
    assert "pipekit.toml:" in status.err


def test_wrong_usage_and_a_run_that_goes_on_are_no_refusals(tiny, pipekit, monkeypatch):
    """Neither says that the project stands still."""
    assert pipekit("run", "--only", "third").code == 64
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with RunLock(tiny.root / ".pipekit", "x"):
        assert pipekit("run").code == 75
    assert Refusals(tiny.root / ".pipekit").read() == []


def test_refusals_are_bounded_and_equal_ones_counted(tmp_path):
    refusals = Refusals(tmp_path)
    for n in range(100):
        refusals.add("x" * 100_000, 3, n)
    for n in range(100, 200):
        refusals.add(f"problem {n}", 3, n)
    found = refusals.read()
    assert [refusal.error for refusal in found] == [f"problem {n}" for n in range(180, 200)]
    assert refusals.path.stat().st_size < 50_000


@pytest.mark.parametrize("text", ["", "{", "5", "[5]", '[{"first": 1}]', '[{"first": "x"}]'])
def test_a_damaged_file_of_refusals_is_an_empty_one(tmp_path, text):
    refusals = Refusals(tmp_path)
    refusals.path.write_text(text)
    assert refusals.read() == []
    refusals.add("problem", 3, 1.0)
    assert [refusal.times for refusal in refusals.read()] == [1]


def test_history_lists_runs_by_number_whatever_the_clock_said(tiny, pipekit):
    """A refusal stands where its time puts it."""
    pipekit("run")
    pipekit("run")
    with sqlite3.connect(tiny.root / ".pipekit/state.db") as ledger:
        ledger.execute("UPDATE runs SET started = started + 1e9 WHERE number = 1")
    ledger.close()
    tiny.config(BROKEN)
    assert pipekit("run").code == 3
    listed = json.loads(pipekit("history", "--all", "--json").out)
    assert [each["run"] for each in listed] == [None, 2, 1]
