"""What is said of a run that was cancelled: what ran, what was stopped, what never began."""

from __future__ import annotations

from pipekit import (
    Command,
    Outcome,
    PipelineReport,
    PipelineStatus,
    ProcessResult,
    StagePlan,
    StageResult,
    StageStatus,
    Task,
    TaskResult,
)
from pipekit.model.status import NEVER_BEGAN
from pipekit.run.report_file import TaskReport
from pipekit.run.stage_verdict import judge_stage
from pipekit.run.verdict import judge_task

CANCELLED = ProcessResult(outcome=Outcome.CANCELLED, reason="stopped: it was cancelled")


def never_began(name: str) -> StageResult:
    return StageResult(stage=name, status=StageStatus.CANCELLED, reason=NEVER_BEGAN)


def test_units_are_counted_by_how_far_they_got(files):
    """One ended, one was running and two had not begun: none has failed."""
    task = Task(name="all", command=Command(argv=["true"]), units=["a", "b", "c", "d"])
    report = TaskReport()
    for unit in "ab":
        report.add({"verb": "unit_start", "unit": unit})
    report.add({"verb": "unit_end", "unit": "a", "status": "success"})
    judged = judge_task(task, CANCELLED, report, before={}, published={}, files=files)
    result = judge_stage("prog", StagePlan(reason="", tasks=[task]), [judged])
    sentence = "prog: cancelled, 1 of 4 units ran, 1 stopped, 2 never began"
    assert str(result) == sentence
    assert [unit.status for unit in judged.units][1:] == [StageStatus.CANCELLED] * 3


def test_tasks_are_counted_where_there_are_no_units():
    ran = TaskResult(name="a", status=StageStatus.SUCCESS)
    stopped = TaskResult(name="b", status=StageStatus.CANCELLED, process=CANCELLED)
    waiting = TaskResult(name="c", status=StageStatus.CANCELLED, reason=NEVER_BEGAN)
    result = StageResult(
        stage="prog", status=StageStatus.CANCELLED, tasks=(ran, stopped, waiting), duration=2.0
    )
    assert str(result) == "prog: cancelled, 1 of 3 tasks ran, 1 stopped, 1 never began, 2.0 s"


def test_a_run_counts_its_stages():
    done = StageResult(stage="a", status=StageStatus.SUCCESS)
    task = TaskResult(name="b", status=StageStatus.CANCELLED, process=CANCELLED)
    stopped = StageResult(stage="b", status=StageStatus.CANCELLED, tasks=(task,))
    report = PipelineReport(
        run_id="0",
        number=7,
        status=PipelineStatus.CANCELLED,
        exit_code=130,
        stages=(done, stopped, never_began("c"), never_began("d")),
        duration=4.2,
    )
    assert str(report) == "run 7: cancelled, 1 stage ran, 1 stopped, 2 never began, 4.2 s"
    assert str(never_began("c")) == "c: cancelled, never began"


def test_warnings_are_counted():
    """What a stage warned of is not only in the report."""
    result = StageResult(stage="a", status=StageStatus.SUCCESS, warnings=("x", "y"), duration=1.0)
    assert str(result) == "a: 2 warnings, 1.0 s"
