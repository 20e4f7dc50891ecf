"""What is to be done with a stage is a decision of a kind, and its reason can be read."""

from __future__ import annotations

import json
import types

import pytest

from pipekit.model.command import Command
from pipekit.model.file import FileStat, Input, Pending, Why
from pipekit.model.run import Paths
from pipekit.model.specs import StageSpec
from pipekit.model.stage import StagePlan, StageResult
from pipekit.model.status import FailureKind, StageStatus
from pipekit.model.task import Task
from pipekit.process import Cancel
from pipekit.run.decision import (
    Blocked,
    Cancelled,
    CannotPlan,
    Execute,
    Later,
    Skip,
    result_without_tasks,
)
from pipekit.run.planning import Planner, RunOptions
from pipekit.run.project import Project, Stage

WORK = StagePlan(reason="new files", tasks=[Task(name="t", command=Command(argv=["x"]))])
NOTHING = StagePlan.skip("nothing new in data/raw")


@pytest.fixture
def planner(files, ledger, tmp_path):
    """A planner of a project; `cancel` cancels its run."""
    pipeline = types.SimpleNamespace(cores=2)
    project = Project(
        configuration=types.SimpleNamespace(pipeline=pipeline),
        plugins=None,
        paths=Paths(root=files.root, data=tmp_path, logs=tmp_path, state=tmp_path),
        files=files,
        stages=(),
    )
    cancel = Cancel()
    made = Planner(project, RunOptions(), "run", cancel)
    yield made
    cancel.close()


def stage(name="s", plan=lambda _ctx, _settings: WORK, **after):
    spec = StageSpec(name, plan) if plan else None
    return Stage(name=name, spec=spec, version="1", settings=None, after=after, problem="torn")


def ended(name, status):
    return {name: StageResult(stage=name, status=StageStatus(status))}


def test_a_plan_with_tasks_is_executed_and_one_without_is_skipped(planner, ledger):
    decision = planner.decide(stage(), ledger, {})
    assert decision == Execute(stage="s", reason="new files", plan=WORK)
    decision = planner.decide(stage(plan=lambda *_: NOTHING), ledger, {})
    assert decision == Skip(stage="s", reason="nothing new in data/raw", plan=NOTHING)
    result = result_without_tasks(decision)
    assert (result.status, result.plan) == (StageStatus.SKIPPED, NOTHING)


@pytest.mark.parametrize(
    ("status", "least", "reason"),
    [
        ("failure", "partial", "a failed"),
        ("blocked", "partial", "a was not run"),
        ("cancelled", "partial", "a was cancelled"),
        ("partial", "success", "a was only a partial success, but success is needed"),
    ],
)
def test_a_stage_is_blocked_by_one_that_did_not_end_well_enough(
    planner, ledger, status, least, reason
):
    decision = planner.decide(stage(a=least), ledger, ended("a", status))
    assert decision == Blocked(stage="s", reason=reason)
    assert str(result_without_tasks(decision)) == f"s: not run: {reason}"


def test_a_stage_that_comes_after_the_cancelling_is_cancelled(planner, ledger):
    planner.cancel.set()
    decision = planner.decide(stage(), ledger, {})
    assert isinstance(decision, Cancelled)
    assert result_without_tasks(decision).status is StageStatus.CANCELLED


def raises(_ctx, _settings):
    raise SystemExit("I quit")


def parses(_ctx, _settings):
    return json.loads("{")


def line(plan):
    """The only line of a plan, as a message names it."""
    return f"test_core_planning.py:{plan.__code__.co_firstlineno + 1}"


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (None, "torn"),
        (raises, f"its plan raised SystemExit: I quit ({line(raises)})"),
        (lambda *_: None, "its plan raised TypeError: plan must return a StagePlan, not None"),
    ],
)
def test_a_plan_that_cannot_be_made_is_a_failure_of_its_plugin(planner, ledger, plan, reason):
    decision = planner.decide(stage(plan=plan), ledger, {})
    assert isinstance(decision, CannotPlan)
    assert decision.reason == reason
    result = result_without_tasks(decision)
    assert (result.status, result.kind) == (StageStatus.FAILURE, FailureKind.PLUGIN)
    assert result.error == reason


def test_an_error_in_a_library_of_python_is_placed_in_the_plugin(planner, ledger):
    decision = planner.decide(stage(plan=parses), ledger, {})
    assert decision.reason.startswith("its plan raised JSONDecodeError: ")
    assert decision.reason.endswith(f" ({line(parses)})")


def test_foreseeing_leaves_open_what_depends_on_a_stage_that_would_run(planner, ledger):
    seen = {}
    for each in (stage("a"), stage("b", a="partial"), stage("c", b="any"), stage("d")):
        seen[each.name] = planner.foresee(each, ledger, seen)
    assert [decision.action for decision in seen.values()] == ["run", "later", "later", "run"]
    assert seen["b"] == Later(stage="b", reason="depends on what a writes")
    assert seen["c"].reason == "depends on what b writes"


def test_foreseeing_goes_on_after_a_stage_that_would_be_skipped_or_fail(planner, ledger):
    seen = {}
    for each in (
        stage("a", lambda *_: NOTHING),
        stage("b", a="partial"),
        stage("c", None),
        stage("d", c="partial"),
    ):
        seen[each.name] = planner.foresee(each, ledger, seen)
    assert [decision.action for decision in seen.values()] == [
        "skipped",
        "run",
        "failure",
        "blocked",
    ]


# --- the sentence of what is pending -----------------------------------------------------------


def pending(waiting=(), **counts):
    file = FileStat("a", 0, 0, 0, 0, 0)
    inputs = [Input(file, Why[why.upper()], "") for why, n in counts.items() for _ in range(n)]
    return Pending(inputs=tuple(inputs), waiting=tuple(waiting))


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (pending(), "nothing new in data/raw"),
        (pending(new=1), "1 new file in data/raw"),
        (pending(new=3, changed=1), "3 new files and 1 changed in data/raw"),
        (pending(changed=1, part=2), "1 changed file and 2 unfinished in data/raw"),
        (pending(forced=13), "13 files in data/raw again as asked"),
        (pending(settings=4), "4 files in data/raw again because a setting changed"),
        (pending(version=1), "1 file in data/raw again because the plugin changed"),
        (
            pending(new=1, settings=4),
            "1 new file in data/raw, 4 again because a setting changed",
        ),
        (pending(waiting=["a"]), "1 file in data/raw still being written"),
        (pending(waiting=["a"], new=2), "2 new files in data/raw"),
    ],
)
def test_what_is_pending_can_be_said_in_a_sentence(found, sentence):
    assert found.sentence("data/raw") == sentence
