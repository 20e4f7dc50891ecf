"""Local times to instants: the doubled hour, the missing hour, bars stamped with their close."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from pipekit_translator.settings import Settings, Source
from pipekit_translator.work import zones
from pipekit_translator.work.passes import Fold
from pipekit_translator.work.table import Table
from pipekit_translator.work.zones import Zone

EXPORT = "data/raw/DataExport_ES_20200107_000500_UTC.csv"
CHICAGO = Settings(
    sources=(Source(glob="data/raw/*.csv", dialect="A", timezone="America/Chicago"),)
)
VALUES = "10,12,9,11,5"


def seconds(*texts: str) -> Any:
    utc = [dt.datetime.fromisoformat(f"{text}+00:00").timestamp() for text in texts]
    return np.array(utc, np.int64)


def rows_at(local: Any) -> Table:
    """Rows that differ in all but their time."""
    return Table(local, (), np.arange(len(local)))


def test_the_doubled_hour_of_autumn_is_two_hours(project: Any, export: Any) -> None:
    """In file order the first pass is daylight saving time, the second is not."""
    clock = ["00:59", "01:00", "01:30", "01:59", "01:00", "01:30", "01:59", "02:00"]
    project.write(EXPORT, export(*(f"2020-11-01 {at},{VALUES}" for at in clock)))
    run = project.run(CHICAGO)
    assert [time[11:] for time in project.times("ES", "2020-11")] == [
        "05:59", "06:00", "06:30", "06:59", "07:00", "07:30", "07:59", "08:00",
    ]  # fmt: skip
    assert run.metrics("ES")["duplicates"] == 0


def test_the_doubled_hour_is_kept_apart_for_each_instrument(project: Any, export: Any) -> None:
    hour = ("01:00", "01:01", "01:30")
    rows = [(clock, name) for clock in hour * 2 for name in ("ES", "NQ")]
    lines = [export(f"2020-11-01 {at},{VALUES}", instrument=name) for at, name in rows]
    project.write(EXPORT, lines[0] + "".join(line.split("\r\n", 1)[1] for line in lines[1:]))
    project.run(CHICAGO)
    for name in ("ES", "NQ"):
        assert [time[11:] for time in project.times(name, "2020-11")] == [
            "06:00", "06:01", "06:30", "07:00", "07:01", "07:30",
        ]  # fmt: skip


def test_a_growing_file_remembers_where_in_the_doubled_hour_it_was(
    project: Any, export: Any
) -> None:
    source = Source(glob="data/raw/*.csv", dialect="A", timezone="America/Chicago", growing=True)
    settings = Settings(sources=(source,))
    clock = ["01:00", "01:30", "01:00", "01:30"]
    rows = [f"2020-11-01 {at},{VALUES}" for at in clock]
    for count in (2, 3, 4):
        project.write(EXPORT, export(*rows[:count]), age=0)
        assert project.run(settings).metrics()["rows"] == (2 if count == 2 else 1)
    assert [time[11:] for time in project.times("ES", "2020-11")] == [
        "06:00", "06:30", "07:00", "07:30",
    ]  # fmt: skip


def test_a_time_of_the_missing_hour_of_spring_is_an_invalid_row(project: Any, export: Any) -> None:
    clock = ["01:59", "02:00", "02:59", "03:00"]
    project.write(EXPORT, export(*(f"2020-03-08 {at},{VALUES}" for at in clock)))
    project.run(CHICAGO)
    assert [time[11:] for time in project.times("ES", "2020-03")] == ["07:59", "08:00"]
    assert [(row["line"], row["reason"]) for row in project.quarantine()] == [
        (3, "this time does not exist in America/Chicago"),
        (4, "this time does not exist in America/Chicago"),
    ]


def test_a_close_stamp_is_shifted_back_by_a_bar_after_it_became_an_instant(project: Any) -> None:
    """Also out of the doubled hour, and over midnight into the month before."""
    settings = Settings(
        sources=(Source(glob="data/raw/*.txt", dialect="C", timezone="America/Chicago"),)
    )
    stamps = ["20201101 005900", "20201101 010000", "20201101 015900", "20201101 010000"]
    rows = "".join(f"{stamp};10;12;9;11;5\r\n" for stamp in ("20201101 000000", *stamps))
    project.write("data/raw/M2K 12-20.Last.txt", rows)
    project.run(settings)
    assert project.times("M2K", "2020-10") == ["2020-11-01T04:59"]
    assert [time[11:] for time in project.times("M2K", "2020-11")] == [
        "05:58", "05:59", "06:58", "06:59",
    ]  # fmt: skip


def test_a_month_is_that_of_the_exchanges_date(project: Any, export: Any) -> None:
    project.write(EXPORT, export(f"2020-02-01 05:59,{VALUES}", f"2020-02-01 06:00,{VALUES}"))
    project.run()
    assert project.times("ES", "2020-01") == ["2020-02-01T05:59"]
    assert project.times("ES", "2020-02") == ["2020-02-01T06:00"]


@pytest.mark.parametrize(
    "zone", ["America/Chicago", "Europe/London", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]
)
def test_every_hour_of_two_years_agrees_with_the_standard_library(zone: str) -> None:
    """Half-hour shifts of the clock included."""
    start = seconds("2019-12-31T00:00:00")[0]
    utc = start + 900 * np.arange(2 * 366 * 96)
    local = Zone(zone).local(utc)
    rule = ZoneInfo(zone)
    for instant, shown in list(zip(utc.tolist(), local.tolist(), strict=True))[::7]:
        moment = dt.datetime.fromtimestamp(instant, rule)
        assert shown == moment.replace(tzinfo=dt.UTC).timestamp()
    back, missing = Zone(zone).to_utc(rows_at(local), Fold())
    assert not missing.any()
    assert (back == utc).all()


def test_a_repeated_time_within_the_doubled_hour_is_its_second_pass() -> None:
    local = seconds("2020-11-01T01:30:00", "2020-11-01T01:30:00", "2020-11-01T01:31:00")
    utc, _ = Zone("America/Chicago").to_utc(rows_at(local), Fold())
    assert ((utc - local) // 3600).tolist() == [5, 6, 6]


def test_each_autumn_has_its_own_doubled_hour() -> None:
    days = "2019-11-03", "2020-11-01"
    local = seconds(*(f"{day}T01:{minute}:00" for day in days for minute in ("10", "10", "20")))
    utc, _ = Zone("America/Chicago").to_utc(rows_at(local), Fold())
    assert ((utc - local) // 3600).tolist() == [5, 6, 6, 5, 6, 6]


@pytest.mark.parametrize("zone", ["America/Chicago", "Europe/Moscow", "Asia/Kolkata"])
def test_work_grows_with_the_years_of_rows_not_with_their_distance(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    changes = zones._changes

    def asking(name: str, year: int) -> Any:
        asked.append(year)
        return changes(name, year)

    monkeypatch.setattr(zones, "_changes", asking)
    utc = seconds(
        "0001-06-01T00:00:00", "1985-07-01T12:00:00", "1985-12-31T23:59:00", "2011-07-01T12:00:00",
        "2020-11-01T06:30:00", "2020-11-01T07:30:00", "9998-07-01T00:00:00",
    )  # fmt: skip
    local = Zone(zone).local(utc)
    rule = ZoneInfo(zone)
    shown = [dt.datetime.fromtimestamp(at, rule) for at in utc.tolist()]
    assert local.tolist() == [at.replace(tzinfo=dt.UTC).timestamp() // 1 for at in shown]
    assert Zone(zone).to_utc(rows_at(local), Fold())[0].tolist() == utc.tolist()
    assert len(set(asked)) <= 3 * 6
