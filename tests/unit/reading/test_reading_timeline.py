"""The timeline of a run, fed with its events."""

from __future__ import annotations

from pipekit import Event
from pipekit.reading import RUNNING, Timeline


def fed(*events):
    timeline = Timeline()
    for number, (stage, kind, data) in enumerate(events, 1):
        at = f"2026-11-28T10:00:{number:02}+00:00"
        timeline.add(Event("r", number, stage, kind, at, data.pop("msg", ""), data))
    return timeline


def test_stages_have_tasks_and_tasks_have_units():
    timeline = fed(
        ("pipeline", "start", {"stages": ["a", "b"]}),
        ("a", "start", {"tasks": ["one"]}),
        ("a", "task_start", {"task": "one", "attempt": 2}),
        ("a", "unit_start", {"task": "one", "unit": "ES"}),
        ("a", "progress", {"task": "one", "unit": "ES", "done": 3, "total": 10}),
    )
    (stage,) = timeline.stages
    (task,) = stage.bars
    (unit,) = task.bars
    assert timeline.planned == ("a", "b")
    assert (task.attempt, unit.name, unit.status, unit.done, unit.total) == (
        2,
        "ES",
        RUNNING,
        3,
        10,
    )
    assert [tuple(bar.name for bar in path) for path in timeline.running()] == [("a", "one", "ES")]
    assert unit.began - timeline.began == 3


def test_what_ends_ends_what_had_begun_in_it():
    timeline = fed(
        ("a", "start", {}),
        ("a", "task_start", {"task": "one"}),
        ("a", "unit_start", {"task": "one", "unit": "ES"}),
        ("a", "task_end", {"task": "one", "status": "failure", "msg": "one: exited with code 7"}),
        ("a", "failure", {"error": "one: exited with code 7"}),
        ("pipeline", "failure", {}),
    )
    (stage,) = timeline.stages
    (unit,) = stage.bars[0].bars
    assert (stage.status, stage.bars[0].status, unit.status) == ("failure",) * 3
    assert stage.bars[0].reason == "exited with code 7"
    assert timeline.status == "failure"
    assert list(timeline.running()) == []


def test_a_unit_that_only_ended_and_a_stage_that_was_skipped_are_there():
    timeline = fed(
        ("a", "task_start", {"task": "one"}),
        ("a", "unit_end", {"task": "one", "unit": "ES", "status": "success"}),
        ("b", "skipped", {"reason": "nothing new", "duration": 1.0}),
    )
    first, second = timeline.stages
    assert first.bars[0].bars[0].status == "success"
    assert (second.status, second.reason, second.ended - second.began) == (
        "skipped",
        "nothing new",
        1,
    )


def test_the_memory_of_a_run_with_very_many_units_is_bounded():
    units = [("a", "unit_start", {"task": "one", "unit": str(n)}) for n in range(2_500)]
    timeline = Timeline()
    for stage, kind, data in [("a", "task_start", {"task": "one"}), *units]:
        timeline.add(Event("r", 1, stage, kind, "2026-11-28T10:00:00+00:00", "", data))
    assert len(timeline.stages[0].bars[0].bars) == 1_999
    assert timeline.left_out == 501


def test_events_of_another_version_do_no_harm():
    timeline = fed(
        ("a", "unheard_of", {"task": ["x"]}),
        ("../x", "start", {}),
        ("a", "task_end", {"task": "never began", "status": 5}),
        ("a", "progress", {"task": "one", "done": "many"}),
    )
    assert [stage.name for stage in timeline.stages] == ["a"]
