"""What is known of a file: of each stage, in both directions, and whether it may go."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from pipekit.config.tables import LifecycleConfig
from pipekit.model.file import Consumption, ContentState, Input, Why
from pipekit.model.policy import ActionKind, FileAction
from pipekit.model.specs import LifecyclePolicy
from pipekit.model.stage import StagePlan
from pipekit.run.decision import CannotPlan, Skip
from pipekit.run.lifecycle.permission import may_go
from pipekit.run.trace import State, trace


@pytest.fixture
def take(ledger):
    """A stage's worker reports these files, in a run of its own."""

    def commit(stage, *records):
        number = ledger.begin_run(f"run-{len(ledger.runs(limit=999))}", time.time())
        ledger.commit(stage, "1", number, records, {}, "s")
        return number

    return commit


@pytest.fixture
def look(ledger, files):
    """The trace of a file; `plans`: of stages, or why they cannot be planned."""

    def traced(path, patterns=("in/**",), **plans):
        decisions = {
            name: CannotPlan(stage=name, reason=plan)
            if isinstance(plan, str)
            else Skip(stage=name, reason="", plan=plan, patterns=patterns)
            for name, plan in plans.items()
        }
        return trace(path, files.stat(path), ledger, decisions)

    return traced


def nothing(**more):
    return StagePlan(reason="", **more)


def states(found):
    return {each.stage: each.state for each in found.stages}


def test_a_file_that_a_plan_has_among_its_inputs_is_pending(look, put, files):
    put("in/a")
    item = Input(files.stat("in/a"), Why.NEW, "s")
    found = look("in/a", one=nothing(inputs=[item]))
    assert [(each.state, each.why) for each in found.stages] == [(State.PENDING, Why.NEW)]


def test_a_file_that_a_plan_leaves_for_later_waits(look, put):
    put("in/a")
    assert states(look("in/a", one=nothing(waiting=["in/a"]))) == {"one": State.WAITING}


@pytest.mark.parametrize(
    ("verb", "more", "state"),
    [
        ("consumed", {}, State.CONSUMED),
        ("consumed", {"complete": False}, State.PART),
        ("rejected", {"reason": "torn"}, State.REJECTED),
    ],
)
def test_what_a_stage_did_with_the_content_as_it_is(look, put, take, reported, verb, more, state):
    put("in/a")
    number = take("one", reported(verb, "in/a", **more))
    (each,) = look("in/a", one=nothing()).stages
    assert (each.state, each.last.run_number) == (state, number)
    assert each.last.reason == more.get("reason", "")


def test_a_file_that_is_gone_has_its_last_state(look, put, take, reported, files):
    put("in/a")
    take("one", reported("consumed", "in/a"))
    (files.root / "in/a").unlink()
    found = look("in/a", one=nothing())
    assert (found.file, states(found), found.is_known) == (None, {"one": State.CONSUMED}, True)


def test_another_content_that_no_plan_wants_has_changed_since(look, put, take, reported):
    put("in/a")
    take("one", reported("consumed", "in/a"))
    put("in/a", "another one")
    assert states(look("in/a", one=nothing())) == {"one": State.CHANGED}


def test_a_stage_that_cannot_be_planned_or_is_not_configured_has_its_past(
    look, put, take, reported
):
    put("in/a")
    for stage in ("one", "old"):
        take(stage, reported("consumed", "in/a"))
    found = look("in/a", one="its plan raised KeyError")
    assert {each.stage: each.problem for each in found.stages} == {
        "one": "its plan raised KeyError",
        "old": "",
    }


def test_a_stage_that_finds_a_file_and_wants_nothing_of_it_leaves_it_alone(look, put):
    put("in/a")
    found = look("in/a", one=nothing(warnings=["no source matches in/a", "else"]))
    assert (states(found), found.is_known) == ({"one": State.LEFT}, False)
    assert found.stages[0].warnings == ("no source matches in/a",)


# --- its relatives --------------------------------------------------------------------------------


@pytest.fixture
def family(put, take, reported):
    """in/a, in/b → mid/0 and mid/1 → out/0 → far/0, by the stages one to three and `far`."""
    steps = [
        ("one", ("in/a", "in/b"), ("mid/0", "mid/1")),
        ("two", ("mid/0", "mid/1"), ("out/0",)),
        ("three", ("out/0",), ("far/0",)),
        ("four", ("far/0",), ("end/0", "end/1")),
    ]
    put("in/a")
    put("in/b")
    for stage, sources, outputs in steps:
        for path in outputs:
            put(path)
        wrote = [reported("wrote", path, sources=sources) for path in outputs]
        take(stage, *(reported("consumed", path) for path in sources), *wrote)


def named(relatives):
    return [[(each.stage, each.path) for each in step] for step in relatives.steps]


def test_two_steps_are_named_and_further_ones_counted(look, family):
    found = look("in/a").made
    assert named(found) == [[("one", "mid/0"), ("one", "mid/1")], [("two", "out/0")]]
    assert found.further == {"three": 1, "four": 2}


def test_the_way_back_ends_at_files_that_no_stage_wrote(look, family):
    found = look("far/0").sources
    assert named(found) == [[("two", "out/0")], [("one", "mid/0"), ("one", "mid/1")]]
    assert found.further == {"": 2}


def test_the_newest_come_first(look, put, take, reported):
    put("in/a")
    for name in ("a", "b"):
        put(name)
        take("one", reported("wrote", name, sources=["in/a"]))
    assert named(look("in/a").made) == [[("one", "b"), ("one", "a")]]


def test_a_stage_that_reads_what_it_writes_ends_the_search(look, put, take, reported):
    put("x")
    put("y")
    take("one", reported("wrote", "y", sources=["x"]), reported("wrote", "x", sources=["y"]))
    assert named(look("x").made) == [[("one", "y")]]


def test_a_published_file_that_something_else_changed_is_noticed(look, family, put):
    assert look("mid/0").is_as_published
    put("mid/0", "edited")
    found = look("mid/0")
    assert (found.is_as_published, list(found.published)) == (False, ["one"])


# --- a file that no stage reads -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "pattern", "said"),
    [
        ("raw/ES.CSV", "raw/*.csv", "upper and lower case differ"),
        ("raw/ES.txt", "raw/*.csv", "the folder fits, but not the name"),
        ("rwa/ES.csv", "raw/*.csv", "the name fits, but the folder is rwa"),
        ("ES.csv", "raw/*.csv", "the name fits, but the folder is that of the project"),
        ("raw/.ES.csv", "raw/*.csv", "names that begin with a dot are never read"),
    ],
)
def test_the_pattern_that_nearly_matches_is_named(look, put, path, pattern, said):
    put(path)
    near = look(path, patterns=(pattern, "elsewhere/x", "raw/**/*"), one=nothing()).near
    assert [tuple(each) for each in near] == [("one", pattern, said)]


def test_a_file_that_is_not_there_would_be_read(look):
    near = look("raw/ES.csv", patterns=("raw/*.csv", "raw2/*.csv"), one=nothing()).near
    assert [each.difference for each in near] == ["it would be read"]


# --- whether it may go ----------------------------------------------------------------------------


@pytest.fixture
def decide(files, ledger, tmp_path):
    """What is said of `in/a`; `propose`: what the only policy does with its view."""

    def decided(propose=None, **more):
        policies = [(LifecyclePolicy("mine", lambda view, _: propose(view)), None)]
        project = SimpleNamespace(
            policies=policies if propose else [],
            files=files,
            paths=SimpleNamespace(state=tmp_path),
            configuration=SimpleNamespace(lifecycle=LifecycleConfig(roots=("in",))),
        )
        decisions = {"one": Skip(stage="one", reason="", plan=nothing(**more))}
        return may_go(project, ledger, decisions, "in/a")

    return decided


def delete(view):
    yield FileAction(kind=ActionKind.DELETE, path="in/a", reason="old enough")


def test_a_file_that_a_policy_proposes_and_the_core_allows_may_go(decide, put):
    put("in/a")
    found = decide(delete)
    assert (found.allowed, found.reasons, found.policy) == (True, ("old enough",), "mine")


def test_a_file_that_the_core_refuses_stays(decide, put):
    put("in/a")
    found = decide(delete, holds=["in/a"])
    assert (found.allowed, found.reasons) == (False, ("one will read it again",))


def test_why_the_policy_leaves_the_file_is_the_reason(decide, put):
    def leave(view):
        for file in view.files("in/*"):
            view.leave(file, f"{file.path} is too young")
        return ()

    put("in/a")
    put("in/b")
    assert decide(leave).reasons == ("in/a is too young",)


def test_a_file_that_no_policy_is_about_stays(decide, put):
    put("in/a")
    assert decide().reasons == ("no policy is configured: see [[lifecycle.rules]]",)
    assert decide(lambda view: ()).reasons == ("no lifecycle policy proposes it",)


def test_a_consumption_of_a_later_pipekit_is_read(look, ledger, put, take, reported):
    """Keys of `detail` that this version does not know do no harm."""
    put("in/a")
    take("one", reported("consumed", "in/a", detail={"span": 7}))
    (each,) = look("in/a", one=nothing()).stages
    assert isinstance(each.last, Consumption)
    assert each.last.state is ContentState.CONSUMED
