"""Cases of time stamps and time zones, with the settings that say what they are."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest


def test_09_broker_time_is_new_york_and_seven_hours(case: Any) -> None:
    here = case("09").set(timezone='"America/New_York+07:00"')
    here.run().same(here.expected())


def test_13_month_and_day_without_zeros(case: Any) -> None:
    ended = case("13").run()
    rows = ended.rows("ES")
    first = dt.datetime(2008, 5, 4, 22, tzinfo=dt.UTC)
    assert ended.code == 0, ended.output
    assert [row["timestamp"] for row in rows] == [
        first + dt.timedelta(minutes=at) for at in range(300)
    ]
    assert list(rows[0].values())[1:6] == [1413.5, 1414.25, 1412.75, 1413.75, 141]


def test_13b_blanks_after_commas(case: Any) -> None:
    ended = case("13b").run()
    assert ended.code == 0, ended.output
    assert len(ended.rows("ES")) == 300
    assert f"{ended.rows('ES')[0]['timestamp']:%Y-%m-%d %H:%M}" == "2024-11-12 22:00"


def test_17b_offsets_of_two_seasons(case: Any) -> None:
    here = case("17b").set(timestamp_format='"%Y-%m-%d %H:%M:%S%z"')
    here.run().same(here.expected())


def test_38c_am_and_pm(case: Any) -> None:
    ended = case("38c").run()
    rows = ended.rows("ES")
    assert ended.code == 0, ended.output
    assert len(rows) == 300
    assert f"{rows[0]['timestamp']:%H:%M}" == "14:30"


def test_46_an_offset_against_the_zone_is_refused(case: Any) -> None:
    here = case("46")
    ended = here.run()
    assert ended.code == 3
    assert "says that the time stamps are UTC, but timezone is 'America/New_York'" in ended.output
    here.set(timezone="").run().same(here.expected())


@pytest.mark.parametrize("number", ["17b"])
def test_an_offset_written_for_one_season_is_refused(case: Any, number: str) -> None:
    ended = case(number).run()
    assert ended.code == 3
    assert "write %z for an offset that is read in each row" in " ".join(ended.output.split())
