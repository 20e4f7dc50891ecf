"""Statuses of runs, the order of stages, and times with their offsets."""

from __future__ import annotations

import time

import pytest

from pipekit.errors import ConfigError, UsageError
from pipekit.model.event import EventKind
from pipekit.model.quantity import iso, stamp
from pipekit.model.status import PipelineStatus, StageStatus, pipeline_status, satisfies
from pipekit.run.events import EventLogger
from pipekit.run.project import Stage, in_order, selected
from pipekit.storage.journal import Journal, RunLog

from ...journals import read_journal

EXITS = {"success": 0, "idle": 0, "partial": 1, "failure": 2, "cancelled": 130}


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ("", "idle"),
        ("skipped skipped", "idle"),
        ("success", "success"),
        ("success skipped", "success"),
        ("success partial", "partial"),
        ("partial", "partial"),
        ("partial skipped", "partial"),
        ("success failure", "partial"),
        ("success blocked", "partial"),
        ("failure", "failure"),
        ("failure blocked", "failure"),
        ("blocked", "failure"),
        ("failure skipped", "failure"),
        ("success cancelled", "cancelled"),
        ("failure cancelled", "cancelled"),
    ],
)
def test_a_run_is_what_its_stages_make_it(stages, expected):
    status = pipeline_status(map(StageStatus, stages.split()))
    assert status == expected
    assert PipelineStatus(status).exit_code == EXITS[expected]


@pytest.mark.parametrize(
    ("status", "least", "enough"),
    [
        ("success", "success", True),
        ("skipped", "success", True),
        ("partial", "success", False),
        ("partial", "partial", True),
        ("failure", "partial", False),
        ("blocked", "partial", False),
        ("cancelled", "partial", False),
        ("failure", "any", True),
    ],
)
def test_what_a_stage_needs_of_another(status, least, enough):
    assert satisfies(StageStatus(status), least) is enough


def stages(**after):
    return [
        Stage(name=n, spec=None, version="", settings=None, after=dict.fromkeys(a, "partial"))
        for n, a in after.items()
    ]


def names(found):
    return [stage.name for stage in found]


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ({"a": [], "b": [], "c": []}, "abc"),
        ({"c": [], "a": [], "b": []}, "cab"),
        ({"c": ["a"], "b": [], "a": []}, "bac"),
        ({"a": ["b"], "b": ["c"], "c": []}, "cba"),
        ({"a": [], "d": ["b", "c"], "c": ["a"], "b": ["a"]}, "acbd"),
        ({"a": ["not_configured"], "b": []}, "ab"),
    ],
)
def test_needs_come_first_and_ties_go_by_the_configured_order(configured, expected):
    assert names(in_order(stages(**configured))) == list(expected)


@pytest.mark.parametrize("configured", [{"a": ["a"]}, {"x": [], "a": ["b"], "b": ["a"]}])
def test_stages_that_need_each_other_in_a_circle_are_named(configured):
    with pytest.raises(ConfigError, match=r"circle: .*a") as caught:
        in_order(stages(**configured))
    assert "x" not in str(caught.value).rpartition(":")[2]


def test_a_part_of_the_stages_can_be_chosen_and_keeps_its_order():
    found = stages(a=[], b=[], c=[], d=[])
    assert names(selected(found, first="b", last="c")) == ["b", "c"]
    assert names(selected(found, only=["d", "a"])) == ["a", "d"]
    assert names(selected(found, only=["d", "a"], first="b")) == ["d"]
    with pytest.raises(UsageError, match="the stages are a, b, c, d"):
        selected(found, only=["e"])


# --- times --------------------------------------------------------------------------------------


@pytest.fixture
def chicago(monkeypatch):
    """This process lives in Chicago: back on 2025-11-02 at 2:00, forth on 2026-03-08 at 2:00."""
    monkeypatch.setenv("TZ", "America/Chicago")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.posix("tzset")
@pytest.mark.usefixtures("chicago")
@pytest.mark.parametrize(
    ("moment", "shown", "in_a_name"),
    [
        (1762063200, "2025-11-02T01:00:00.000-05:00", "20251102_010000"),
        (1762066800, "2025-11-02T01:00:00.000-06:00", "20251102_010000"),
        (1772956799, "2026-03-08T01:59:59.000-06:00", "20260308_015959"),
        (1772956800, "2026-03-08T03:00:00.000-05:00", "20260308_030000"),
    ],
)
def test_times_carry_the_offset_that_held_then_also_in_the_hour_that_comes_twice(
    moment, shown, in_a_name
):
    assert (iso(moment), stamp(moment)) == (shown, in_a_name)


@pytest.mark.posix("tzset")
@pytest.mark.usefixtures("chicago")
def test_events_of_the_two_hours_with_one_name_can_be_told_apart(tmp_path, monkeypatch):
    moments = iter((1762063200, 1762066800))
    monkeypatch.setattr(time, "time", lambda: next(moments))
    logger = EventLogger("r", Journal(tmp_path / "j"), RunLog(tmp_path / "l"))
    for _ in range(2):
        logger.emit("pipeline", EventKind.START)
    logger.close()
    assert [record["timestamp"] for record in read_journal(tmp_path / "j")] == [
        "2025-11-02T01:00:00.000-05:00",
        "2025-11-02T01:00:00.000-06:00",
    ]
