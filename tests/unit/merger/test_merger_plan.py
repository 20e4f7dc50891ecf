"""What the merger plans from which files and what the ledger knows; no worker is run."""

import json

import pytest
from pipekit_merger.history import Order
from pipekit_merger.plugin import Settings, pipekit_stages

from pipekit import Consumption, ContentState, Published
from pipekit.testing import plan

(SPEC,) = pipekit_stages()
RUNS = "data/analyzer_runs"


def run_id(number):
    return f"0190000{number}-0000-7000-8000-000000000000"


def run_file(root, number, instrument="ES"):
    path = f"{RUNS}/{run_id(number)}/{instrument}.parquet"
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(b"")
    return path


def published(path, run, number):
    return Published(path=path, fingerprint="f", run=run, run_id=run_id(number))


def merge_request(made):
    (task,) = [task for task in made.tasks if task.name == "merge"]
    return json.loads(task.command.stdin)


def consumed(path, state=ContentState.CONSUMED, **detail):
    return Consumption(
        path=path,
        state=state,
        fingerprint="f",
        settings="the settings under test",
        version="1",
        run=1,
        detail={"scope": {"version": 1}, "left": [], **detail},
    )


def test_the_summary_is_no_run_file(tmp_path):
    """The folder of merged results lies among the runs, and is no run."""
    (tmp_path / RUNS / "merged").mkdir(parents=True)
    (tmp_path / RUNS / "merged/summary.parquet").write_bytes(b"")
    assert not plan(SPEC, tmp_path)


def test_files_are_listed_by_run_number(tmp_path):
    """The ledger's counter orders the request, not the names of the folders."""
    paths = [run_file(tmp_path, number) for number in (1, 2, 3)]
    known = [published(paths[0], 9, 1), published(paths[1], 5, 2), published(paths[2], 7, 3)]
    request = merge_request(plan(SPEC, tmp_path, published={"analyzer": known}))
    assert [entry["path"] for entry in request["files"]] == [paths[1], paths[2], paths[0]]


def test_a_file_unknown_to_the_ledger_is_put_where_its_run_id_belongs():
    """Before the runs that its id says came later, after those that came before."""
    known = [published("runs/a/ES.parquet", 3, 2), published("runs/b/ES.parquet", 4, 5)]
    strangers = [f"runs/{run_id(number)}/ES.parquet" for number in (1, 3, 4, 7)]
    paths = [file.path for file in known] + strangers
    ordered = sorted(paths, key=Order(known).key)
    a, b = known[0].path, known[1].path
    assert ordered == [strangers[0], a, strangers[1], strangers[2], b, strangers[3]]


def test_a_file_taken_in_part_is_only_for_the_groups_that_are_left(tmp_path):
    """What is merged already is not merged again over something newer."""
    path = run_file(tmp_path, 1)
    before = consumed(path, ContentState.PART, left=["ES1/2020-01"])
    request = merge_request(plan(SPEC, tmp_path, consumed={path: before}))
    assert request["files"][0]["left"] == ["ES1/2020-01"]
    for flag in ("rebuild", "force"):
        request = merge_request(plan(SPEC, tmp_path, consumed={path: before}, **{flag: True}))
        assert "left" not in request["files"][0]


def test_a_newer_file_merged_before_is_named_with_its_scope(tmp_path):
    """So that the worker knows what a late, older file must not touch; others are left out."""
    old, new, other = run_file(tmp_path, 1), run_file(tmp_path, 2), run_file(tmp_path, 2, "NQ")
    taken = {path: consumed(path) for path in (new, other)}
    request = merge_request(plan(SPEC, tmp_path, consumed=taken))
    assert request["files"] == [{"path": old}, {"path": new, "scope": {"version": 1}}]


def test_an_ordinary_new_file_needs_no_history(tmp_path):
    """The request for a new day holds that day's files alone."""
    old, new = run_file(tmp_path, 1), run_file(tmp_path, 2)
    request = merge_request(plan(SPEC, tmp_path, consumed={old: consumed(old)}))
    assert request["files"] == [{"path": new}]


@pytest.mark.parametrize("flag", ["force", "rebuild"])
def test_all_run_files_are_taken_again_when_asked(tmp_path, flag):
    """--force and --rebuild make every run file present an input."""
    path = run_file(tmp_path, 1)
    made = plan(SPEC, tmp_path, consumed={path: consumed(path)}, **{flag: True})
    assert [file.path for file in made.inputs] == [path]
    assert merge_request(made)["rebuild"] is (flag == "rebuild")


def test_merged_months_are_held(tmp_path):
    """The next merge reads them again: the lifecycle must not take them."""
    month = f"{RUNS}/merged/ES1/2020/ES1_2020_01.parquet"
    (tmp_path / month).parent.mkdir(parents=True)
    (tmp_path / month).write_bytes(b"")
    assert plan(SPEC, tmp_path).holds == (month,)


def test_a_missing_summary_is_made_without_a_merge(tmp_path):
    """Months without a summary give a plan of that task alone, and the reason."""
    month = f"{RUNS}/merged/ES1/2020/ES1_2020_01.parquet"
    (tmp_path / month).parent.mkdir(parents=True)
    (tmp_path / month).write_bytes(b"")
    made = plan(SPEC, tmp_path)
    assert [task.name for task in made.tasks] == ["summary"]
    assert made.reason == "the summary is not that of the months"


def test_the_merge_makes_the_summary(tmp_path):
    """One process does both; the request for the summary is part of the merge's."""
    run_file(tmp_path, 1)
    made = plan(SPEC, tmp_path)
    assert [(task.name, task.cores) for task in made.tasks] == [("merge", 2)]
    assert merge_request(made)["summary"]["merged"] == f"{RUNS}/merged"


@pytest.mark.parametrize("folder", ["/data/x", "data/../x", "data\\x", "", "data//x", "c:/x"])
def test_folders_are_below_the_root(folder):
    """A setting that leaves the project is refused with an example."""
    with pytest.raises(ValueError, match="below the project's root"):
        Settings(merged=folder)
