"""When scheduled runs start."""

from __future__ import annotations

import datetime as dt

import pytest

from pipekit.model.timetable import INTERVALS, Timetable, check_interval, hours_between

MONDAY = dt.datetime(2026, 6, 1)
DAY = 86_400


def clock(moment):
    return f"{dt.datetime.fromtimestamp(moment):%a %H:%M}"


@pytest.mark.parametrize("every", INTERVALS)
def test_every_day_has_the_same_starts(every):
    midnight = MONDAY.timestamp()
    starts = list(Timetable(every).starts(midnight, midnight + DAY))
    assert starts == [midnight + passed for passed in range(0, DAY, every)]


@pytest.mark.parametrize("seconds", [420, 90, 2700, 5 * 3600, 2 * DAY])
def test_an_interval_that_no_clock_face_shows_is_refused_with_those_that_do(seconds):
    with pytest.raises(
        ValueError, match=r"does not divide .* use one of 1m, 2m, .* 15m, .* 12h, 1d"
    ):
        check_interval(seconds)


@pytest.mark.parametrize(
    ("between", "hours"),
    [
        ("08:00-12:00", (8, 9, 10, 11)),
        ("22:00-02:00", (0, 1, 22, 23)),
        ("00:00-24:00", tuple(range(24))),
        ("20:00-24:00", (20, 21, 22, 23)),
        ("23:00-00:00", (23,)),
    ],
)
def test_the_end_of_between_is_no_start(between, hours):
    assert Timetable(900, between=between).hours == hours
    assert Timetable(3600, between=between).hours == hours


@pytest.mark.parametrize(
    "text", ["", "8:00-22:00", "08:30-22:00", "08:00-08:00", "24:00-02:00", "08:00-25:00", "x"]
)
def test_what_is_not_a_span_of_whole_hours_is_refused(text):
    with pytest.raises(ValueError, match="whole hours"):
        hours_between(text)


def test_long_intervals_count_from_the_beginning_of_between():
    assert Timetable(DAY, between="08:00-22:00").hours == (8,)
    assert Timetable(6 * 3600, between="08:00-22:00").hours == (8, 14, 20)
    assert Timetable(3 * 3600, between="22:00-06:00").hours == (1, 4, 22)


def test_starts_and_the_next_one_keep_to_the_days():
    table = Timetable(12 * 3600, ("mon", "fri"))
    starts = table.starts(MONDAY.timestamp(), MONDAY.timestamp() + 7 * DAY)
    assert list(map(clock, starts)) == ["Mon 00:00", "Mon 12:00", "Fri 00:00", "Fri 12:00"]
    assert clock(table.next_start(MONDAY.timestamp())) == "Mon 12:00"
    assert clock(table.next_start(MONDAY.timestamp() + DAY)) == "Fri 00:00"
    assert str(table) == "every 12h on mon, fri"
    assert str(Timetable(900, between="08:00-22:00")) == "every 15m between 08:00 and 22:00"
