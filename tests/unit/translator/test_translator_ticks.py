"""Ticks: every one is kept, to the last digit, and a newer export replaces a time stamp."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pipekit_translator.settings import Settings, Source
from pyarrow.parquet import ParquetFile

NINJA = Source(glob="data/raw/*.Last.txt", dialect="N", timezone="UTC")
TICKS = Settings(sources=(NINJA,))
FILE = "data/raw/ES 03-20.Last.txt"
DATE = "2020-01-06"
HEADER = "Date,Time,Open,High,Low,Close,Volume,Instrument"


def tick(clock: str, price: float, volume: int = 1, date: str = "20200106") -> str:
    """A line of dialect N, a quarter point around the price: `tick("153000 1230000", 3250)`."""
    return f"{date} {clock};{price};{price - 0.25};{price + 0.25};{volume}"


def text(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def test_seven_digits_are_ten_millionths_of_a_second(project: Any) -> None:
    """1230000 is 0.123 s; ticks of one time stamp are all kept, in their order."""
    lines = [tick("153000 1230000", 3250.0, 3), tick("153000 1230000", 3250.25, 2)]
    project.write(FILE, text(*lines, tick("153000 1230001", 3250.5)))
    run = project.run(TICKS)
    assert run.failed == {}
    assert project.ticks("ES", DATE) == [
        ("2020-01-06T15:30:00.123000000", 3250.0, 3249.75, 3250.25, 3),
        ("2020-01-06T15:30:00.123000000", 3250.25, 3250.0, 3250.5, 2),
        ("2020-01-06T15:30:00.123000100", 3250.5, 3250.25, 3250.75, 1),
    ]


def test_dialect_t_has_milliseconds_and_no_quotes(project: Any) -> None:
    source = Source(glob="data/raw/*.csv", dialect="T", timezone="America/Chicago")
    rows = [f"2020-01-06,09:30:00.{ms},10.25,10.25,10.25,10.25,2.0,ES" for ms in ("007", "123")]
    project.write("data/raw/t.csv", "".join(f"{row}\r\n" for row in [HEADER, *rows]))
    project.run(Settings(sources=(source,)))
    assert project.ticks("ES", DATE) == [
        ("2020-01-06T15:30:00.007000000", 10.25, None, None, 2),
        ("2020-01-06T15:30:00.123000000", 10.25, None, None, 2),
    ]


def test_a_tick_source_can_be_given_by_its_parts(project: Any) -> None:
    """With a quote missing in a row, and one that the file does not have."""
    source = _by_parts()
    rows = ["When\tSize\tBid\tLast", "2020-04-20T18:30:00.000001Z\t4\t-37.64\t-37.63"]
    project.write("data/raw/x.tsv", text(*rows, "2020-04-20T18:30:00.000002Z\t5\t\t-37.5"))
    run = project.run(Settings(sources=(source,)))
    assert run.failed == {}
    assert project.ticks("CL", "2020-04-20") == [
        ("2020-04-20T18:30:00.000001000", -37.63, -37.64, None, 4),
        ("2020-04-20T18:30:00.000002000", -37.5, None, None, 5),
    ]


def _by_parts() -> Source:
    from pipekit_translator.dialects import InstrumentRule

    return Source(
        glob="data/raw/*.tsv",
        separator="\t",
        header=True,
        columns=("timestamp=When", "price=Last", "bid", "volume=Size"),
        timestamp_format="%Y-%m-%dT%H:%M:%S.%6fZ",
        instrument=InstrumentRule(constant="CL"),
    )


def test_a_day_is_that_of_the_exchange_and_says_what_it_holds(project: Any) -> None:
    """Six in the evening in Chicago is the next day in UTC."""
    project.write(FILE, text(tick("053000 0000000", 1), tick("063000 0000000", 2)))
    run = project.run(TICKS)
    assert [row[1] for row in project.ticks("ES", "2020-01-05")] == [1]
    assert [row[1] for row in project.ticks("ES", DATE)] == [2]
    assert json.loads(project.metadata("ES", DATE)["pipekit.days"]) == {DATE: {"rows": 1}}
    assert project.metadata("ES", DATE)["pipekit.last"] == "2020-01-06T06:30:00Z"
    wrote = run.all("wrote")[1]
    assert (wrote["detail"]["series"], wrote["detail"]["rows"]) == ("ES/tick", 1)
    assert wrote["sources"] == [FILE]
    assert run.metrics("ES/tick") | {"ticks_added": 2, "days_written": 2} == run.metrics("ES/tick")


def test_the_schema_of_ticks_is_the_documented_one(project: Any) -> None:
    project.write(FILE, text(tick("153000 0000000", 1)))
    project.run(TICKS)
    schema = ParquetFile(project.day("ES", DATE)).schema_arrow
    assert {field.name: str(field.type) for field in schema} == {
        "timestamp": "timestamp[ns, tz=UTC]", "price": "double", "bid": "double", "ask": "double",
        "volume": "int64", "instrument": "string",
    }  # fmt: skip


def test_a_newer_exports_group_of_a_time_stamp_stands_whole(project: Any) -> None:
    """Not tick by tick: the older one's are gone even where it had more of them."""
    early, later = "data/raw/ES 20200107_000000.Last.txt", "data/raw/ES 20200108_000000.Last.txt"
    same, other = "153000 0000001", "153000 0000002"
    project.write(
        early, text(*[tick(same, price) for price in (1, 2, 3)], tick(other, 9)), age=3000
    )
    project.write(later, text(*[tick(same, price) for price in (5, 4)]), age=6000)
    run = project.run(TICKS)
    assert [row[1] for row in project.ticks("ES", DATE)] == [5, 4, 9]
    found = run.metrics("ES/tick")
    assert (found["duplicates"], found["conflicts"]) == (3, 1)


def test_a_group_of_other_values_is_a_conflict_and_one_of_the_same_is_none(project: Any) -> None:
    """Each time stamp is one, however many ticks of it differ; also where a quote is absent."""
    early, later = "data/raw/ES 20200107_000000.Last.txt", "data/raw/ES 20200108_000000.Last.txt"
    clocks = [f"153000 000000{n}" for n in range(3)]
    absent = f"20200106 {clocks[2]};3;;3.25;1"
    project.write(early, text(*[tick(at, 1) for at in clocks[:2] * 2], absent))
    project.write(later, text(*[tick(clocks[0], price) for price in (2, 3)],
                              *[tick(clocks[1], 1)] * 2, absent))  # fmt: skip
    found = project.run(TICKS).metrics("ES/tick")
    assert (found["duplicates"], found["conflicts"]) == (5, 1)


def test_a_later_runs_group_wins_over_the_published_one(project: Any) -> None:
    same, other = "153000 0000001", "153000 0000002"
    project.write(FILE, text(tick(same, 1), tick(same, 2), tick(other, 3)))
    project.run(TICKS)
    project.write("data/raw/ES 03-20 again.Last.txt", text(tick(same, 7)))
    run = project.run(TICKS)
    assert [row[1] for row in project.ticks("ES", DATE)] == [7, 3]
    found = run.metrics("ES/tick")
    assert (found["ticks_changed"], found["ticks_removed"], found["conflicts"]) == (1, 1, 1)


def test_a_day_without_a_change_in_value_is_not_rewritten(project: Any) -> None:
    """Nor one where a quote is absent, as it was."""
    lines = [tick("153000 0000001", 1), tick("153000 0000001", 2), tick("180000 0000000", 3)]
    lines.append("20200106 180000 0000001;3;;3.25;1")
    project.write(FILE, text(*lines))
    project.run(TICKS)
    before = project.day("ES", DATE).stat()
    project.write("data/raw/ES again.Last.txt", text(*lines))
    run = project.run(TICKS)
    assert run.paths("unchanged") == [f"data/processed/ES/tick/2020/01/ES_tick_{DATE}.parquet"]
    assert run.paths("wrote") == []
    assert project.day("ES", DATE).stat().st_ino == before.st_ino


def test_unsorted_ticks_come_out_sorted_and_equal_times_in_file_order(project: Any) -> None:
    lines = [tick("153000 0000005", 1), tick("153000 0000001", 2), tick("153000 0000005", 3)]
    project.write(FILE, text(*lines))
    project.run(TICKS)
    assert [row[1] for row in project.ticks("ES", DATE)] == [2, 1, 3]


BAD = {
    "the time stamp is not": "20200106 153000 123000;1;1;1;1",
    "price is not a number": "20200106 153000 1230000;x;1;1;1",
    "ask is not finite": "20200106 153000 1230000;1;1;nan;1",
    "volume is negative": "20200106 153000 1230000;1;1;1;-1",
    "volume is not whole": "20200106 153000 1230000;1;1;1;0.5",
    "4 fields instead of 5": "20200106 153000 1230000;1;1;1",
    "the time stamp is not %Y%m%d": "23000106 153000 1230000;1;1;1;1",
}


@pytest.mark.parametrize("reason", BAD)
def test_an_invalid_tick_alone_goes_to_quarantine(project: Any, reason: str) -> None:
    project.write(FILE, text(tick("153000 0000001", 1), BAD[reason], tick("153000 0000002", 2)))
    project.run(TICKS)
    (row,) = project.quarantine()
    assert (row["line"], row["text"]) == (2, BAD[reason])
    assert reason in row["reason"]
    assert [row[1] for row in project.ticks("ES", DATE)] == [1, 2]


def test_a_file_with_too_many_invalid_ticks_is_rejected_whole(project: Any) -> None:
    project.write(
        FILE, text(*[tick(f"1530{n:02} 0000000", 1) for n in range(20)], *["x;1;1;1;1"] * 10)
    )
    run = project.run(TICKS)
    assert run.paths("rejected") == [FILE]
    assert project.tree() == {}


def test_bars_given_as_ticks_are_rejected_and_the_other_way_round(
    project: Any, export: Any
) -> None:
    source = Source(glob="data/raw/*.csv", dialect="T", timezone="UTC")
    rows = [f"2020-01-06 08:{at:02},10,12,9,11,5" for at in range(20)]
    project.write("data/raw/x.csv", export(*rows))
    run = project.run(Settings(sources=(source,)))
    assert run.paths("rejected") == ["data/raw/x.csv"]
    bars = Source(glob="data/raw/*.txt", dialect="C", timezone="UTC")
    project.write(FILE, text(*[tick(f"1530{n:02} 0000000", 1) for n in range(20)]))
    assert project.run(Settings(sources=(bars,))).paths("rejected") == [FILE]


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"], ids=["nothing", "blank", "mark"])
def test_a_tick_file_without_rows_is_consumed_and_counted(project: Any, content: str) -> None:
    project.write(FILE, content)
    run = project.run(TICKS)
    assert run.paths("consumed") == [FILE]
    assert run.metrics()["empty_files"] == 1


def test_carriage_returns_and_a_byte_order_mark_do_not_matter(
    project: Any, new_project: Any
) -> None:
    lines = [tick("153000 0000001", 1), tick("153000 0000002", -2)]
    project.write(FILE, text(*lines))
    other = new_project()
    other.write(FILE, "\ufeff" + text(*lines).replace("\n", "\r\n"))
    project.run(TICKS)
    other.run(TICKS)
    assert project.tree() == other.tree()


def test_the_doubled_hour_of_autumn_is_two_hours_of_ticks(project: Any) -> None:
    """Equal times are no sign of the second hour, earlier ones are; spring's hour never was."""
    source = Source(glob="data/raw/*.Last.txt", dialect="N", timezone="America/Chicago")
    clocks = ["013000 0000000", "013000 0000000", "015959 9999999", "010000 0000000"]
    lines = [tick(clock, at + 1, date="20201101") for at, clock in enumerate(clocks)]
    project.write(FILE, text(*lines, tick("023000 0000000", 9, date="20200308")))
    project.run(Settings(sources=(source,)))
    assert [row[:2] for row in project.ticks("ES", "2020-11-01")] == [
        ("2020-11-01T06:30:00.000000000", 1),
        ("2020-11-01T06:30:00.000000000", 2),
        ("2020-11-01T06:59:59.999999900", 3),
        ("2020-11-01T07:00:00.000000000", 4),
    ]
    assert [row["line"] for row in project.quarantine()] == [5]


GROWING = Settings(
    sources=(Source(glob="data/raw/*.txt", dialect="N", timezone="UTC", growing=True),)
)


def test_only_the_rest_of_a_growing_tick_file_is_read(project: Any) -> None:
    file = project.write(FILE, text(tick("153000 0000001", 1)) + "2020")
    project.run(GROWING)
    with file.open("a", newline="\n") as stream:
        stream.write(text(tick("153000 0000002", 2)).removeprefix("2020"))
    run = project.run(GROWING)
    assert run.metrics()["rows"] == 1
    assert [row[1] for row in project.ticks("ES", DATE)] == [1, 2]


@pytest.mark.parametrize("clock", ["153000 0000001", "152959 0000000"])
def test_a_growing_file_that_goes_on_within_a_time_stamp_is_read_again(
    project: Any, clock: str
) -> None:
    """Or the second half of a group would displace the first one."""
    file = project.write(FILE, text(tick("153000 0000001", 1), tick("153000 0000001", 2)))
    project.run(GROWING)
    with file.open("a", newline="\n") as stream:
        stream.write(text(tick(clock, 3)))
    project.run(GROWING)
    assert sorted(row[1] for row in project.ticks("ES", DATE)) == [1, 2, 3]


def test_a_last_tick_without_newline_is_taken_when_nobody_goes_on_with_it(project: Any) -> None:
    content = text(tick("153000 0000001", 1), tick("153000 0000001", 2)).rstrip("\n")
    project.write(FILE, content, age=60)
    run = project.run(TICKS)
    assert not run.all("consumed")[0]["complete"]
    assert [row[1] for row in project.ticks("ES", DATE)] == [1]
    settings = Settings(sources=(NINJA,), final_after=0.0)
    assert "no newline" in project.run(settings).warnings
    assert [row[1] for row in project.ticks("ES", DATE)] == [1, 2]


def test_a_corrected_zone_leaves_no_tick_where_it_was_wrongly_put(project: Any) -> None:
    """The days that the file fed are made anew, with what other files gave to them."""
    lines = [tick("053000 0000000", 1), tick("153000 0000000", 2)]
    project.write(FILE, text(*lines))
    project.write("data/raw/ES other.Last.csv", text(tick("160000 0000000", 5)))
    other = Source(glob="data/raw/*.Last.csv", dialect="N", timezone="UTC")
    project.run(Settings(sources=(NINJA, other)))
    chicago = Source(glob="data/raw/*.Last.txt", dialect="N", timezone="America/Chicago")
    run = project.run(Settings(sources=(chicago, other)))
    assert run.failed == {}
    found = run.metrics("ES/tick")
    assert [found[f"ticks_{what}"] for what in ("added", "changed", "removed")] == [2, 0, 2]
    assert project.ticks("ES", "2020-01-05") == []
    assert [row[:2] for row in project.ticks("ES", DATE)] == [
        ("2020-01-06T11:30:00.000000000", 1),
        ("2020-01-06T16:00:00.000000000", 5),
        ("2020-01-06T21:30:00.000000000", 2),
    ]


def test_ticks_for_a_day_that_was_taken_away_are_late(project: Any) -> None:

    project.write(FILE, text(tick("153000 0000000", 1)))
    project.run(TICKS)
    path = f"data/processed/ES/tick/2020/01/ES_tick_{DATE}.parquet"
    project.outputs[path] = project.outputs[path]._replace(present=False)
    project.day("ES", DATE).unlink()
    lines = [tick("160000 0000000", 2), tick("160000 0000000", 3, date="20200107")]
    project.write("data/raw/ES 03-20 again.Last.txt", text(*lines))
    run = project.run(TICKS)
    assert f"ES/tick {DATE} late" in run.failed
    assert [row["line"] for row in project.quarantine()] == [1]
    assert not project.day("ES", DATE).exists()
    assert [row[1] for row in project.ticks("ES", "2020-01-07")] == [3]


def test_bars_and_ticks_of_one_instrument_stand_side_by_side(project: Any, export: Any) -> None:
    """A rebuild of the ones does not concern the others."""
    bars = Source(glob="data/raw/*.csv", dialect="A", timezone="UTC")
    project.write("data/raw/x.csv", export("2020-01-06 08:00,10,12,9,11,5"))
    project.write(FILE, text(tick("153000 0000000", 1)))
    both = Settings(sources=(bars, NINJA))
    project.run(both)
    tree = project.tree()
    assert sorted(tree) == [
        "ES/1m/2020/ES_1m_2020-01.parquet",
        f"ES/tick/2020/01/ES_tick_{DATE}.parquet",
    ]
    run = project.run(both, rebuild=True)
    assert (run.failed, run.paths("wrote")) == ({}, [])
    assert project.tree() == tree


def test_a_lost_day_is_made_anew(project: Any) -> None:
    dates = ("20200106", "20200107")
    project.write(FILE, text(*[tick("153000 0000000", 1, date=date) for date in dates]))
    project.run(TICKS)
    tree = project.tree()
    project.day("ES", DATE).unlink()
    run = project.run(TICKS)
    assert run.paths("wrote") == [f"data/processed/ES/tick/2020/01/ES_tick_{DATE}.parquet"]
    assert project.tree() == tree


def test_ticks_can_be_made_into_bars_of_a_minute(project: Any, export: Any) -> None:
    """Which then are bars like others: of the first, highest, lowest and last tick by time."""
    source = Source(glob="data/raw/*.txt", dialect="N", timezone="UTC", aggregate="1m")
    clocks = [
        "153059 9999999",
        "153000 0000000",
        "153000 0000000",
        "153010 0000000",
        "153100 0000000",
    ]
    prices = [5, 3, 4, 9, 6]
    lines = [
        tick(clock, price, at + 1)
        for at, (clock, price) in enumerate(zip(clocks, prices, strict=True))
    ]
    project.write(FILE, text(*lines))
    run = project.run(Settings(sources=(source,)))
    assert run.failed == {}
    assert project.rows("ES", "2020-01") == [
        ("2020-01-06T15:30", 3.0, 9.0, 3.0, 5.0, 10),
        ("2020-01-06T15:31", 6.0, 6.0, 6.0, 6.0, 5),
    ]
    assert [name.split("/")[1] for name in project.tree()] == ["1m"]
    assert "bars_added" in run.metrics("ES")


def test_a_growing_file_makes_no_bar_of_half_a_minute(project: Any) -> None:
    source = Source(
        glob="data/raw/*.txt", dialect="N", timezone="UTC", aggregate="1m", growing=True
    )
    settings = Settings(sources=(source,))
    file = project.write(FILE, text(tick("153000 0000000", 1), tick("153010 0000000", 2)))
    project.run(settings)
    with file.open("a", newline="\n") as stream:
        stream.write(text(tick("153020 0000000", 3)))
    project.run(settings)
    assert project.rows("ES", "2020-01") == [("2020-01-06T15:30", 1.0, 3.0, 1.0, 3.0, 3)]


def test_ticks_in_the_wrong_zone_raise_doubts(project: Any) -> None:
    """A day of trade with its pause at 16:15 Chicago, said to be in UTC."""
    minutes = [at for at in range(1440) if not 975 <= at < 1020]
    lines = [
        tick(
            f"{at // 60:02}{at % 60:02}00 0000000",
            100,
            50 if 510 <= at < 900 else 1,
            date="20200107",
        )
        for at in minutes
    ]
    project.write(FILE, text(*lines))
    assert "timezone may be wrong" in project.run(TICKS).warnings
    project.write(FILE, text(*lines, tick("235959 0000000", 100, date="20200107")))
    chicago = Source(glob=NINJA.glob, dialect="N", timezone="America/Chicago")
    assert "timezone may be wrong" not in project.run(Settings(sources=(chicago,))).warnings
