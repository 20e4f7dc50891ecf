"""What a run says of files that may go, and that in report mode it touches none."""

from __future__ import annotations

import hashlib
import json
import os
import textwrap

import pytest

from .copying import CONFIG, RAW, stage


def decisions(project, *words):
    """Path -> refusal ('' where the file may go), from the report of a run."""
    run = project.pipekit("run", *words)
    assert run.code in (0, 1, 2), run
    return {d["path"]: d.get("refused", "") for d in project.report()["lifecycle"]}


def tree(project):
    return {
        str(path.relative_to(project.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((project.root / "data").rglob("*"))
        if path.is_file()
    }


def test_a_file_may_go_when_both_stages_of_the_chain_have_consumed_what_is_theirs(chain):
    chain.write("data/raw/a", "2024-01-01")
    assert decisions(chain) == {"data/raw/a": ""}
    said = [e for e in chain.events() if e["stage"] == "lifecycle"]
    assert [e["event"] for e in said] == ["proposed"]
    assert "1 file could be removed or archived" in said[0]["msg"]


def test_idle_runs_propose_as_well(chain):
    chain.write("data/raw/a", "2024-01-01")
    chain.pipekit("run")
    assert decisions(chain) == {"data/raw/a": ""}
    assert chain.report()["status"] == "idle"


def test_a_file_whose_output_the_second_stage_could_not_take_is_not_proposed(chain):
    """Its own stage was content; what came of it was not."""
    chain.write("data/raw/a", "2024-01-01")
    chain.plugin("two", stage("two", "data/mid", one="partial").replace('"bad" in text', "True"))
    assert decisions(chain) == {}


def test_a_file_of_which_nothing_came_may_go(chain):
    chain.write("data/raw/a", "2024-01-01 barren")
    assert decisions(chain) == {"data/raw/a": ""}


@pytest.mark.parametrize("text", ["2024-01-01 bad", "2024-01-01 dirty"])
def test_failed_files_and_those_with_rows_in_quarantine_stay(chain, text):
    chain.write("data/raw/a", text)
    assert decisions(chain) == {}


def test_a_held_file_is_refused_with_its_holder(chain):
    chain.write("data/raw/hold_me", "2024-01-01")
    assert decisions(chain) == {"data/raw/hold_me": "one will read it again"}


def test_a_file_that_changed_since_is_not_proposed(chain):
    chain.write("data/raw/a", "2024-01-01")
    chain.pipekit("run")
    chain.write("data/raw/a", "2024-01-01 bad")
    assert decisions(chain) == {}


def test_a_run_that_did_not_plan_every_stage_lets_nothing_go(chain):
    chain.write("data/raw/a", "2024-01-01")
    chain.pipekit("run")
    (refusal,) = decisions(chain, "--only", "one").values()
    assert refusal == "stage 'two' was not planned"


def test_report_mode_touches_nothing(chain):
    for name in "abc":
        chain.write(f"data/raw/{name}", "2024-01-01")
    chain.pipekit("run")
    before = tree(chain)
    assert set(decisions(chain).values()) == {""}
    plan = chain.pipekit("lifecycle", "plan", "--json")
    assert [d["path"] for d in plan.json] == ["data/raw/a", "data/raw/b", "data/raw/c"]
    assert tree(chain) == before
    assert not (chain.root / ".pipekit-trash").exists()


def test_without_a_table_in_the_configuration_no_policy_speaks(chain):
    chain.config(CONFIG)
    chain.write("data/raw/a", "2024-01-01")
    assert decisions(chain) == {}
    assert not [e for e in chain.events() if e["stage"] == "lifecycle"]


def test_a_rule_cannot_reach_out_of_the_roots_or_through_links(chain):
    outside = chain.root.parent / "precious"
    outside.mkdir()
    (outside / "a").write_text("2024-01-01")
    chain.write("data/raw/b", "2024-01-01")
    (chain.root / "data/raw/a").symlink_to(outside / "a")
    found = decisions(chain)
    assert found["data/raw/b"] == ""
    assert "symbolic link" in found["data/raw/a"]
    chain.config(CONFIG.replace('roots = ["data"]', 'roots = ["data/mid"]') + RAW)
    assert all(
        "outside of lifecycle.roots (data/mid)" in said for said in decisions(chain).values()
    )


def test_the_caps_refuse_the_whole_act(chain):
    for name in "abc":
        chain.write(f"data/raw/{name}", "2024-01-01")
    chain.config(CONFIG + "max_files = 2\n" + RAW)
    assert all("exceed lifecycle.max_files (2)" in said for said in decisions(chain).values())


def test_the_least_age_is_waited_for(chain):
    chain.write("data/raw/a", "2024-01-01")
    chain.config(CONFIG + RAW.replace("0s", "1h"))
    assert decisions(chain) == {}
    then = (chain.root / "data/raw/a").stat().st_mtime - 1e6
    os.utime(chain.root / "data/raw/a", (then, then))
    assert decisions(chain) == {}  # it was touched just now, whatever its modification time


def test_the_rule_for_processed_files_goes_by_the_time_of_their_data(chain):
    """Off unless somebody writes it; then only months far behind their series."""
    for month in ("01", "05", "06"):
        chain.write(f"data/raw/{month}", f"2024-{month}-01")
    chain.config(
        CONFIG
        + """
[[lifecycle.rules]]
files = "data/mid/**"
consumed_by = ["two"]
min_age = "60d"
age = "data"
"""
    )
    assert decisions(chain) == {"data/mid/01": ""}


POLICY = """
from pipekit import FileAction, LifecyclePolicy, hookimpl

def keep(view, settings):
    for file in view.files("data/raw/keep*"):
        yield FileAction(kind="KEEP", path=file.path, reason="dear to me")

def torn(view, settings):
    raise RuntimeError("torn")

@hookimpl
def pipekit_lifecycle_policies():
    yield LifecyclePolicy("dear", keep)
    yield LifecyclePolicy("torn", torn)
"""


@pytest.fixture
def policies(chain):
    code = textwrap.dedent(POLICY).replace('kind="KEEP"', "kind=ActionKind.KEEP")
    chain.plugin("dear", code.replace("import FileAction", "import ActionKind, FileAction"))
    chain.write("data/raw/keep_me", "2024-01-01")
    chain.write("data/raw/take_me", "2024-01-01")
    return chain


def test_one_policy_can_keep_what_another_would_delete(policies):
    policies.config(CONFIG + "[lifecycle.dear]\n" + RAW)
    policies.pipekit("run")
    found = {d["path"]: d for d in policies.report()["lifecycle"]}
    assert (found["data/raw/keep_me"]["action"], found["data/raw/keep_me"]["policy"]) == (
        "keep",
        "dear",
    )
    assert found["data/raw/take_me"]["action"] == "delete"


def test_a_broken_policy_is_named_changes_no_status_and_lets_nothing_go(policies):
    policies.config(CONFIG + "[lifecycle.torn]\n" + RAW)
    run = policies.pipekit("run", "--json")
    assert (run.code, run.json["status"]) == (0, "success")
    assert "policy 'torn' raised RuntimeError: torn" in run.err + json.dumps(run.json["warnings"])
    assert all("policy 'torn'" in d["refused"] for d in policies.report()["lifecycle"])


def test_a_rule_without_a_stage_is_a_fault_of_the_configuration(chain):
    chain.config(CONFIG + RAW.replace('["one", "two"]', "[]"))
    run = chain.pipekit("run")
    assert run.code == 3
    assert "must name a stage" in run.err
    assert not (chain.root / "logs").exists()


# --- what old runs leave ------------------------------------------------------------------------


def test_idle_runs_keep_no_more_than_their_count_and_real_ones_stay(chain):
    chain.config(CONFIG + "[retention]\nidle_runs = 2\n")
    chain.write("data/raw/a", "2024-01-01")
    real = chain.pipekit("run", "--json").json["run_id"]
    idle = [chain.pipekit("run", "--json").json["run_id"] for _ in range(4)]
    for pattern in ("events/pipeline_*.jsonl", "pipeline_2*.log", "pipeline_report_*.json"):
        left = {path.stem.rpartition("_")[2] for path in (chain.root / "logs").glob(pattern)}
        assert left == {real, *idle[-2:]}
    assert chain.pipekit("show", "1").code == 0
    assert len(chain.pipekit("history", "--all", "--json").json) == 5
    assert "retention" in chain.pipekit("events", "2").err
