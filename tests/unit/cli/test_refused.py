"""A run that was refused before it began leaves a trace."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import pytest

from pipekit.storage.lock import RunLock
from pipekit.storage.refusals import Refusals

from .conftest import CONFIG

BROKEN = CONFIG + "[pipeline\n"
MISSING = CONFIG.replace('"second"', '"second", "nowhere"')
FULL = CONFIG.replace("[pipeline]", '[pipeline]\nmin_free = "900TB"')
TOMORROW = 86_400.0
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


def changed(path: Path, **ahead: float) -> None:
    """Make a record say what a clock that is ahead would have made it say."""
    found = json.loads(path.read_text())
    for record in found if isinstance(found, list) else [found]:
        record |= {name: record[name] + seconds for name, seconds in ahead.items()}
    path.write_text(json.dumps(found))


@pytest.mark.parametrize("old", [True, False])
def test_what_comes_after_an_acknowledgement_is_shown_though_the_clock_was_ahead(
    tiny, pipekit, old
):
    """Also if an earlier version noted it, which noted only the time."""
    pipekit("run")
    tiny.config(FULL)
    assert pipekit("run").code == 3
    tiny.config(CONFIG)
    pipekit("run")
    assert pipekit("status", "--acknowledge").out == "acknowledged: 1 run refused\n"
    assert pipekit("status", "--check").code == 0
    noted = tiny.root / ".pipekit/acknowledged.json"
    changed(noted, at=TOMORROW)
    if old:
        record = json.loads(noted.read_text())
        del record["refusals"]
        noted.write_text(json.dumps(record))
    tiny.config(FULL.replace("900TB", "800TB"))
    assert pipekit("run").code == 3
    check = pipekit("status", "--check")
    assert (check.code, check.out[:30]) == (2, "FAILED: no run could begin at ")


def test_a_refusal_that_comes_again_is_shown_again(tiny, pipekit):
    tiny.config(FULL)
    pipekit("run")
    pipekit("status", "--acknowledge")
    assert "refused" not in pipekit("status", "--check").out
    pipekit("run")
    pipekit("run")
    assert pipekit("status", "--check").code == 2
    assert pipekit("status", "--acknowledge").out == "acknowledged: 3 runs refused\n"
    assert pipekit("status", "--acknowledge").out == "nothing to acknowledge\n"


@pytest.mark.parametrize("old", [True, False])
def test_a_refusal_while_the_clock_was_ahead_ends_with_the_next_run(tiny, pipekit, old):
    pipekit("run")
    tiny.config(FULL)
    assert pipekit("run").code == 3
    refused = tiny.root / ".pipekit/refused.json"
    changed(refused, first=TOMORROW, last=TOMORROW)
    if old:
        (record,) = json.loads(refused.read_text())
        assert record.pop("after") == 1
        refused.write_text(json.dumps([record]))
    else:
        assert pipekit("status", "--check").out.startswith("FAILED: no run could begin at ")
    tiny.config(CONFIG)
    pipekit("run")
    pipekit("run")
    check = pipekit("status", "--check")
    assert (check.code, check.out[:23]) == (1, "WARNING: 1 run refused,")
    listed = json.loads(pipekit("history", "--all", "--json").out)
    assert [each["run"] for each in listed] == ([None, 3, 2, 1] if old else [3, 2, None, 1])


def test_a_refusal_before_a_new_ledger_is_judged_by_its_time(tiny, pipekit):
    """The numbers of a new ledger begin anew."""
    for _ in range(3):
        pipekit("run")
    tiny.config(FULL)
    pipekit("run")
    for file in (tiny.root / ".pipekit").glob("state.db*"):
        file.unlink()
    tiny.config(CONFIG)
    pipekit("run")
    assert pipekit("status", "--check").out.startswith("WARNING: 1 run refused, ")
