"""What `pipekit run` prints of a run that is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipekit import (
    FailureKind,
    Outcome,
    PipelineReport,
    PipelineStatus,
    ProcessResult,
    StageResult,
    StageStatus,
    TaskResult,
)
from pipekit.cli.run import print_report
from pipekit.model.command import StreamResult
from pipekit.model.system import quoted


def failed(name: str, kind: FailureKind, *, out: str = "", err: str = "") -> TaskResult:
    process = ProcessResult(
        outcome=Outcome.EXITED,
        returncode=7,
        duration=1.0,
        stdout=StreamResult(tail=out),
        stderr=StreamResult(tail=err),
    )
    return TaskResult(name=name, status=StageStatus.FAILURE, kind=kind, process=process)


@pytest.fixture
def printed(capsys):
    """The lines on stdout and on stderr for a run of one stage, which failed."""

    def run(
        *tasks: TaskResult, project: Path | None = None, error: str = "one: exited with code 7"
    ) -> tuple[list[str], list[str]]:
        stage = StageResult(stage="t", status=StageStatus.FAILURE, error=error, tasks=tasks)
        report = PipelineReport(
            run_id="0", number=13, status=PipelineStatus.FAILURE, exit_code=2, stages=(stage,)
        )
        print_report(report, project)
        out, err = capsys.readouterr()
        return [line.strip() for line in out.splitlines()], err.splitlines()

    return run


def test_one_failed_program_is_one_sentence_and_the_command_for_the_rest(printed):
    """The last line of stderr, then what to type."""
    out, err = printed(failed("one", FailureKind.EXIT, out="fine", err="...\nsomething bad\n\n"))
    assert out[1] == "one: exited with code 7; last line: something bad"
    assert out[2] == "Full output: pipekit logs 13 t"
    assert err == ["to resume: pipekit run --from t"]


def test_several_failed_programs_have_a_line_each(printed):
    """Stdout speaks where stderr is silent; a program that printed nothing has no line."""
    tasks = [
        failed("one", FailureKind.EXIT, err="bad"),
        failed("two", FailureKind.TIMEOUT, out="reading"),
        failed("three", FailureKind.EXIT),
    ]
    out, _ = printed(*tasks, error="two: took longer than 1s\none: exited with code 7")
    assert out[1:4] == [
        "two: took longer than 1s; last line: reading",
        "one: exited with code 7; last line: bad",
        "Full output: pipekit logs 13 t",
    ]


@pytest.mark.parametrize(
    ("statuses", "first"),
    [
        ({"a": "partial", "b": "blocked"}, "a"),  # b would go on without what a still lacks
        ({"a": "partial", "b": "failure"}, "b"),
        ({"a": "success", "b": "cancelled", "c": "cancelled"}, "b"),
        ({"a": "failure", "b": "blocked"}, "a"),
        ({"a": "partial", "b": "skipped"}, ""),
    ],
)
def test_a_run_is_resumed_from_the_first_stage_that_lacks_something(statuses, first, capsys):
    stages = [StageResult(stage=name, status=StageStatus(each)) for name, each in statuses.items()]
    report = PipelineReport(
        run_id="0", number=13, status=PipelineStatus.PARTIAL, exit_code=1, stages=tuple(stages)
    )
    print_report(report)
    resume = [f"to resume: pipekit run --from {first}"] if first else []
    assert capsys.readouterr().err.splitlines() == resume


def test_an_exception_in_a_unit_is_not_said_twice(printed):
    """The unit's reason names it already."""
    out, _ = printed(failed("one", FailureKind.PLUGIN, err="ValueError: x"))
    assert "Full output" not in "".join(out)
    assert "last line" not in "".join(out)


def test_commands_to_type_name_a_project_that_was_named(printed):
    """They work from where the run was started."""
    out, err = printed(failed("one", FailureKind.EXIT, err="bad"), project=Path("my bars"))
    folder = quoted("my bars")
    assert f"Full output: pipekit -C {folder} logs 13 t" in out
    assert err == [f"to resume: pipekit -C {folder} run --from t"]
