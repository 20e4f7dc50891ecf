"""`pipekit doctor` and the space that a run needs."""

from __future__ import annotations

import json
import os
import time

import pytest

# Of the plugins only these: the time that each takes to import is measured in a process of its own.
CONFIG = '[plugins]\nallow = ["one"]\n[pipeline]\nstages = ["one"]\n'
PLUGIN = """
from pipekit import Command, StagePlan, StageSpec, hookimpl

PIPEKIT_API = "1"

def plan(ctx, settings):
    return StagePlan.skip("nothing to do")

def check(settings):
    {check}

@hookimpl
def pipekit_stages():
    yield StageSpec("one", plan, check=check)
"""


@pytest.fixture
def doctor(project):
    """The exit code of `pipekit doctor` and its findings by subject, all but those that are ok."""

    def examine(check: str = "return Command(argv=['true'])", config: str = CONFIG):
        project.plugin("one", PLUGIN.format(check=check))
        project.config(config)
        before = sorted(project.root.rglob("*[!lm]"))  # SQLite has its -wal and -shm
        answer = project.pipekit("doctor", "--json")
        assert sorted(project.root.rglob("*[!lm]")) == before
        slow = "imported in"  # on a busy machine
        notable = [each for each in answer.json if slow not in each["text"]]
        found = [finding for finding in notable if finding["level"] != "ok"]
        assert all(finding["remedy"] for finding in found)
        return answer.code, {finding["subject"]: finding["text"] for finding in found}

    return examine


def test_all_is_well(doctor, project):
    code, found = doctor()
    assert (code < 2, found) == (True, {})
    text = project.pipekit("doctor").out
    assert "stage one: its worker starts" in text
    assert "0 errors, " in text


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("return Command(argv=['sh', '-c', 'echo no numpy >&2; exit 4'])", "last line: no numpy"),
        ("return Command(argv=['/nope/worker'])", "does not start"),
        ("raise KeyError('x')", "cannot be made: KeyError: 'x'"),
        ("raise SystemExit(0)", "cannot be made: SystemExit"),
        ("return 7", "cannot be made"),
    ],
)
def test_a_worker_that_does_not_start_is_an_error(doctor, check, said):
    code, found = doctor(check)
    assert (code, list(found)) == (2, ["stage one"])
    assert said in found["stage one"]


@pytest.mark.parametrize("how", ["deny", "--no-plugins"])
def test_a_plugin_that_is_disabled_is_named_and_not_imported(project, how):
    project.plugin("bad", "import pathlib; pathlib.Path(__file__ + '.imported').touch()")
    script = '[pipeline]\nstages = ["own"]\n[stages.own]\ncommand = ["true"]\n'
    project.config(script + ('[plugins]\ndeny = ["bad"]\n' if how == "deny" else ""))
    said = project.pipekit(*(["--no-plugins"] if how != "deny" else []), "doctor").out
    assert "bad 0.1 (entry point bad = bad_plugin) is disabled by [plugins]" in said
    assert not list(project.site.glob("*.imported"))


def test_what_a_self_check_says_is_shown(doctor, project):
    """Its lines on stdout; those that begin with `warning: ` are warnings."""
    code, found = doctor("return Command(argv=['printf', 'one %s\\nwarning: slow\\n', 'two'])")
    assert (code, found) == (1, {"stage one": "slow"})
    lines = project.pipekit("doctor").out.splitlines()
    assert "ok      stage one: one two" in lines
    assert "warning stage one: slow" in lines


def test_a_hold_is_a_warning(doctor, project):
    doctor()
    assert "ok      lock: no run is going on" in project.pipekit("doctor").out
    project.pipekit("hold", "--for", "1h", "--reason", "new disk")
    code, found = doctor()
    assert (code, list(found)) == (1, ["hold"])
    assert found["hold"].endswith("(new disk)")


def test_runs_that_went_wrong_are_counted(project, doctor):
    doctor()
    failing = PLUGIN.format(check="return None").replace('StagePlan.skip("nothing to do")', "1 / 0")
    project.plugin("one", failing)
    assert [project.pipekit("run").code for _ in range(2)] == [2, 2]
    doctor()
    assert project.pipekit("run").code == 0
    said = project.pipekit("doctor").out
    assert "idle; 2 of the last 2 runs with work went wrong" in said


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("[pipeline", "not valid TOML"),
        (CONFIG + "[stages.one]\ntimeot = 3\n", "timeot"),
        ('[pipeline]\nstages = ["two"]\n', "two"),
    ],
)
def test_a_mistake_in_the_configuration_is_an_error(doctor, config, said):
    code, found = doctor(config=config)
    assert code == 2
    assert said in found["configuration"]


def test_with_too_little_space_no_run_begins_and_the_next_status_says_so(doctor, project):
    code, found = doctor(config=CONFIG + 'min_free = "900TB"\n')
    assert (code, list(found)) == (2, ["disk"])
    run = project.pipekit("run")
    assert run.code == 3
    assert "pipeline.min_free is 900 TB: nothing was started" in run.err
    assert "900 TB" in project.pipekit("status").out
    assert doctor()[1]["runs"].startswith("refused at")
    refused = project.root / ".pipekit/refused.json"
    (record,) = json.loads(refused.read_text())
    refused.write_text(json.dumps([{**record, "last": record["last"] + 86_400}]))
    assert project.pipekit("run").code == 0
    assert "runs" not in doctor()[1], "a clock that was ahead makes it later than the run"


def test_a_run_warns_before_there_is_too_little_space(project, doctor):
    free = os.statvfs(project.root).f_bavail * os.statvfs(project.root).f_frsize
    code, found = doctor(config=CONFIG + f"min_free = {free * 2 // 3}\n")
    assert (code, list(found)) == (1, ["disk"])
    run = project.pipekit("run")
    assert run.code == 0
    assert "below which no run starts" in run.err


def test_a_clock_that_is_behind_the_last_run_is_noticed(doctor, project):
    doctor()
    assert project.pipekit("run").code == 0
    import sqlite3

    with sqlite3.connect(project.root / ".pipekit/state.db") as ledger:
        ledger.execute("UPDATE runs SET started = ?", (time.time() + 86400,))
    ledger.close()
    assert doctor()[1]["clock"].endswith(tuple("0123456789"))


def test_a_failed_run_is_a_warning_that_says_where_to_look(project, doctor):
    doctor()
    failing = PLUGIN.format(check="return None").replace('StagePlan.skip("nothing to do")', "1 / 0")
    project.plugin("one", failing)
    assert project.pipekit("run").code == 2
    project.plugin("one", PLUGIN.format(check="return Command(argv=['true'])"))
    answer = project.pipekit("doctor", "--json")
    (finding,) = [each for each in json.loads(answer.out) if each["level"] != "ok"]
    assert (answer.code, finding["remedy"]) == (1, "see `pipekit show 1`")
