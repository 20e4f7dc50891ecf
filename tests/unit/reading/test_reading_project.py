"""A project read by `pipekit.reading`: the ledger, reports, output and settings, and no more."""

from __future__ import annotations

import json
import time

import pytest

from pipekit import PipekitError, PipelineStatus
from pipekit.model.records import FileRecord
from pipekit.model.text import json_text
from pipekit.reading import ProjectReader
from pipekit.storage.ledger import Ledger
from pipekit.worker import Verb

from ...pages import docs


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pipekit.toml").write_text(
        '[pipeline]\nstages = ["t"]\n[stages.t.settings]\nkey = "very secret"\n'
        '[schedule]\nevery = "15m"\n'
    )
    (tmp_path / ".pipekit").mkdir()
    return ProjectReader(tmp_path)


@pytest.fixture
def runs(project):
    """Three runs: a success, an idle one, and one that failed."""
    with Ledger(project.paths.state / "state.db") as ledger:
        for number, status in enumerate(("success", "idle", "failure"), 1):
            ledger.begin_run(f"run-{number}", 1_700_000_000.0 + 900 * number)
            entry = {"status": status if status != "idle" else "skipped", "duration": 2.5}
            ledger.note_stage(f"run-{number}", "t", entry)
            ledger.end_run(f"run-{number}", PipelineStatus(status), 0, 1_700_000_010.0)
    return project


@pytest.mark.parametrize("text", ["\u00c9cole", "\u00e9cole", "COLE", "STRASSE"])
def test_files_are_found_in_upper_and_lower_case_of_any_alphabet(project, text):
    path = "data/raw/\u00c9cole stra\u00dfe.csv"
    with Ledger(project.paths.state / "state.db") as ledger:
        ledger.begin_run("run-1", 1_700_000_000.0)
        consumed = FileRecord(Verb.CONSUMED, path, fingerprint="f", signature="1.1")
        ledger.commit("t", "1", 1, [consumed], settings_digests={}, default_digest="")
    assert [each.path for each in project.files("t", text=text)] == [path]


def test_a_folder_without_a_project_is_refused(tmp_path):
    with pytest.raises(PipekitError, match=r"no pipekit\.toml"):
        ProjectReader(tmp_path)


def test_before_the_first_run_there_is_nothing_and_no_ledger_is_made(project):
    status = project.status()
    assert str(status.findings[0]) == "UNKNOWN: there was no run yet"
    assert (project.runs(), project.stages(), project.files("t"), project.run("1")) == (
        [],
        [],
        [],
        None,
    )
    assert not (project.paths.state / "state.db").exists()


def test_runs_come_page_by_page_newest_first(runs):
    assert [run.number for run in runs.runs(limit=2)] == [3, 2]
    assert [run.number for run in runs.runs(limit=2, before=2)] == [1]
    assert [run.number for run in runs.runs(worked=True)] == [3, 1]
    assert runs.run("2").run_id == "run-2"
    assert runs.run("../2") is None


def test_the_status_is_that_of_the_command(runs):
    status = runs.status()
    assert status.findings[0].word == "FAILED"
    assert (status.stages, status.every) == (("t",), 900.0)


def test_a_scheduler_that_is_silent_is_noticed(runs):
    """Two starts were due since the last run, and none came."""
    assert runs.status().silent_since == 1_700_002_700.0
    with Ledger(runs.paths.state / "state.db") as ledger:
        ledger.begin_run("run-4", time.time() - 60)
        ledger.end_run("run-4", PipelineStatus.SUCCESS, 0, time.time())
    assert runs.status().silent_since is None


def test_a_broken_configuration_is_said_and_the_runs_are_still_there(runs):
    (runs.root / "pipekit.toml").write_text("[pipeline]\nstages = 5\n")
    status = runs.status()
    assert "pipeline.stages" in status.problem
    assert [run.number for run in runs.runs()] == [3, 2, 1]


def test_a_report_of_another_version_is_read_as_far_as_it_goes(runs):
    run = runs.run("3")
    assert "its report is gone" in runs.report(run).incomplete
    stage = {"stage": "t", "status": "failure", "tasks": [{"task": 5, "units": "none"}, "rubbish"]}
    report = {"run_id": "run-3", "run": 3, "stages": [stage], "started": "yesterday"}
    name = "pipeline_report_20231114_000000_run-3.json"
    runs.paths.logs.mkdir()
    (runs.paths.logs / name).write_text(json.dumps(report))
    found = runs.report(run)
    assert found.incomplete == ""
    assert [task.task for task in found.stages[0].tasks] == ["?", "?"]
    assert found.started is None


def test_output_is_found_by_name_and_never_by_path(runs):
    folder = runs.paths.runs / "run-3/t"
    folder.mkdir(parents=True)
    (folder / "one.out").write_text("hello\n")
    (folder / "secret.txt").write_text("no output\n")
    (folder / "link.out").symlink_to(runs.root / "pipekit.toml")
    run = runs.run("3")
    assert [(each.stage, each.name, each.size) for each in runs.outputs(run)] == [
        ("t", "one.out", 6)
    ]
    assert runs.output(run, "t", "one.out").path == folder / "one.out"
    for stage, name in (("t", "secret.txt"), ("t", "../t/one.out"), ("..", "x"), ("t", "link.out")):
        assert runs.output(run, stage, name) is None


def test_output_of_attempts_on_other_machines_is_found(runs):
    folder = runs.paths.runs / "run-3/t/task/12"
    folder.mkdir(parents=True)
    (folder / "command.err").write_text("from n1\n")
    (folder / "report").write_text("no output\n")
    run = runs.run("3")
    assert [each.name for each in runs.outputs(run)] == ["task/12/command.err"]
    assert runs.output(run, "t", "task/12/command.err").path == folder / "command.err"
    assert runs.output(run, "t", "task/12/../12/command.err") is None


def test_files_are_listed_as_the_ledger_has_them(runs):
    with Ledger(runs.paths.state / "state.db") as ledger:
        rows = [
            ("t", f"data/raw/{n:03}.csv", "rejected" if n == 7 else "consumed", n)
            for n in range(30)
        ]
        for stage, path, state, n in rows:
            ledger._connection.execute(
                "INSERT INTO content VALUES (?, ?, ?, '', '', '', '', 1, ?, ?)",
                (stage, path, state, json_text({"rows": n}), "bad" if n == 7 else ""),
            )
    assert [each.path for each in runs.files("t", limit=2, after="data/raw/003.csv")] == [
        "data/raw/004.csv",
        "data/raw/005.csv",
    ]
    (bad,) = runs.files("t", state="rejected")
    assert (bad.path, bad.reason, bad.run) == ("data/raw/007.csv", "bad", 1)
    assert next(each.path for each in runs.files("t", text="9.CSV")) == "data/raw/009.csv"
    assert runs.knows("data/raw/007.csv")
    assert not runs.knows("pipekit.toml")
    story = runs.file("data/raw/007.csv")
    assert [(each.stage, each.state) for each in story.trace.stages] == [("t", "rejected")]


def test_settings_say_where_they_came_from_and_hide_what_may_be_secret(project):
    found = {each.key: each for each in project.settings()}
    assert (found["schedule.every"].where, found["pipeline.workers"].where) == (
        "pipekit.toml:6",
        "",
    )
    assert found["stages.t.settings.key"].value == "***"


def test_the_example_of_the_reference_page_works(runs):
    names = {}
    exec(compile(docs("reference/reading.md").files()["summary.py"], "summary.py", "exec"), names)
    first, *others = names["summary"](runs.root)
    assert first.startswith("FAILED: t has failed since run 3")
    assert others == ["run 3: failure", "run 2: idle", "run 1: success"]


def test_the_example_of_a_plugins_page_works(runs):
    names = {}
    code = docs("how-to/write-a-page.md").files()["pipekit_counts.py"]
    exec(compile(code, "pipekit_counts.py", "exec"), names)
    made = names["page"](runs)
    assert (made.title, [each.kind for each in made.blocks]) == (
        "Counts",
        ["text", "chart", "table"],
    )
