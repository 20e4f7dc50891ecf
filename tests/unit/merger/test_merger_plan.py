"""What the merger plans, from the files and the ledger; no worker runs."""

import io
import sys

import pytest
from pipekit_merger.history import run_order
from pipekit_merger.layout import StreamMonth
from pipekit_merger.plugin import pipekit_stages
from pipekit_merger.request import Request, RunFileEntry
from pipekit_merger.settings import Settings

from pipekit import Consumption, ContentState, Published
from pipekit.testing import plan
from pipekit.worker import request

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
    return Published(path=path, fingerprint="f", run_number=run, run_id=run_id(number))


def request_of(made, name="merge"):
    """The request as the worker reads it."""
    (task,) = [task for task in made.tasks if task.name == name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(task.command.stdin.decode()))
        return request(Request)


def requested(made):
    """The paths of the run files asked for, in order."""
    return [entry.path for entry in request_of(made).run_files]


def consumed(path, state=ContentState.CONSUMED, **detail):
    return Consumption(
        path=path,
        state=state,
        fingerprint="f",
        settings_digest="the settings under test",
        version="1",
        run_number=1,
        detail={"scope": {"version": 1}, "left": [], **detail},
    )


def test_the_summary_is_not_a_run_file(tmp_path):
    """The folder of merged results lies among the runs, and is not one."""
    (tmp_path / RUNS / "merged").mkdir(parents=True)
    (tmp_path / RUNS / "merged/summary.parquet").write_bytes(b"")
    assert not plan(SPEC, tmp_path)


def test_files_are_listed_by_run_number(tmp_path):
    """The ledger's counter orders the request, not the names of the folders."""
    paths = [run_file(tmp_path, number) for number in (1, 2, 3)]
    known = [published(paths[0], 9, 1), published(paths[1], 5, 2), published(paths[2], 7, 3)]
    made = plan(SPEC, tmp_path, published={"analyzer": known})
    assert requested(made) == [paths[1], paths[2], paths[0]]


def test_a_file_unknown_to_the_ledger_is_put_where_its_run_id_belongs():
    """Before the runs that its id says came later, after those that came before."""
    known = [published("runs/a/ES.parquet", 3, 2), published("runs/b/ES.parquet", 4, 5)]
    strangers = [f"runs/{run_id(number)}/ES.parquet" for number in (1, 3, 4, 7)]
    paths = [file.path for file in known] + strangers
    ordered = sorted(paths, key=run_order(known))
    a, b = known[0].path, known[1].path
    assert ordered == [strangers[0], a, strangers[1], strangers[2], b, strangers[3]]


def test_a_file_merged_in_part_is_only_for_the_months_that_are_left(tmp_path):
    """It must not replace newer rows in the others."""
    path = run_file(tmp_path, 1)
    before = consumed(path, ContentState.PART, left=["ES1/2020-01"])
    (entry,) = request_of(plan(SPEC, tmp_path, consumed={path: before})).run_files
    assert entry.months == (StreamMonth.parse("ES1/2020-01"),)
    for flag in ("rebuild", "force"):
        made = plan(SPEC, tmp_path, consumed={path: before}, **{flag: True})
        assert request_of(made).run_files[0].months is None


def test_a_newer_file_merged_before_is_named_with_its_scope(tmp_path):
    """So that the worker knows what a late, older file must not touch; others are left out."""
    old, new, other = run_file(tmp_path, 1), run_file(tmp_path, 2), run_file(tmp_path, 2, "NQ")
    taken = {path: consumed(path) for path in (new, other)}
    found = request_of(plan(SPEC, tmp_path, consumed=taken)).run_files
    merged = RunFileEntry(path=new, number=2, merged_scope={"version": 1})
    assert found == (RunFileEntry(path=old, number=1), merged)


def test_an_ordinary_new_file_needs_no_history(tmp_path):
    """The request for a new day has only the files of that day."""
    old, new = run_file(tmp_path, 1), run_file(tmp_path, 2)
    made = plan(SPEC, tmp_path, consumed={old: consumed(old)})
    assert request_of(made).run_files == (RunFileEntry(path=new, number=1),)


@pytest.mark.parametrize("flag", ["force", "rebuild"])
def test_all_run_files_are_taken_again_when_asked(tmp_path, flag):
    """With --force and --rebuild every run file is an input."""
    path = run_file(tmp_path, 1)
    made = plan(SPEC, tmp_path, consumed={path: consumed(path)}, **{flag: True})
    assert [file.path for file in made.inputs] == [path]
    assert request_of(made).rebuild is (flag == "rebuild")


def test_merged_months_are_kept_from_the_lifecycle(tmp_path):
    """The next merge reads them again."""
    month = f"{RUNS}/merged/ES1/2020/ES1_2020_01.parquet"
    (tmp_path / month).parent.mkdir(parents=True)
    (tmp_path / month).write_bytes(b"")
    assert plan(SPEC, tmp_path).holds == (month,)


def test_a_missing_summary_is_made_without_a_merge(tmp_path):
    """The task has a name and a reason of its own."""
    month = f"{RUNS}/merged/ES1/2020/ES1_2020_01.parquet"
    (tmp_path / month).parent.mkdir(parents=True)
    (tmp_path / month).write_bytes(b"")
    made = plan(SPEC, tmp_path)
    assert [task.name for task in made.tasks] == ["summary"]
    assert made.reason == "the summary is out of date"
    assert request_of(made, "summary").run_files == ()


def test_the_merge_makes_the_summary(tmp_path):
    """One process does both, for one request."""
    run_file(tmp_path, 1)
    made = plan(SPEC, tmp_path)
    assert [(task.name, task.cores) for task in made.tasks] == [("merge", 2)]
    assert request_of(made).merged == f"{RUNS}/merged"
    assert request_of(made).summary


@pytest.mark.parametrize("folder", ["/data/x", "data/../x", "data\\x", "", "data//x", "c:/x"])
def test_folders_must_be_below_the_root(folder):
    """A setting that leaves the project is refused with an example."""
    with pytest.raises(ValueError, match="below the project's root"):
        Settings(merged=folder)
