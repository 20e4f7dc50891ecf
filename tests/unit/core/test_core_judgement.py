"""What came of tasks and stages: nothing is a success that was not shown to be one."""

from __future__ import annotations

import json

import pytest

from pipekit.model.command import Command, Outcome, ProcessResult, StreamResult
from pipekit.model.file import Consumption, ContentState, FileStat, Input, Why
from pipekit.model.records import FileRecord, FileRecords
from pipekit.model.stage import StagePlan
from pipekit.model.status import FailureKind, StageStatus
from pipekit.model.task import Task, TaskResult, UnitResult
from pipekit.run.report_file import TaskReport
from pipekit.run.stage_verdict import emptied_files, judge_stage, last_lines, summed_metrics
from pipekit.run.verdict import judge_task
from pipekit.storage.ledger import signature_text

WELL = ProcessResult(outcome=Outcome.EXITED, returncode=0, success=True)
BADLY = ProcessResult(outcome=Outcome.EXITED, returncode=3, reason="exit code 3")


@pytest.fixture
def judge(files):
    """The verdict on a task, from what its process said and how it ended."""

    def verdict(
        *records,
        process=WELL,
        units=(),
        outputs=(),
        published=None,
        before=None,
        damage="",
        torn=False,
    ):
        task = Task(name="t", command=Command(argv=["x"]), units=units, outputs=outputs)
        report = TaskReport()
        for record in records:
            assert report.add(record), report.warnings
        report.damage, report.torn = damage, torn
        return judge_task(
            task, process, report, before=before or {}, published=published or {}, files=files
        )

    return verdict


@pytest.fixture
def say(files):
    """A line of a report about a file that is there."""

    def line(verb, path, unit=None, **more):
        stat = files.stat(path)
        signature = None if stat is None else list(stat.signature)
        return {"verb": verb, "path": path, "unit": unit, "signature": signature, **more}

    return line


def end(unit, status="success", reason=""):
    return {"verb": "unit_end", "unit": unit, "status": status, "reason": reason}


def verbs(result):
    return [(record.verb, record.path) for record in result.files]


@pytest.mark.parametrize(
    ("process", "kind"),
    [
        (BADLY, "exit"),
        (ProcessResult(outcome=Outcome.EXITED, returncode=-11, signal="SIGSEGV"), "signal"),
        (
            ProcessResult(
                outcome=Outcome.EXITED, returncode=-9, signal="SIGKILL", out_of_memory=True
            ),
            "oom",
        ),
        (ProcessResult(outcome=Outcome.TIMED_OUT, signal="SIGTERM"), "timeout"),
        (ProcessResult(outcome=Outcome.HUNG, signal="SIGTERM"), "hang"),
        (ProcessResult(outcome=Outcome.SPAWN_FAILED), "spawn"),
        (ProcessResult(outcome=Outcome.LOST), "lost"),
    ],
)
def test_a_process_that_did_not_succeed_is_a_failure_of_its_kind(judge, process, kind):
    result = judge(process=process, units=["u"])
    assert (result.status, result.kind) == (StageStatus.FAILURE, kind)
    assert not result


def test_a_process_without_report_is_judged_by_its_end_alone(judge):
    assert judge().status is StageStatus.SUCCESS


def test_all_units_well_is_a_success(judge):
    assert judge(end("a"), end("b"), units=["a", "b"]).status is StageStatus.SUCCESS


@pytest.mark.parametrize("process", [WELL, BADLY])
def test_some_units_well_is_partial_whatever_the_exit_code(judge, process):
    result = judge(end("a"), end("b", "failure", "torn"), units=["a", "b"], process=process)
    assert result.status is StageStatus.PARTIAL
    assert result.kind is not None


def test_all_units_well_but_a_bad_exit_is_not_a_success(judge):
    assert judge(end("a"), units=["a"], process=BADLY).status is StageStatus.PARTIAL


def test_no_unit_well_is_a_failure_though_the_process_exited_with_0(judge):
    result = judge(end("a", "failure", "torn"), units=["a"])
    assert (result.status, result.kind) == (StageStatus.FAILURE, FailureKind.PLUGIN)
    assert result.reason == "a: torn"


def test_a_unit_that_was_expected_and_never_spoken_of_is_a_broken_contract(judge):
    result = judge(units=["a"])
    assert (result.status, result.kind) == (StageStatus.FAILURE, FailureKind.CONTRACT)
    assert "never finished" in result.reason


def test_a_unit_that_began_and_never_ended_is_a_broken_contract(judge):
    result = judge({"verb": "unit_start", "unit": "b"}, end("a"), units=["a"])
    assert (result.status, result.kind) == (StageStatus.PARTIAL, FailureKind.CONTRACT)


def test_units_that_nobody_expected_count_as_well(judge):
    result = judge(end("a"), end("more", "failure"), units=["a"])
    assert [unit.name for unit in result.units] == ["a", "more"]
    assert result.status is StageStatus.PARTIAL


def test_only_three_failed_units_are_named_and_the_rest_counted(judge):
    result = judge(*(end(f"u{n}", "failure", "no") for n in range(5)))
    assert result.reason == "u0: no; u1: no; u2: no and 2 more"


def test_being_stopped_is_neither_success_nor_failure(judge):
    stopped = ProcessResult(outcome=Outcome.CANCELLED, signal="SIGTERM")
    result = judge(end("a"), units=["a", "b"], process=stopped)
    assert (result.status, result.kind) == (StageStatus.CANCELLED, None)


# --- files --------------------------------------------------------------------------------------


def test_a_rejected_file_makes_it_partial_and_is_named(judge, say, put):
    result = judge(say("rejected", put("a"), reason="a: torn"))
    assert result.status is StageStatus.PARTIAL
    assert result.reason == "a was rejected: torn"


def test_what_a_failed_or_unfinished_unit_said_of_files_does_not_count(judge, say, put):
    put("a")
    put("out")
    for ending in ([end("u", "failure")], []):
        result = judge(
            say("wrote", "out", "u"), say("consumed", "a", "u"), say("rejected", "a", "u"), *ending
        )
        assert verbs(result) == []
        assert not result


def test_what_a_good_unit_said_counts_though_the_process_died_later(judge, say, put):
    put("a")
    result = judge(say("consumed", "a", "u"), end("u"), units=["u", "v"], process=BADLY)
    assert verbs(result) == [("consumed", "a")]


def test_what_was_said_outside_of_units_counts_at_once_even_before_a_crash(judge, say, put):
    put("a")
    result = judge(say("consumed", "a"), units=["u"], process=BADLY)
    assert verbs(result) == [("consumed", "a")]


def test_a_file_said_to_be_written_that_is_not_there_is_no_success(judge, say, put):
    put("a")
    result = judge(say("wrote", "ghost"), say("consumed", "a"))
    assert (result.status, result.kind) == (StageStatus.FAILURE, FailureKind.CONTRACT)
    assert verbs(result) == []  # and nothing counts as consumed for it


def test_a_false_output_fails_its_unit_and_no_other(judge, say, put):
    put("a")
    put("b")
    result = judge(
        say("wrote", "ghost", "u"),
        say("consumed", "a", "u"),
        end("u"),
        say("consumed", "b", "v"),
        end("v"),
    )
    assert (result.status, result.kind) == (StageStatus.PARTIAL, FailureKind.CONTRACT)
    assert [bool(unit) for unit in result.units] == [False, True]
    assert verbs(result) == [("consumed", "b")]


def test_a_leftover_of_an_earlier_run_is_not_taken_for_new(judge, say, put, files):
    put("out")
    old = {"out": signature_text(files.stat("out").signature)}
    result = judge(say("wrote", "out"), published=old)
    assert result.kind is FailureKind.CONTRACT
    assert "same file as before" in result.reason
    assert judge(say("unchanged", "out"), published=old)


def test_a_file_that_changed_after_it_was_reported_is_not_what_was_reported(judge, say, put):
    put("out")
    reported = say("wrote", "out")
    put("out", "someone else wrote this")
    assert "changed after it was reported" in judge(reported).reason


def test_a_file_written_twice_is_judged_as_it_was_reported_last(judge, say, put):
    put("out", "one")
    first = say("wrote", "out", "u")
    put("out", "two, longer")
    assert judge(first, end("u"), say("wrote", "out", "v"), end("v"))


def test_a_file_that_a_failed_unit_wrote_over_is_no_longer_what_the_good_one_said(judge, say, put):
    put("out", "one")
    first = say("wrote", "out", "u")
    put("out", "two, longer")
    result = judge(first, end("u"), say("wrote", "out", "v"), end("v", "failure"))
    assert result.status is StageStatus.FAILURE
    assert verbs(result) == []


def test_a_declared_output_must_be_there_and_differ_from_before(judge, say, put, files):
    nothing = {"out": None}
    assert "does not exist" in judge(outputs=["out"], before=nothing).reason
    put("out")
    assert judge(outputs=["out"], before=nothing)
    stood = {"out": files.stat("out")}
    assert "same file as before" in judge(outputs=["out"], before=stood).reason
    assert judge(say("unchanged", "out"), outputs=["out"], before=stood)
    put("out", "rewritten")
    assert judge(outputs=["out"], before=stood)


def test_a_published_file_came_of_all_that_its_unit_consumed_unless_it_says_more(judge, say, put):
    for path in ("a", "b", "out1", "out2"):
        put(path)
    result = judge(
        say("consumed", "a", "u"),
        say("wrote", "out1", "u"),
        say("wrote", "out2", "u", sources=["b"]),
        end("u"),
    )
    assert [r.sources for r in result.files] == [None, ("a",), ("b",)]


def test_paths_are_made_relative_however_a_worker_writes_them(judge, say, put, files):
    put("data/a")
    result = judge(say("consumed", str(files.root / "data/a")), say("consumed", "./data//a"))
    assert verbs(result) == [("consumed", "data/a")] * 2


def test_a_damaged_report_is_no_success_and_nothing_of_it_counts_as_consumed(judge, say, put):
    """The lost line may have named an output, or the end of the unit before."""
    put("a")
    put("out")
    result = judge(
        say("consumed", "a", "u"), say("wrote", "out", "u"), end("u"), damage="a line is no record"
    )
    assert (result.status, result.kind) == (StageStatus.FAILURE, FailureKind.CONTRACT)
    assert verbs(result) == [("wrote", "out")]


@pytest.mark.parametrize("process", [WELL, BADLY])
@pytest.mark.parametrize("more", [{"damage": "the report was removed"}, {"torn": True}])
def test_without_a_whole_report_the_contract_is_broken_whatever_the_exit_code(
    judge, say, put, process, more
):
    put("a")
    result = judge(say("consumed", "a"), end("u"), process=process, **more)
    assert (result.status, result.kind) == (StageStatus.FAILURE, FailureKind.CONTRACT)
    assert process.reason in result.reason
    assert "the report" in result.reason
    assert verbs(result) == []


def test_the_end_of_a_process_that_was_killed_explains_a_cut_report(judge, say, put):
    put("a")
    killed = ProcessResult(outcome=Outcome.EXITED, returncode=-9, signal="SIGKILL")
    result = judge(say("consumed", "a"), process=killed, torn=True)
    assert result.kind is FailureKind.SIGNAL
    assert verbs(result) == [("consumed", "a")]
    assert judge(process=killed, damage="the report was removed").kind is FailureKind.SIGNAL


def test_the_last_words_are_those_of_stderr_and_else_of_stdout():
    out, err = StreamResult(tail="o1\no2\n"), StreamResult(tail="e1\ne2\ne3\n")
    both = ProcessResult(outcome=Outcome.EXITED, stdout=out, stderr=err)
    silent = ProcessResult(outcome=Outcome.EXITED, stdout=out)
    assert last_lines(both) == ["e1", "e2", "e3"]
    assert last_lines(silent) == ["o1", "o2"]
    assert last_lines(None) == []


# --- stages -------------------------------------------------------------------------------------

PLAN = StagePlan(reason="new files")
S, P, F, B, C = (StageStatus(w) for w in ("success", "partial", "failure", "blocked", "cancelled"))


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([S], S),
        ([S, S], S),
        ([S, P], P),
        ([P], P),
        ([S, F], P),
        ([P, F], P),
        ([F], F),
        ([F, F], F),
        ([F, B], F),
        ([S, B], P),
        ([S, C], C),
        ([F, C], C),
    ],
)
def test_a_stage_is_as_good_as_its_tasks(tasks, expected):
    results = [TaskResult(name=f"t{n}", status=status) for n, status in enumerate(tasks)]
    assert judge_stage("s", PLAN, results).status is expected


def test_a_stage_names_kind_and_reason_of_its_bad_tasks():
    results = [
        TaskResult(name="a", status=S),
        TaskResult(name="b", status=F, kind=FailureKind.OOM, reason="too big"),
        TaskResult(name="c", status=B, reason="needs task b"),
    ]
    result = judge_stage("s", PLAN, results)
    assert (result.kind, result.error) == (FailureKind.OOM, "b: too big")


# --- empty files --------------------------------------------------------------------------------


def consumed(path, **detail):
    return FileRecord(verb="consumed", path=path, detail=json.dumps(detail))


def before(path, **detail):
    """A changed input that was consumed before, with this detail."""
    known = Consumption(
        path=path,
        state=ContentState.CONSUMED,
        fingerprint="",
        settings_digest="",
        version="",
        run_number=1,
        detail=detail,
    )
    return Input(FileStat(path, 0, 0, 0, 0, 0), Why.CHANGED, "", known)


KEPT = "What was published from it stays, except with --rebuild; check the export"


@pytest.mark.parametrize(
    ("files", "inputs", "reason"),
    [
        ([consumed("a", empty=True)], [], "1 file is empty: a"),
        (
            [consumed("a", empty=True), consumed("b", empty=True)],
            [],
            "2 files are empty: a and 1 more",
        ),
        (
            [consumed("a", empty=True)],
            [before("a", rows=1371)],
            f"1 file is now empty: a (it had 1,371 rows). {KEPT}",
        ),
        (
            [consumed("a", empty=True)],
            [before("a", lines=61)],
            f"1 file is now empty: a (it had 61 lines). {KEPT}",
        ),
        (
            [consumed("a", empty=True), consumed("b", empty=True)],
            [before("b")],
            f"1 file is now empty: b. {KEPT}",
        ),
        ([consumed("a", empty=True)], [before("a", empty=True)], "1 file is empty: a"),
    ],
)
def test_a_stage_that_met_nothing_but_empty_files_is_skipped_and_says_so(files, inputs, reason):
    plan = StagePlan(reason="1 changed file", inputs=inputs)
    result = judge_stage("s", plan, [TaskResult(name="t", status=S, files=FileRecords(files))])
    assert (result.status, result.reason) == (StageStatus.SKIPPED, reason)


def test_an_empty_file_beside_others_is_no_reason_to_skip():
    files = (consumed("a", empty=True), consumed("b"))
    tasks = [TaskResult(name="t", status=S, files=FileRecords(files))]
    result = judge_stage("s", PLAN, tasks)
    assert (result.status, result.reason) == (StageStatus.SUCCESS, "new files")
    assert emptied_files(PLAN, tasks) == []


def test_a_file_that_became_empty_is_named_also_beside_others():
    """An export broke off, perhaps: a warning, since the stage has other things to say."""
    plan = StagePlan(reason="2 changed files", inputs=[before("a", rows=1371), before("b", rows=2)])
    tasks = [
        TaskResult(
            name="t", status=S, files=FileRecords([consumed("a", empty=True), consumed("b")])
        )
    ]
    assert emptied_files(plan, tasks) == [f"1 file is now empty: a (it had 1,371 rows). {KEPT}"]
    alone = [TaskResult(name="t", status=S, files=FileRecords([consumed("a", empty=True)]))]
    assert emptied_files(plan, alone) == []  # then it is the stage's reason


def test_rows_that_were_set_aside_are_in_the_sentence_of_their_stage():
    """Those of all tasks and units, and only if there are any."""
    unit = UnitResult(name="u", status=S, metrics={"rows_set_aside": 1000.0})
    one = TaskResult(name="one", status=S, metrics={"rows_set_aside": 1}, units=(unit,))
    odd = TaskResult(name="odd", status=S, metrics={"rows_set_aside": float("nan")})
    assert str(judge_stage("s", PLAN, [one, odd])) == "s: 1,001 rows set aside"
    assert str(judge_stage("s", PLAN, [odd])).startswith("s: ")
    assert "set aside" not in str(judge_stage("s", PLAN, [odd]))


def remembered(key, value, unit=None):
    return {"verb": "state", "key": key, "value": value, "unit": unit}


def test_a_sum_that_is_too_large_for_a_number_is_left_out():
    tasks = [
        TaskResult(
            name=name,
            status=StageStatus.SUCCESS,
            metrics={"rows": 1.7e308, "rows_set_aside": 1.7e308, "bars": 2},
        )
        for name in "abc"
    ]
    result = judge_stage("s", StagePlan(reason="new"), tasks)
    assert summed_metrics(result) == {"bars": 6}
    assert "set aside" not in str(result)


def test_what_a_stage_remembers_counts_as_its_unit_does(judge):
    result = judge(
        remembered("all", 1),
        remembered("a", 2, "A"),
        end("A"),
        remembered("b", 3, "B"),
        end("B", "failure"),
        process=BADLY,
    )
    assert result.state == {"all": 1, "a": 2}


def test_nothing_is_remembered_where_records_may_be_lost(judge, say):
    assert judge(remembered("last", 1), damage="the report was cut").state == {}
    assert judge(remembered("last", 1), say("wrote", "gone")).state == {}


def test_a_key_that_is_none_is_a_warning():
    report = TaskReport()
    assert not report.add(remembered("", 1))
    assert "1 to 200 characters" in report.warnings[0]
