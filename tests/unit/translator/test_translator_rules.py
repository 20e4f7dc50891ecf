"""What becomes of rows: one bar a time stamp, the later export wins, bad rows are set aside."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pipekit_translator.layout import BARS
from pipekit_translator.settings import Settings, Source
from pipekit_translator.work.assemble.buffer import RowBuffer
from pipekit_translator.work.assemble.file_rows import Assembly, FileRows
from pipekit_translator.work.table import Table

from pipekit.worker import fingerprint

EARLY = "data/raw/DataExport_ES_20200107_000500_UTC.csv"
LATER = "data/raw/DataExport_ES_20200108_000500_UTC.csv"
BAR = "2020-01-06 08:00,10.00,12.00,9.00,11.00,5.0"
OTHER = "2020-01-06 08:00,10.00,13.00,9.00,11.00,5.0"
NEXT = "2020-01-06 08:01,11.00,12.00,10.00,11.50,7.0"


def minutes(count: int, hour: int = 8) -> list[str]:
    return [f"2020-01-06 {hour + at // 60:02}:{at % 60:02},10,12,9,11,5" for at in range(count)]


def test_of_two_exports_with_the_same_bar_the_one_with_the_later_stamp_wins(
    project: Any, export: Any
) -> None:
    """Whatever their modification times say."""
    project.write(EARLY, export(BAR), age=3000)
    project.write(LATER, export(OTHER), age=6000)
    run = project.run()
    assert project.rows("ES", "2020-01") == [("2020-01-06T08:00", 10.0, 13.0, 9.0, 11.0, 5)]
    assert (run.metrics("ES")["duplicates"], run.metrics("ES")["conflicts"]) == (1, 1)
    assert "different values in two exports" in run.warnings


def test_of_three_exports_each_bar_is_that_of_the_last_one_that_has_it(
    project: Any, export: Any
) -> None:
    last = "data/raw/DataExport_ES_20200109_000500_UTC.csv"
    rows = minutes(4)
    project.write(EARLY, export(*rows), age=1000)
    project.write(LATER, export(*(row.replace(",12,", ",13,") for row in rows[:3])), age=9000)
    project.write(last, export(rows[0].replace(",12,", ",14,"), rows[1]), age=5000)
    run = project.run()
    assert [row[2] for row in project.rows("ES", "2020-01")] == [14.0, 12.0, 13.0, 12.0]
    assert (run.metrics("ES")["duplicates"], run.metrics("ES")["conflicts"]) == (5, 4)


def test_without_a_stamp_the_modification_time_decides_then_the_name(
    project: Any, new_project: Any, export: Any
) -> None:
    settings = Settings(sources=(Source(glob="data/raw/*.csv", dialect="A", timezone="UTC"),))
    project.write("data/raw/b.csv", export(BAR), age=6000)
    project.write("data/raw/a.csv", export(OTHER), age=3000)
    project.run(settings)
    assert project.rows("ES", "2020-01")[0][2] == 13.0
    same = new_project()
    moment = time.time() - 5000
    for name, row in (("b.csv", OTHER), ("a.csv", BAR)):
        os.utime(same.write(f"data/raw/{name}", export(row)), (moment, moment))
    same.run(settings)
    assert same.rows("ES", "2020-01")[0][2] == 13.0


def test_a_later_runs_bar_wins_over_the_published_one(project: Any, export: Any) -> None:
    """Even one of an older export, since it came later; other bars stay as they are."""
    project.write(LATER, export(BAR, NEXT))
    project.run()
    project.write(EARLY, export(OTHER))
    run = project.run()
    assert [row[2] for row in project.rows("ES", "2020-01")] == [13.0, 12.0]
    assert run.metrics("ES")["bars_changed"] == 1
    assert run.metrics("ES")["conflicts"] == 1


def test_a_month_without_a_change_in_value_is_not_rewritten(project: Any, export: Any) -> None:
    project.write(EARLY, export(BAR, NEXT))
    project.run()
    file = project.month("ES", "2020-01")
    before = file.stat().st_mtime_ns
    project.write(LATER, export(BAR, NEXT))
    run = project.run()
    assert run.paths("unchanged") == ["data/processed/ES/1m/2020/ES_1m_2020-01.parquet"]
    assert not run.all("wrote")
    assert file.stat().st_mtime_ns == before
    assert run.all("unchanged")[0]["fingerprint"] == fingerprint(file)


def test_what_was_published_is_reported_with_its_sources_and_its_span(
    project: Any, export: Any
) -> None:
    project.write(EARLY, export(BAR, NEXT))
    run = project.run()
    (wrote,) = run.all("wrote")
    assert wrote["unit"] == "ES"
    assert wrote["sources"] == [EARLY]
    assert wrote["fingerprint"] == fingerprint(project.month("ES", "2020-01"))
    detail = wrote["detail"]
    assert (detail["series"], detail["rows"]) == ("ES/1m", 2)
    assert (detail["first"], detail["last"]) == ("2020-01-06T08:00:00Z", "2020-01-06T08:01:00Z")
    assert project.metadata("ES", "2020-01")["pipekit.last"] == "2020-01-06T08:01:00Z"
    (consumed,) = run.all("consumed")
    assert consumed["fingerprint"] == fingerprint(project.root / EARLY)
    assert consumed["detail"]["days"] == {"ES": {"2020-01": 1 << 6}}


def test_unsorted_rows_and_repeated_lines_come_out_sorted_and_once(
    project: Any, export: Any
) -> None:
    project.write(EARLY, export(NEXT, BAR, NEXT))
    run = project.run()
    assert project.times("ES", "2020-01") == ["2020-01-06T08:00", "2020-01-06T08:01"]
    assert (run.metrics("ES")["duplicates"], run.metrics("ES")["conflicts"]) == (1, 0)


def test_repeated_rows_in_all_blocks_of_a_file_are_counted(tmp_path: Path) -> None:
    """Each block has a bar twice; in the second block with other values."""
    buffer = RowBuffer(1 << 20, str(tmp_path))
    assembly = Assembly(buffer=buffer, timezone="UTC", processed="processed", removed=frozenset())
    rows = FileRows(BARS, assembly)
    for number, other in enumerate((0.0, 1.0, 0.0)):
        time = np.full(2, number * 60_000_000)
        price = np.array([1.0, 1.0 + other])
        rows.add("ES", Table(time, (price,) * 4, np.ones(2, np.int64)), np.arange(2))
    assert rows.repeated == {"ES": (3, 1)}


def test_one_file_can_hold_several_instruments(project: Any, export: Any) -> None:
    """It is consumed when all that came of it is published."""
    mixed = export(BAR) + "".join(export(NEXT, instrument="NQ").splitlines(keepends=True)[1:])
    project.write(EARLY, mixed)
    run = project.run()
    assert project.times("ES", "2020-01") == ["2020-01-06T08:00"]
    assert project.times("NQ", "2020-01") == ["2020-01-06T08:01"]
    verbs = [line["verb"] for line in run.lines if line["verb"] in ("unit_end", "consumed")]
    assert verbs == ["unit_end", "unit_end", "consumed"]


INVALID = {
    "2020-01-06 10:00,10,10.5,9,11,5": "high is below open or close",
    "2020-01-06 10:00,10,12,10.5,11,5": "low is above open or close",
    "2020-01-06 10:00,10,12,9,11,-5": "volume is negative",
    "2020-01-06 10:00,10,12,9,11,5.5": "volume is not whole",
    "2020-01-06 10:00,10,nan,9,11,5": "high is not finite",
    "2020-01-06 10:00,10,12,9,inf,5": "close is not finite",
    "2020-01-06 10:00,10,1e999,9,11,5": "high is out of range",
    "2020-01-06 10:00,10,12,,11,5": "low is not a number",
    "2020-01-06 10:00,10,1_2,9,11,5": "high is not a number",
    "2020-01-06 10:00,10,12,9,11": "7 fields instead of 8",
    "2020-02-30 10:00,10,12,9,11,5": "the time stamp is not",
    "2020-01-06 24:00,10,12,9,11,5": "the time stamp is not",
    "2020-1-32 10:00,10,12,9,11,5": "the time stamp is not",
}


@pytest.mark.parametrize(("row", "reason"), INVALID.items())
def test_an_invalid_row_alone_goes_to_quarantine(
    project: Any, export: Any, row: str, reason: str
) -> None:
    """With its source, its line and the line itself; the bars around it are published."""
    text = export(BAR, row, NEXT)
    project.write(EARLY, text)
    run = project.run()
    assert project.times("ES", "2020-01") == ["2020-01-06T08:00", "2020-01-06T08:01"]
    (kept,) = project.quarantine()
    assert (kept["source"], kept["line"], kept["text"]) == (EARLY, 3, text.splitlines()[2])
    assert kept["reason"].startswith(reason)
    lines = project.root / "data/quarantine/run-1" / kept["file"]
    assert lines.read_text().splitlines() == [kept["text"]]
    assert f"1 row set aside in data/quarantine/run-1/{kept['file']}; " in run.warnings
    assert run.metrics()["bad_rows"] == run.metrics()["rows_set_aside"] == 1
    assert run.all("consumed")[0]["detail"]["quarantined"] == 1
    assert not run.failed


def test_negative_prices_three_decimals_and_exponents_are_legal(project: Any, export: Any) -> None:
    """Oil of April 2020, gas with a third decimal, and a zero that is not negative."""
    rows = (
        "2020-04-20 18:20,-35.20,-34.00,-40.32,-37.63,11",
        "2020-04-20 18:21,2.345,2.346,2.3,2.345,1e1",
        "2020-04-20 18:22,-0.0,+0.5,-.5,1234567890.125e-10,123456789012",
    )
    project.write(EARLY, export(*rows))
    project.run()
    assert project.rows("ES", "2020-04") == [
        ("2020-04-20T18:20", -35.2, -34.0, -40.32, -37.63, 11),
        ("2020-04-20T18:21", 2.345, 2.346, 2.3, 2.345, 10),
        ("2020-04-20T18:22", 0.0, 0.5, -0.5, 0.1234567890125, 123456789012),
    ]
    assert str(project.rows("ES", "2020-04")[2][1]) == "0.0"


def test_more_than_one_percent_of_bad_rows_and_at_least_ten_reject_the_file(
    project: Any, new_project: Any, export: Any
) -> None:
    """It is left where it is, the reason names line and remedy, and other files go on."""
    bad = [row.replace(",12,", ",8,") for row in minutes(10)]
    project.write(EARLY, export(*minutes(500)[10:], *bad))
    project.write(LATER, export(NEXT, instrument="NQ"))
    run = project.run()
    (rejected,) = run.all("rejected")
    assert rejected["path"] == EARLY
    assert rejected["fingerprint"] == fingerprint(project.root / EARLY)
    for words in ("line 492: high is below", "10 of 500 rows", "max_bad_fraction"):
        assert words in rejected["reason"]
    assert not project.month("ES", "2020-01").exists()
    assert project.times("NQ", "2020-01") == ["2020-01-06T08:01"]
    assert not project.quarantine()
    again = project.plan()
    assert not again
    assert [row.path for row in again.rejected] == [EARLY]
    fewer = new_project()
    fewer.write(EARLY, export(*minutes(20)[9:], *bad[:9]))
    assert not fewer.run().all("rejected")
    more = new_project()
    more.write(EARLY, export(*minutes(1010, hour=0)[10:], *bad))
    assert not more.run().all("rejected")


UNUSABLE = {
    "an unknown instrument": (
        "{header}2020-01-06,08:00:00,1,1,1,1,1,XX\r\n", "line 2: unknown instrument 'XX'"
    ),
    "a header without a column": (
        "Date,Time,Open,High,Low,Last,Volume,Instrument\r\n", "no column close"
    ),
    "no header at all": ("2020-01-06,08:00:00,1,1,1,1,1,ES\r\n", "header = false"),
    "another separator": ("Date;Time;Open;High;Low;Close;Volume;Instrument\r\n", "separator = ';'"),
    "UTF-16 without a mark": ("Date,Time\r\n".encode("utf-16-le"), "save it as UTF-8"),
    "no text": (b"\x00\x01" * 400 + b"\n", "it is binary data"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_file_that_cannot_be_used_is_rejected_whole(project: Any, export: Any, what: str) -> None:
    text, reason = UNUSABLE[what]
    header = export()
    project.write(EARLY, text.format(header=header) if isinstance(text, str) else text)
    project.write(LATER, export(BAR))
    run = project.run()
    assert run.paths("rejected") == [EARLY]
    assert reason in run.all("rejected")[0]["reason"]
    assert run.paths("consumed") == [LATER]
    assert (project.root / EARLY).exists()


def test_a_wrong_separator_without_header_is_named(project: Any) -> None:
    source = Source(glob="data/raw/*.txt", dialect="C", timezone="UTC")
    project.write("data/raw/ES 03-20.Last.txt", "20200106 080100,1,1,1,1,1\n")
    run = project.run(Settings(sources=(source,)))
    assert "line 1: no separator ';'" in run.all("rejected")[0]["reason"]
    assert "separator = ','" in run.all("rejected")[0]["reason"]


def test_a_rejected_file_is_read_again_when_the_instrument_is_accepted(
    project: Any, export: Any
) -> None:
    project.write(EARLY, export(BAR, instrument="ZB"))
    assert project.run().paths("rejected") == [EARLY]
    run = project.run(Settings(instruments=("ES", "ZB")))
    assert run.paths("consumed") == [EARLY]
    assert project.times("ZB", "2020-01") == ["2020-01-06T08:00"]


def test_a_name_that_could_leave_the_folder_is_no_instrument(project: Any, export: Any) -> None:
    project.write(EARLY, export(BAR, instrument="../../ES"))
    run = project.run(Settings(instruments=("*",)))
    assert "is not a valid instrument name" in run.all("rejected")[0]["reason"]


@pytest.mark.parametrize(
    "text", ["", "Date,Time,Open,High,Low,Close,Volume,Instrument\r\n", "\n\n"]
)
def test_a_file_without_rows_is_consumed_counted_and_no_success(project: Any, text: str) -> None:
    project.write(EARLY, text)
    run = project.run()
    assert run.paths("consumed") == [EARLY]
    assert run.metrics()["empty_files"] == 1
    assert not run.all("unit_end")
    assert not project.plan()


def test_byte_order_mark_column_order_spaces_and_blank_lines_do_not_matter(project: Any) -> None:
    text = (
        "\ufeff\r\nInstrument, volume ,close,low,high,open,time,date,Extra\r\n"
        "ES,5.0,11,9,12,10,08:00:00,2020-01-06,x\r\n\r\n"
        "ES,7.0,11.5,10,12, 11,08:01:00,2020-01-06,\r\n\r\n \r\n"
    )
    project.write(EARLY, text.replace("\r\n \r\n", "\r\n\r\n"))
    project.run()
    assert project.rows("ES", "2020-01") == [
        ("2020-01-06T08:00", 10.0, 12.0, 9.0, 11.0, 5),
        ("2020-01-06T08:01", 11.0, 12.0, 10.0, 11.5, 7),
    ]


def test_a_source_can_be_given_by_its_parts(project: Any) -> None:
    """American dates, a tab, no header, an unused column, the instrument a constant."""
    from pipekit_translator.dialects import InstrumentRule

    source = Source(
        glob="data/raw/*.tsv",
        separator="\t",
        header=False,
        columns=("-", "timestamp", "open", "high", "low", "close", "volume"),
        timestamp_format="%m/%d/%Y %H:%M",
        timezone="America/New_York",
        bar_time="close",
        instrument=InstrumentRule(constant="NG"),
    )
    project.write("data/raw/gas.tsv", "x\t01/06/2020 09:01\t2.1\t2.105\t2.1\t2.105\t3\n")
    project.run(Settings(sources=(source,)))
    assert project.rows("NG", "2020-01") == [("2020-01-06T14:00", 2.1, 2.105, 2.1, 2.105, 3)]
