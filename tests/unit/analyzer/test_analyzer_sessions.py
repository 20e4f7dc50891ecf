"""Exchange time: expiry, weekends, and days on which the clock changes."""

from __future__ import annotations

from datetime import date, time
from zoneinfo import ZoneInfo

import pytest
from pipekit_analyzer.times import parse_instant, to_datetime
from pipekit_analyzer.work.sessions import Exchange, Slot, expiry_day

SLOT = Slot("S1", time(7, 30), time(2), "{I}1")
EXCHANGE = Exchange(ZoneInfo("America/Chicago"), frozenset(range(5)), time(16), (SLOT,))


def utc(instant):
    return to_datetime(int(instant)).isoformat()[:16]


def test_friday_expires_on_monday_and_other_days_on_the_next():
    assert [expiry_day(date(2013, 10, d)).day for d in (7, 8, 9, 10, 11)] == [8, 9, 10, 11, 14]


def test_windows_are_localised_after_the_arithmetic():
    """Over a clock change the expiry keeps its time of day: a window of 71 or 73 hours."""
    spring = EXCHANGE.windows([(date(2013, 3, 8), SLOT)])
    assert [utc(edge[0]) for edge in spring] == [
        "2013-03-08T08:00",
        "2013-03-08T13:30",
        "2013-03-08T22:00",
        "2013-03-11T12:30",
    ]
    autumn = EXCHANGE.windows([(date(2013, 11, 1), SLOT)])
    assert [utc(autumn.slot[0]), utc(autumn.expiry[0])] == ["2013-11-01T12:30", "2013-11-04T13:30"]


def test_a_time_that_the_clock_skips_moves_on_by_the_gap():
    assert utc(EXCHANGE.instant(date(2013, 3, 10), time(2, 30))) == "2013-03-10T08:30"
    assert utc(EXCHANGE.instant(date(2013, 3, 10), time(3, 30))) == "2013-03-10T08:30"


def test_of_a_time_that_comes_twice_the_first_is_meant():
    assert utc(EXCHANGE.instant(date(2013, 11, 3), time(1, 30))) == "2013-11-03T06:30"


def test_a_moment_without_zone_is_refused_with_what_to_write():
    assert utc(parse_instant("2013-10-11T15:00:00-05:00")) == "2013-10-11T20:00"
    with pytest.raises(ValueError, match="end it with Z or an offset"):
        parse_instant("2013-10-11T15:00:00")
