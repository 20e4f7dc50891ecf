"""Time stamps of every format that a source can write, and what is refused."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import numpy as np
import pytest
from pipekit_translator.dialects import InstrumentRule
from pipekit_translator.settings import Settings
from pipekit_translator.sources import Source
from pipekit_translator.work.parse.parser import Parser


def source(format: str, timezone: str = "UTC", **more: Any) -> Source:
    given: dict[str, Any] = {
        "separator": ";",
        "header": False,
        "columns": ("timestamp", "open", "high", "low", "close", "volume"),
        "instrument": InstrumentRule(constant="ES"),
        **more,
    }
    return Source(glob="*", timestamp_format=format, timezone=timezone, **given)


def read(stamps: list[str], wanted: Source) -> list[str]:
    """The time in UTC of each stamp, or why it is none."""
    values = "1" if wanted.columns[1:] == ("price", "volume") else "1;1;1;1"
    text = "".join(f"{stamp};{values};5\n" for stamp in stamps)
    format = Settings(earliest="1900-01-01", latest="2100-01-01").format(wanted, accepted=True)
    found = Parser(format, "ES.txt", {}).feed(text.encode(), 1)
    said = {row.line: row.reason for row in found.bad}
    unit = "ns" if format.series_read.grouped else "us"
    for table, numbers in found.tables.values():
        times = [str(np.datetime64(time, unit)) for time in table.time.tolist()]
        said |= {
            line: time.rstrip("0").rstrip(".") if "." in time else time
            for line, time in zip(numbers.tolist(), times, strict=True)
        }
    return [re.sub(r"(T\d\d:\d\d):00$", r"\1", said[line]) for line in sorted(said)]


HALF_PAST_TWO = "2024-01-02T14:30"
READ = [
    ("%Y-%m-%d %H:%M:%S", "2024-1-2 14:30:00"),
    ("%Y/%m/%d %H:%M:%S", ' "2024/01/2 14:30:0" '),
    ("%Y-%m-%d %H:%M:%S", '"2024-01-02   14:30:00"'),
    ("%m/%d/%Y %I:%M:%S %p", "01/02/2024 02:30:00 PM"),
    ("%m/%d/%Y %I:%M %p", "1/2/2024 2:30 pm"),
    ("%d-%b-%y %H:%M", "02-JAN-24 14:30"),
    ("%d%b%Y %H:%M", "2Jan2024 14:30"),
    ("%Y%m%d %H%M", "20240102 1430"),
    ("%d.%m.%Y %H:%M:%S.%f", "02.01.2024 14:30:00.0"),
    ("%Y-%m-%dT%H:%M:%S%z", "2024-01-02T14:30:00Z"),
    ("%Y-%m-%d %H:%M:%S%z", "2024-01-02 09:30:00-05:00"),
    ("%Y-%m-%d %H:%M:%S %z", "2024-01-02 20:00:00 +0530"),
    ("%Y-%m-%d %H:%M:%S%z", "2024-01-02 15:30:00+01"),
    ("%Y-%m-%d %H:%M:%S+02:00", "2024-01-02 16:30:00+02:00"),
    ("epoch_s", "1704205800"),
    ("epoch_s", '"1704205800.000"'),
    ("epoch_ms", "1704205800000"),
    ("epoch_us", "1704205800000000"),
    ("epoch_ns", "1704205800000000000"),
]


@pytest.mark.parametrize(("format", "text"), READ)
def test_each_format_reads_its_time(format: str, text: str) -> None:
    timezone = "" if "+02:00" in format else "UTC"
    assert read([text], source(format, timezone)) == [HALF_PAST_TWO]


def test_offsets_are_read_row_by_row() -> None:
    """Two seasons in one file, and a zone setting that the offsets overrule."""
    wanted = source("%Y-%m-%d %H:%M:%S%z", "America/New_York")
    rows = ["2026-03-06 09:30:00-05:00", "2026-03-09 09:30:00-04:00", "2026-03-09 13:30:00Z"]
    assert read(rows, wanted) == ["2026-03-06T14:30", "2026-03-09T13:30", "2026-03-09T13:30"]


@pytest.mark.parametrize("ticks", [False, True])
def test_a_time_in_one_number_may_lack_its_leading_zeros(ticks: bool) -> None:
    """Of bars only where the seconds are 00: 930 would be an hour and a minute elsewhere."""
    given = {"columns": ("timestamp", "price", "volume")} if ticks else {}
    wanted = source("%Y%m%d %H%M%S", **given)
    stamps = ["20240102 93000", "20240102 0", "20240102 100", "20240102 930"]
    *times, last = read(stamps, wanted)
    assert times == ["2024-01-02T09:30", "2024-01-02T00:00", "2024-01-02T00:01"]
    assert last == (
        "2024-01-02T00:09:30" if ticks else "the time stamp is not %Y%m%d %H%M%S: '20240102 930'"
    )


@pytest.mark.parametrize(
    ("hour", "half", "clock"), [(12, "AM", 0), (1, "AM", 1), (12, "PM", 12), (11, "PM", 23)]
)
def test_noon_and_midnight_are_twelve(hour: int, half: str, clock: int) -> None:
    stamp = f"2024-01-02 {hour}:00 {half}"
    assert read([stamp], source("%Y-%m-%d %I:%M %p")) == [f"2024-01-02T{clock:02}:00"]


def test_two_digits_of_a_year_are_those_of_strptime() -> None:
    days = [f"01/02/{year:02}" for year in range(100)]
    expected = [dt.datetime.strptime(day, "%m/%d/%y").strftime("%Y-%m-%dT09:30") for day in days]
    assert read([f"{day} 09:30" for day in days], source("%m/%d/%y %H:%M")) == expected


def test_epochs_are_exact_to_their_last_digit() -> None:
    ticks = {"columns": ("timestamp", "price", "volume")}
    assert read(["1704205800.123456789"], source("epoch_s", **ticks)) == [
        "2024-01-02T14:30:00.123456789"
    ]
    assert read(["1704205800123.4567891"], source("epoch_ms", **ticks)) == [
        "2024-01-02T14:30:00.123456789"
    ]
    (reason,) = read(["-1"], source("epoch_ns", **ticks))
    assert reason.startswith("the time stamp is in 1970, so it does not count epoch_ns")


BAD = [
    ("%Y-%m-%d %H:%M:%S", "2024-01-02 14:30"),
    ("%Y-%m-%d %H:%M:%S", "2024-01-02 14:30:000"),
    ("%Y-%m-%d %H:%M:%S", "24-01-02 14:30:00"),
    ("%Y-%m-%d %H:%M:%S", "2024-001-02 14:30:00"),
    ("%Y-%m-%d %H:%M:%S", ""),
    ("%Y-%m-%d %H:%M:%S", '"2024-01-02 14:30:00'),
    ("%Y%m%d %H%M%S", "2024012 143000"),
    ("%Y%m%d %H%M%S", "20240102 0143000"),
    ("%Y-%m-%d %I:%M %p", "2024-01-02 13:30 PM"),
    ("%Y-%m-%d %I:%M %p", "2024-01-02 00:30 AM"),
    ("%Y-%m-%d %I:%M %p", "2024-01-02 01:30 XM"),
    ("%Y-%m-%d %I:%M %p", "2024-01-02 01:30"),
    ("%d-%b-%Y %H:%M", "02-Jam-2024 14:30"),
    ("%d-%b-%Y %H:%M", "02-January-2024 14:30"),
    ("%Y-%m-%d %H:%M%z", "2024-01-02 14:30"),
    ("%Y-%m-%d %H:%M%z", "2024-01-02 14:30+0:00"),
    ("%Y-%m-%d %H:%M%z", "2024-01-02 14:30+15:00"),
    ("%Y-%m-%d %H:%M%z", "2024-01-02 14:30+01:60"),
    ("%Y-%m-%d %H:%M%z", "2024-01-02 14:30+01:0"),
    ("epoch_s", "1704205800000"),
    ("epoch_s", "1.7042058e9"),
    ("epoch_s", "1704205800."),
    ("epoch_ms", "99999999999999999999"),
    ("epoch_ms", "1704205800"),
    ("epoch_ns", "1704205800000"),
]


@pytest.mark.parametrize(("format", "text"), BAD)
def test_a_stamp_of_another_form_is_set_aside_and_shown(format: str, text: str) -> None:
    wanted = source(format)
    if format.startswith("epoch") and len(text) in (10, 13) and text.isdigit():
        (reason,) = read([text], wanted)
        assert reason.startswith("the time stamp is ")
        return
    assert read([text], wanted) == [f"the time stamp is not {format}: {text!r}"]


REFUSED = {
    "%I needs %p": {"format": "%Y-%m-%d %I:%M"},
    "%p needs %I": {"format": "%Y-%m-%d %H:%M %p"},
    "'PM' is the same in each row": {"format": "%Y-%m-%d %I:%M PM"},
    "'a.m.' is the same in each row": {"format": "%Y-%m-%d %H:%M a.m."},
    "a part is written twice": {"format": "%Y-%m-%d %H:%M:%S %S"},
    "for %m write one %m or %b": {"format": "%Y-%m-%b-%d %H:%M"},
    "for %Y write one %Y or %y": {"format": "%m-%d %H:%M"},
    "%B is not supported": {"format": "%d %B %Y %H:%M"},
    "%- is not supported": {"format": "%Y-%-m-%d %H:%M"},
    "% is not supported": {"format": "%Y-%m-%d %H:%M%"},
    "%f beside another number": {"format": "%Y-%m-%d %H:%M:%S%f"},
    "needs one column": {
        "format": "epoch_s",
        "columns": ("date", "time", "open", "high", "low", "close", "volume"),
    },
    "are UTC, but timezone is 'America/New_York': leave timezone out, or write %z": {
        "format": "%Y-%m-%d %H:%M:%S+00:00", "timezone": "America/New_York",
    },
    "are -05:00, but timezone is 'America/New_York'": {
        "format": "%Y-%m-%d %H:%M:%S-0500", "timezone": "America/New_York",
    },
    "are UTC, but timezone is 'Europe/London'": {
        "format": "%Y-%m-%dT%H:%M:%SZ", "timezone": "Europe/London",
    },
    "are UTC, but timezone is 'Asia/Tokyo': leave timezone out$": {
        "format": "epoch_ms", "timezone": "Asia/Tokyo",
    },
    "are US/Eastern, but timezone is 'US/Central'": {
        "format": "%Y%m%d %H:%M:%S US/Eastern", "timezone": "US/Central",
    },
    "are UTC, but timezone is '.01:00'": {
        "format": "%Y%m%d %H:%M:%S GMT", "timezone": "+01:00",
    },
    "'.2:00' is not in the tz database": {"timezone": "+2:00"},
    "an offset is between": {"timezone": "+15:00"},
    "'Mars/Olympus.02:00' is not in the tz database": {"timezone": "Mars/Olympus+02:00"},
    "have no time zone": {"timezone": ""},
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSED)
def test_a_format_that_could_be_read_wrongly_is_refused(words: str) -> None:
    given = {"format": "%Y-%m-%d %H:%M", **REFUSED[words]}
    with pytest.raises(ValueError, match=words):
        source(**given)


@pytest.mark.parametrize(
    ("format", "timezone"),
    [
        ("%Y-%m-%d %H:%M:%S-04:00", "Etc/GMT+4"),
        ("%Y-%m-%d %H:%M:%S-04:00", "-04:00"),
        ("%Y-%m-%d %H:%M:%S-04:00", ""),
        ("%Y-%m-%d %H:%M:%S US/Eastern", "America/New_York"),
        ("%Y-%m-%d %H:%M:%S US/Eastern", ""),
    ],
)
def test_a_stated_zone_may_be_said_twice_or_once(format: str, timezone: str) -> None:
    tail = format.removeprefix("%Y-%m-%d %H:%M:%S")
    times = read([f"2024-07-24 09:30:00{tail}"], source(format, timezone))
    assert times == ["2024-07-24T13:30"]


def test_date_and_time_in_two_columns_may_hold_spaces() -> None:
    """The first space after the whole date divides their formats."""
    columns = ("date", "time", "open", "high", "low", "close", "volume")
    wanted = source("%d %b %Y %I:%M %p", columns=columns)
    assert read(["2 Jan 2024;2:30 PM"], wanted) == [HALF_PAST_TWO]


@pytest.mark.parametrize(
    ("timezone", "stamp", "utc"),
    [
        ("+02:00", "2024-07-02 16:30", "2024-07-02T14:30"),
        ("-03:30", "2024-07-02 11:00", "2024-07-02T14:30"),
        ("America/New_York+07:00", "2024-03-12 16:30", "2024-03-12T13:30"),
        ("America/New_York+07:00", "2024-03-05 16:30", "2024-03-05T14:30"),
        ("America/New_York+07:00", "2024-11-03 08:30", "2024-11-03T05:30"),
    ],
)
def test_offsets_and_shifted_zones(timezone: str, stamp: str, utc: str) -> None:
    assert read([stamp], source("%Y-%m-%d %H:%M", timezone)) == [utc]


def test_a_shifted_zone_has_the_clock_changes_of_its_zone() -> None:
    """The hour that New York repeats is 08:00 there; the one that it skips does not exist."""
    wanted = source("%Y-%m-%d %H:%M", "America/New_York+07:00")
    rows = ["2024-11-03 08:30", "2024-11-03 08:00", "2024-11-03 09:00"]
    assert read(rows, wanted) == ["2024-11-03T05:30", "2024-11-03T06:00", "2024-11-03T07:00"]
    assert read(["2024-03-10 09:30"], wanted) == [
        "this time does not exist in America/New_York+07:00"
    ]
