"""`--forget`: the days that a wrong file fed are rebuilt from the others, and it is forgotten."""

from __future__ import annotations

from typing import Any

import pytest

RIGHT = "data/raw/DataExport_ES_20200107_000500_UTC.csv"
WRONG = "data/raw/DataExport_ES_20200108_000500_UTC.csv"
VALUES = "10,12,9,11,5"
BAD = "90,92,89,91,5"
MONDAY = [f"2020-01-06 18:0{minute},{VALUES}" for minute in range(3)]
TUESDAY = [f"2020-01-07 18:0{minute},{VALUES}" for minute in range(3)]


@pytest.fixture
def wrong(project: Any, export: Any) -> Any:
    """A right file, and one that overwrites two of its bars and has a day of its own."""
    project.write(RIGHT, export(*MONDAY))
    rows = [row.replace(VALUES, BAD) for row in (*MONDAY[:2], *TUESDAY)]
    project.write(WRONG, export(*rows))
    project.run()
    assert len(project.rows("ES", "2020-01")) == 6
    return project


def lows(project: Any) -> list[float]:
    return [row[3] for row in project.rows("ES", "2020-01")]


def test_a_deleted_wrong_file_is_taken_back(wrong: Any, new_project: Any, export: Any) -> None:
    """The result is that of a project that never had it."""
    (wrong.root / WRONG).unlink()
    assert not wrong.plan()
    planned = wrong.plan(forget=(WRONG,))
    assert planned.reason == f"{WRONG} forgotten: ES 2020-01-06, ES 2020-01-07 from {RIGHT}"
    run = wrong.run(forget=(WRONG,))
    assert run.failed == {}
    assert lows(wrong) == [9.0] * 3
    assert list(wrong.known) == [RIGHT]
    never = new_project()
    never.write(RIGHT, export(*MONDAY))
    never.run()
    assert wrong.tree() == never.tree()
    assert not wrong.plan()


def test_a_replaced_wrong_file_is_read_as_a_new_one(wrong: Any, export: Any) -> None:
    wrong.write(WRONG, export(*TUESDAY[:1]))
    run = wrong.run(forget=(WRONG,))
    assert run.failed == {}
    assert lows(wrong) == [9.0] * 4
    assert wrong.known[WRONG].detail["days"] == {"ES": {"2020-01": 1 << 7}}
    assert not wrong.plan()


def test_a_day_of_which_another_file_is_gone_is_left_and_the_file_is_not_forgotten(
    wrong: Any,
) -> None:
    """Otherwise nobody could tell any more that its rows are still there."""
    for path in (RIGHT, WRONG):
        (wrong.root / path).unlink()
    run = wrong.run(forget=(WRONG,))
    assert f"not rebuilt: ES 2020-01-06, because {RIGHT} is gone" in run.warnings
    assert lows(wrong) == [89.0, 89.0, 9.0]
    assert WRONG in wrong.known
    run = wrong.run(forget=(WRONG,))
    assert WRONG in wrong.known


def test_a_file_that_alone_fed_its_days_leaves_none(project: Any, export: Any) -> None:
    project.write(WRONG, export(*TUESDAY))
    project.run()
    (project.root / WRONG).unlink()
    planned = project.plan(forget=(WRONG,))
    assert planned.reason == f"{WRONG} forgotten: ES 2020-01-07 from no other file"
    project.run(forget=(WRONG,))
    assert project.rows("ES", "2020-01") == []
    assert not project.known
    assert not project.plan()


def test_a_rejected_file_is_forgotten_too(project: Any, export: Any) -> None:
    project.write(RIGHT, export(*MONDAY))
    project.write(WRONG, "no,header\n1,2\n")
    assert project.run().paths("rejected") == [WRONG]
    (project.root / WRONG).unlink()
    project.run(forget=(WRONG,))
    assert list(project.known) == [RIGHT]


def test_days_in_a_month_that_the_lifecycle_has_removed_are_named(wrong: Any) -> None:
    (path,) = wrong.outputs
    (wrong.root / path).unlink()
    wrong.outputs[path] = wrong.outputs[path]._replace(present=False)
    (wrong.root / WRONG).unlink()
    run = wrong.run(forget=(WRONG,))
    assert "because the lifecycle has removed the processed files" in run.warnings
    assert WRONG in wrong.known


def test_what_waits_or_is_new_meanwhile_is_read_as_ever(wrong: Any, export: Any) -> None:
    (wrong.root / WRONG).unlink()
    new = "data/raw/DataExport_ES_20200109_000500_UTC.csv"
    wrong.write(new, export(*(row.replace("01-07", "01-08") for row in TUESDAY)))
    run = wrong.run(forget=(WRONG,))
    assert run.plan.reason.startswith("1 new file in data/raw; ")
    assert lows(wrong) == [9.0] * 6
    assert sorted(wrong.known) == [RIGHT, new]
