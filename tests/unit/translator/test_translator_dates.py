"""Dates that cannot be: set aside, and never left behind in what is published."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pipekit_translator import bounds, layout
from pipekit_translator.settings import Settings
from pipekit_translator.work.read.astray import Astray
from pipekit_translator.work.table import Table

EXPORT = "data/raw/DataExport_ES_20240110_000500_UTC.csv"
VALUES = "10,12,9,11,5"


def minutes(count: int, day: str = "2024-01-09") -> list[str]:
    return [f"{day} {8 + at // 60:02}:{at % 60:02},{VALUES}" for at in range(count)]


@pytest.mark.parametrize("date", ["9999-01-09", "0001-01-09", "2025-01-09", "2023-01-09"])
@pytest.mark.parametrize("at", [0, 15, 30])
def test_one_row_of_another_year_is_set_aside(
    project: Any, export: Any, date: str, at: int
) -> None:
    rows = minutes(30)
    project.write(EXPORT, export(*rows[:at], f"{date} 08:00,{VALUES}", *rows[at:]))
    run = project.run()
    assert [path[-15:] for path in project.tree()] == ["2024-01.parquet"]
    assert len(project.rows("ES", "2024-01")) == 30
    (row,) = project.quarantine()
    assert row["line"] == at + 2
    assert "the date is" in row["reason"]
    assert date in row["text"]
    assert "1 row set aside" in run.warnings


def test_few_rows_far_from_each_other_are_kept(project: Any, export: Any) -> None:
    """Which of them is wrong cannot be known."""
    days = ("2022-01-10", "2022-12-10", "2023-12-10")
    project.write(EXPORT, export(*(f"{day} 08:00,{VALUES}" for day in days)))
    project.run()
    assert len(project.tree()) == 3
    assert not project.quarantine()


def test_settings_say_which_dates_are_plausible(project: Any, export: Any) -> None:
    project.write(EXPORT, export(*minutes(1), f"2024-01-11 08:00,{VALUES}"))
    project.run(Settings(earliest="2024-01-10"))
    assert project.times("ES", "2024-01") == ["2024-01-11T08:00"]
    assert project.quarantine()[0]["reason"] == "the date is before earliest = '2024-01-10'"
    project.run(Settings(latest="2024-01-10"))
    assert project.times("ES", "2024-01") == ["2024-01-09T08:00"]
    assert project.quarantine()[0]["reason"] == "the date is after latest = '2024-01-10'"


def test_any_distance_is_allowed_if_it_is_0(project: Any, export: Any) -> None:
    project.write(EXPORT, export(*minutes(20), f"2023-01-09 08:00,{VALUES}"))
    project.run(Settings(max_distance=0))
    assert len(project.tree()) == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("now", 90000), ("now + 2d", 262800), ("now-1h", 86400), ("1970-01-03", 172800)],
)
def test_bounds_are_dates_or_relative_to_now(text: str, seconds: float) -> None:
    assert bounds.instant(text, 90000) == seconds


def test_a_bound_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^invalid date 'tomorrow': write for example"):
        Settings(latest="tomorrow")


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_blocks_make_no_difference(block: int) -> None:
    day = 86_400
    time = np.concatenate([np.arange(40), [400 * day], np.arange(40, 60), [-400 * day]])
    astray, kept = Astray(180 * day), []
    lines = np.arange(len(time))
    for at in range(0, len(time), block):
        part = slice(at, at + block)
        table = Table(time[part], (), np.zeros(len(time[part]), np.int64))
        kept += [row for _, rows in astray.feed(table, lines[part]) for row in rows.tolist()]
    kept += [row for _, rows in astray.finish() for row in rows.tolist()]
    assert astray.lines == [40, 61]
    assert kept == [at for at in range(62) if at not in (40, 61)]


def test_a_file_that_goes_on_after_years_is_kept(project: Any, export: Any) -> None:
    project.write(EXPORT, export(*minutes(20, "2022-01-10"), *minutes(20, "2023-01-10")))
    project.run()
    assert len(project.tree()) == 2
    assert not project.quarantine()


def test_rebuild_ends_in_what_the_present_files_say(project: Any, export: Any) -> None:
    """A wrong month that an earlier content of the file has left is emptied."""
    project.write(EXPORT, export(*minutes(3), *minutes(3, "2024-03-09")), age=9000)
    project.run()
    project.write(EXPORT, export(*minutes(3)), age=8000)
    project.run()
    assert len(project.times("ES", "2024-03")) == 3
    project.run(rebuild=True, force=True)
    assert project.times("ES", "2024-03") == []
    assert len(project.times("ES", "2024-01")) == 3


def test_rebuild_keeps_the_days_that_no_known_file_fed(project: Any, export: Any) -> None:
    """A ledger that was lost has forgotten them; their raw files may be gone since, as they may."""
    project.write(EXPORT, export(*minutes(3), *minutes(3, "2024-03-09")), age=9000)
    project.run()
    project.write(EXPORT, export(*minutes(3)), age=8000)
    project.run()
    project.known[EXPORT].detail["days"].pop("ES")
    project.known[EXPORT].detail["days"]["ES"] = {"2024-01": 1 << 9}
    project.run(rebuild=True, force=True)
    assert len(project.times("ES", "2024-03")) == 3


def test_months_have_the_days_of_the_calendar() -> None:
    assert layout.days_of("2024-02") == {"2024-02": sum(1 << day for day in range(1, 30))}
    assert layout.days_of("2023-12-31") == {"2023-12": 1 << 31}


def test_rebuild_keeps_the_days_of_files_that_are_gone(project: Any, export: Any) -> None:
    other = "data/raw/DataExport_ES_20240310_000500_UTC.csv"
    project.write(EXPORT, export(*minutes(3)))
    gone = project.write(other, export(*minutes(3, "2024-03-09")))
    project.run()
    gone.unlink()
    project.run(rebuild=True, force=True)
    assert len(project.times("ES", "2024-03")) == 3
