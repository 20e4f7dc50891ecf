"""Work that fails again and again is left out of more and more runs; the ledger remembers it."""

from __future__ import annotations

import sqlite3

import pytest

from pipekit.model.command import Command
from pipekit.model.file import Input, Why
from pipekit.model.records import FileRecord, FileRecords
from pipekit.model.stage import StagePlan
from pipekit.model.status import FailureKind, StageStatus
from pipekit.model.task import Task, TaskResult, UnitResult
from pipekit.run.backing_off import _failed
from pipekit.run.project import Stage
from pipekit.storage import schema
from pipekit.storage.failing import BackOff, Failing, sentences
from pipekit.storage.ledger import Ledger, signature_text
from pipekit.storage.runs import RunHistory
from pipekit.storage.stage_view import LedgerStageView

WORK = Failing("", "a", "sig", "set", "1", what="ES")


def failed(times: int, run: int = 10, longest: int = 16) -> Failing:
    known = None
    for _ in range(times):
        known = WORK.again(known, run, longest)
    assert known is not None
    return known


def test_it_is_left_out_twice_as_long_after_each_failure_up_to_a_limit():
    waits = [failed(times).due - 10 for times in range(1, 8)]
    assert waits == [1, 2, 4, 8, 16, 16, 16]
    assert failed(5, longest=1).due == 11
    assert failed(5000).failures == 5000


@pytest.mark.parametrize("field", ["signature", "settings", "version"])
def test_what_has_changed_begins_anew(field):
    changed = WORK._replace(**{field: "other"}).again(failed(4), 11, 16)
    assert (changed.failures, changed.due) == (1, 12)


def test_a_plan_leaves_out_what_is_not_due_and_has_not_changed():
    known = {WORK.key: failed(3)}
    last, due = (BackOff(known, number, "1", 16) for number in (13, 14))
    assert last.leaves_out(WORK.key, "sig", "set")
    assert last.left_out == known
    assert not due.leaves_out(WORK.key, "sig", "set")
    assert not due.left_out
    for back_off, signature, settings in [
        (BackOff(known, 13, "2", 16), "sig", "set"),
        (BackOff(known, 13, "1", 1), "sig", "set"),  # the limit has been lowered since
        (BackOff(known, 13, "1", 16), "other", "set"),
        (BackOff(known, 13, "1", 16), "sig", "other"),
    ]:
        assert not back_off.leaves_out(WORK.key, signature, settings)


def test_sentences_name_units_or_files():
    one = failed(3)
    assert sentences([one], 10) == [
        "ES: failed 3 times, tried again in 4 runs or when its input changes"
    ]
    several = [one, one._replace(path="b")]
    assert sentences(several, 13) == [
        "ES: failed 3 times, tried again in the next run or when an input changes"
    ]
    files = [one._replace(path=name, what=name) for name in "abcde"]
    assert sentences(files, 10) == [
        "a, b, c and 2 more: failed 3 times, tried again in 4 runs or when an input changes"
    ]


def test_the_ledger_remembers_and_forgets(ledger):
    other = WORK._replace(task="t", path="")
    ledger.note_failing("s", [failed(2), other], [])
    assert ledger.failing("s") == {("", "a"): failed(2), ("t", ""): other}
    assert ledger.failing("other") == {}
    ledger.note_failing("s", [], [("", "a"), ("", "never")])
    assert list(ledger.failing("s")) == [("t", "")]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_older_ledger_knows_of_none_and_is_brought_up_to_date(tmp_path, version):
    path = tmp_path / "state.db"
    with Ledger(path) as ledger:
        ledger.begin_run("r", 1.0)
    connection = sqlite3.connect(path)
    connection.executescript("DROP TABLE state; DROP TABLE attempts;")
    if version < 3:
        connection.executescript("DROP TABLE failing; DROP TABLE shrunk;")
    if version == 1:
        connection.executescript(
            "DROP INDEX runs_unfinished; DROP INDEX runs_worked;"
            "ALTER TABLE runs DROP COLUMN recorded; ALTER TABLE runs DROP COLUMN dated;"
        )
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with Ledger(path, read_only=True) as ledger:
        assert ledger.failing("s") == {}
        assert ledger.state("s") == {}
        assert ledger.last_run() == 1
    with Ledger(path) as ledger:
        ledger.note_failing("s", [WORK], [])
        assert list(ledger.failing("s")) == [WORK.key]
    with RunHistory(path, read_only=True) as history:
        assert [run.run_id for run in history.runs()] == ["r"]
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    connection.close()


@pytest.fixture
def plan(files, put):
    """A plan with these pending files and one task."""

    def make(*paths, **more):
        found = [files.stat(put(path)) for path in paths]
        task = Task(name="t", command=Command(argv=["x"]), **more)
        inputs = [Input(file, Why.NEW, "set") for file in found]
        return StagePlan(reason="new", tasks=[task], inputs=inputs)

    return make


def result(*units, status="failure", kind="plugin", records=(), **more):
    return TaskResult(
        name="t",
        status=StageStatus(status),
        kind=kind and FailureKind(kind),
        reason="torn",
        units=tuple(UnitResult(name, StageStatus(how), why) for name, how, why in units),
        files=FileRecords(FileRecord(verb, path) for verb, path in records),
        **more,
    )


def what_failed(plan, files, *results):
    stage = Stage(name="s", spec=None, version="1", settings=None, after={})
    found = _failed(stage, plan, results, {task.name: task for task in plan.tasks}, files)
    return [(each.task or each.path, each.what, each.reason) for each in found]


def test_what_failed_are_the_files_that_were_not_used_up(plan, files):
    records = [("consumed", "a"), ("rejected", "b")]
    found = what_failed(plan("a", "b", "c"), files, result(records=records))
    assert found == [("c", "t", "torn")]


def test_what_was_consumed_in_part_is_not_done(plan, files):
    part = FileRecord("consumed", "a", complete=False)
    found = what_failed(
        plan("a"), files, result(("ES", "failure", "no"))._replace(files=FileRecords([part]))
    )
    assert found == [("a", "ES", "torn")]


def test_a_unit_named_like_a_file_stands_for_it(plan, files):
    units = [("a", "success", ""), ("b", "failure", "no b"), ("c", "failure", "no c")]
    found = what_failed(plan("a", "b", "c"), files, result(*units))
    assert found == [("b", "b", "no b"), ("c", "c", "no c")]


def test_other_units_are_named_together(plan, files):
    units = [(name, "failure", "no") for name in ("ES", "NQ", "CL", "GC")]
    found = what_failed(plan("a", "b"), files, result(*units, ("SI", "success", "")))
    assert found == [("a", "ES, NQ, CL and 1 more", "torn"), ("b", "ES, NQ, CL and 1 more", "torn")]


def test_only_the_inputs_of_the_task_have_failed_if_it_names_them(plan, files):
    assert what_failed(plan("a", "b", inputs=["b"]), files, result()) == [("b", "t", "torn")]


def test_without_pending_files_it_is_the_task(plan, files):
    assert what_failed(plan(), files, result(kind="exit")) == [("t", "t", "torn")]


@pytest.mark.parametrize(
    "ended",
    [
        result(status="partial", kind=None, records=[("rejected", "b")]),
        result(status="cancelled", kind=None),
        result(retried=True),
    ],
)
def test_rejected_cancelled_or_retried_is_not_failed(plan, files, ended):
    assert what_failed(plan("a"), files, ended) == []


def test_pending_leaves_out_what_backs_off_unless_all_is_asked_for(files, ledger, put):
    file = files.stat(put("a"))
    known = failed(3)._replace(signature=signature_text(file.signature))
    back_off = BackOff({known.key: known}, 12, "1", 16)
    view = LedgerStageView(
        files, ledger, "s", version="1", settings="set", digest_of=str, back_off=back_off
    )
    found = view.pending([file], None, growing=False, force=False)
    assert (bool(found), found.known, list(back_off.left_out)) == (False, 0, [("", "a")])
    assert view.pending([file], None, growing=False, force=True)
    assert view.pending([file], "other", growing=False, force=False)
