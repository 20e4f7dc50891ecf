"""Files of which no row is valid, or too few, are never a success."""

from __future__ import annotations

from typing import Any

import pytest
from pipekit_translator.settings import Settings

GOOD = "data/raw/DataExport_ES_20200107_000500_UTC.csv"
BAD = "data/raw/DataExport_ES_20200108_000500_UTC.csv"
VALUES = "10,12,9,11,5"
ROWS = [f"2020-01-06 18:0{minute},{VALUES}" for minute in range(5)]
WRONG = [f"2020-01-07 18:0{minute},10,9,12,11,5" for minute in range(5)]  # low above high


@pytest.mark.parametrize(("count", "said"), [(5, "all 5 of its rows are"), (1, "its only row is")])
def test_a_small_file_without_a_valid_row_is_rejected(
    project: Any, export: Any, count: int, said: str
) -> None:
    """It used to be consumed, and the run a success."""
    project.write(GOOD, export(*ROWS))
    project.write(BAD, export(*WRONG[:count]))
    run = project.run()
    assert run.paths("consumed") == [GOOD]
    (rejected,) = run.all("rejected")
    assert rejected["path"] == BAD
    assert f"{said} invalid" in rejected["reason"]
    assert rejected["reason"].startswith("line 2: ")
    assert len(project.rows("ES", "2020-01")) == 5


def test_a_file_with_one_valid_row_is_consumed(project: Any, export: Any) -> None:
    project.write(BAD, export(ROWS[0], *WRONG))
    run = project.run()
    assert (run.paths("consumed"), run.failed) == ([BAD], {})
    assert run.metrics()["rows_set_aside"] == 5


@pytest.mark.parametrize(("partial_at", "partial"), [(0.8, True), (0.9, False), (0.0, True)])
def test_a_run_is_partial_from_a_share_of_rows_that_is_a_setting(
    project: Any, export: Any, partial_at: float, partial: bool
) -> None:
    """The valid rows are published all the same, and the file is consumed."""
    project.write(BAD, export(ROWS[0], *WRONG))
    project.write(GOOD, export(*ROWS))
    run = project.run(Settings(partial_at=partial_at))
    assert run.paths("consumed") == [GOOD, BAD]
    assert list(run.failed) == [BAD] * partial
    if partial:
        assert "5 of its 6 rows were set aside" in run.failed[BAD]
    assert not project.plan(Settings(partial_at=partial_at))


def test_a_file_of_implausible_rows_alone_is_partial(project: Any, export: Any) -> None:
    """Its rows are valid each, and set aside all together."""
    project.write(GOOD, export(*ROWS))
    project.write(BAD, export(*(row.replace("2020", "9998") for row in ROWS)))
    run = project.run()
    assert BAD not in run.paths("consumed") or list(run.failed) == [BAD]


def test_bad_rows_at_the_end_of_a_growing_file_do_not_reject_it(project: Any, daily: Any) -> None:
    path = "data/raw/ES/1m/2020/01/ES_1m_2020-01-06.csv"
    project.write(path, daily(*ROWS))
    project.run()
    project.write(path, daily(*ROWS, WRONG[0]))
    run = project.run()
    assert run.paths("rejected") == []
    assert len(project.rows("ES", "2020-01")) == 5


def test_whoever_accepts_any_share_gets_no_rejection_but_a_partial_run(
    project: Any, export: Any
) -> None:
    project.write(BAD, export(*WRONG))
    run = project.run(Settings(max_bad_fraction=1.0))
    assert run.paths("consumed") == [BAD]
    assert list(run.failed) == [BAD]
