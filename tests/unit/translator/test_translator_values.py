"""Volumes, prices of quotes, numbers and layouts of every kind that a source can describe."""

from __future__ import annotations

from typing import Any

import pytest
from pipekit_translator.dialects import InstrumentRule
from pipekit_translator.settings import Settings
from pipekit_translator.sources import Source

FILE = "data/raw/ES.csv"
MONTH = "2020-01"
BARS = ("timestamp", "open", "high", "low", "close", "volume")
QUOTES = ("timestamp", "bid", "ask", "price", "volume")
NAMES = "timestamp,open,high,low,close,volume"
STAMP = "2020-01-06 15:30:00"


def source(**more: Any) -> Source:
    given: dict[str, Any] = {
        "glob": "data/raw/**/*",
        "separator": ",",
        "header": True,
        "columns": BARS,
        "timestamp_format": "%Y-%m-%d %H:%M:%S",
        "timezone": "UTC",
        "instrument": InstrumentRule(constant="ES"),
        **more,
    }
    return Source(**given)


def configured(**more: Any) -> Settings:
    return Settings(sources=(source(**more),), final_after=0.0)


def text(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def values(project: Any, *lines: str, **more: Any) -> list[tuple[Any, ...]]:
    """What is published of a file with these lines, without the times."""
    project.write(FILE, text(*lines))
    run = project.run(configured(**more))
    assert not run.failed
    assert not run.all("rejected"), run.all("rejected")
    return [row[1:] for row in project.rows("ES", MONTH)]


def ticks(project: Any, *lines: str, **more: Any) -> list[tuple[Any, ...]]:
    given = {"header": False, "columns": QUOTES, **more}
    project.write(FILE, text(*lines))
    run = project.run(configured(**given))
    assert not run.failed
    assert not run.all("rejected"), run.all("rejected")
    return [row[1:] for row in project.ticks("ES", "2020-01-06")]


# Volume


def test_bars_without_volume_have_null(project: Any) -> None:
    columns = BARS[:-1]
    rows = values(project, "timestamp,open,high,low,close", f"{STAMP},1,2,1,2", columns=columns,
                  volume="none")  # fmt: skip
    assert rows == [(1.0, 2.0, 1.0, 2.0, None)]
    again = project.run(configured(columns=columns, volume="none", glob="data/raw/*"), force=True)
    assert again.paths("unchanged")


def test_a_sum_of_columns_is_the_volume(project: Any) -> None:
    columns = (*BARS[:-1], "volume=Up+Down")
    header = NAMES.replace("volume", "Up,Down")
    assert values(project, header, f"{STAMP},1,2,1,2,30,12", columns=columns)[0][-1] == 42


@pytest.mark.parametrize("pair", ["-5,7", "7,-5", "-1,7", "7,-0.5"])
def test_a_negative_part_of_a_sum_is_invalid(project: Any, pair: str) -> None:
    """The other part used to make up for it."""
    columns = (*BARS[:-1], "volume=Up+Down")
    header = NAMES.replace("volume", "Up,Down")
    project.write(FILE, text(header, f"{STAMP},1,2,1,2,{pair}", f"{STAMP[:-5]}31:00,1,2,1,2,3,4"))
    project.run(configured(columns=columns))
    assert [row["reason"] for row in project.quarantine()] == ["volume is negative"]
    assert [row[-1] for row in project.rows("ES", MONTH)] == [7]


@pytest.mark.parametrize(("means", "kept"), [("zero", [7, 7, 0]), ("null", [None, None, None])])
def test_a_missing_part_of_a_sum(project: Any, means: str, kept: list[int | None]) -> None:
    columns = (*BARS[:-1], "volume=Up+Down")
    lines = [
        f"{STAMP[:-5]}3{at}:00,1,2,1,2,{pair}" for at, pair in enumerate(["-1,7", "7,", "NaN,"])
    ]
    rows = values(project, NAMES.replace("volume", "Up,Down"), *lines, columns=columns,
                  missing_volume=means)  # fmt: skip
    assert [row[-1] for row in rows] == kept


def test_positions_can_be_added_up_without_a_header(project: Any) -> None:
    columns = (*BARS[:-1], "volume=#6+#7")
    assert values(project, f"{STAMP},1,2,1,2,30,12", columns=columns, header=False)[0][-1] == 42


def test_a_fractional_volume_is_a_double(project: Any) -> None:
    rows = values(project, NAMES, f"{STAMP},1,2,1,2,0.85", volume_type="float")
    assert rows[0][-1] == 0.85
    from pyarrow.parquet import read_schema

    assert str(read_schema(project.month("ES", MONTH)).field("volume").type) == "double"


@pytest.mark.parametrize(
    "written", ["", "-1", "-1.0", '""', " ", "NaN", "null", '"None"', "n/a", "-"]
)
@pytest.mark.parametrize(("means", "kept"), [("zero", 0), ("null", None)])
@pytest.mark.parametrize("type", ["int", "float"])
def test_a_missing_volume_is_what_the_source_says(
    project: Any, written: str, means: str, kept: int | None, type: str
) -> None:
    lines = [NAMES, f"{STAMP},1,2,1,2,{written}", f"{STAMP[:-5]}31:00,1,2,1,2,7"]
    rows = values(project, *lines, missing_volume=means, volume_type=type)
    assert [row[-1] for row in rows] == [kept, 7]


def test_without_that_a_missing_volume_is_no_number(project: Any) -> None:
    rows = [
        f"{STAMP},1,2,1,2,",
        *(f"{STAMP[:-5]}3{n}:00,1,2,1,2,{v}" for n, v in ((1, -1), (2, 5))),
    ]
    project.write(FILE, text(NAMES, *rows))
    project.run(configured())
    reasons = [row["reason"] for row in project.quarantine()]
    assert reasons[0] == 'volume is empty: set missing_volume = "zero" or "null" if it may be'
    assert reasons[1] == "volume is negative"


def test_a_stream_has_one_type_of_volume(project: Any) -> None:
    """A change is refused by name, also where the new rows are of another month."""
    values(project, NAMES, f"{STAMP},1,2,1,2,5")
    project.write("data/raw/other.csv", text(NAMES, "2021-05-06 15:30:00,1,2,1,2,0.5"))
    whole = source(glob="data/raw/ES.csv")
    other = source(glob="data/raw/other.csv", volume_type="float")
    run = project.run(Settings(sources=(whole, other), final_after=0.0))
    assert "volume of ES is published as whole numbers (data/processed/ES" in run.failed["ES"]
    assert "move data/processed/ES/1m away and run `pipekit run --rebuild`" in run.failed["ES"]
    assert not project.month("ES", "2021-05").exists()


def test_two_files_of_a_run_have_one_type_of_volume(project: Any) -> None:
    project.write(FILE, text(NAMES, f"{STAMP},1,2,1,2,5"))
    project.write("data/raw/other.csv", text(NAMES, f"{STAMP},1,2,1,2,0.5"))
    whole = source(glob="data/raw/ES.csv")
    other = source(glob="data/raw/other.csv", volume_type="float")
    run = project.run(Settings(sources=(whole, other), final_after=0.0))
    assert (
        "whole numbers in data/raw/ES.csv, but fractions in data/raw/other.csv" in run.failed["ES"]
    )
    assert not project.tree()


def test_the_quality_report_has_no_word_on_a_volume_that_is_not_there(project: Any) -> None:
    lines = [f"2020-01-06 {at // 60:02}:{at % 60:02}:00,1,2,1,2" for at in range(700)]
    project.write(FILE, text("timestamp,open,high,low,close", *lines))
    run = project.run(configured(columns=BARS[:-1], volume="none"))
    assert "of the volume" not in run.warnings


# Ticks


def test_quotes_alone_have_no_price(project: Any) -> None:
    columns = ("timestamp", "bid", "ask")
    row = f"{STAMP},1.5,1.75"
    assert ticks(project, row, columns=columns, volume="none") == [(None, 1.5, 1.75, None)]


@pytest.mark.parametrize(("price", "is_"), [("bid", 1.5), ("ask", 1.75), ("mid", 1.625)])
def test_a_quote_can_be_the_price(project: Any, price: str, is_: float) -> None:
    columns = ("timestamp", "bid", "ask", "volume")
    assert ticks(project, f"{STAMP},1.5,1.75,3", columns=columns, price=price) == [
        (is_, 1.5, 1.75, 3)
    ]


def test_what_is_empty_is_carried_on(project: Any) -> None:
    """From row to row; what was never said stays unknown."""
    rows = [f"{STAMP},1.5,1.75,,", f"{STAMP},,1.8,,", f"{STAMP},,,1.7,4", f"{STAMP},1.6,,,"]
    assert ticks(project, *rows, carry=True, missing_volume="zero") == [
        (None, 1.5, 1.75, 0), (None, 1.5, 1.8, 0), (1.7, 1.5, 1.8, 4), (1.7, 1.6, 1.8, 0),
    ]  # fmt: skip


def test_what_is_carried_on_survives_the_end_of_a_block(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipekit_translator.work.read import rawfile

    monkeypatch.setattr(rawfile, "BLOCK", 1)
    rows = [f"{STAMP},1.5,1.75,1,1", f"{STAMP},,1.8,,1", f"{STAMP},,,,1"]
    assert [row[:3] for row in ticks(project, *rows, carry=True)] == [
        (1.0, 1.5, 1.75), (1.0, 1.5, 1.8), (1.0, 1.5, 1.8),
    ]  # fmt: skip


def test_mid_of_carried_quotes(project: Any) -> None:
    columns = ("timestamp", "bid", "ask")
    rows = [f"{STAMP},1.5,", f"{STAMP},,1.75", f"{STAMP},2,"]
    given = {"columns": columns, "price": "mid", "carry": True, "volume": "none"}
    assert [row[0] for row in ticks(project, *rows, **given)] == [None, 1.625, 1.875]


def test_carried_prices_of_an_unsorted_file_are_refused(project: Any) -> None:
    project.write(
        FILE, text(f"{STAMP},1.5,1.75,1,1", f"{STAMP[:-2]}00,,,,1".replace("30:00", "29:00"))
    )
    run = project.run(configured(header=False, columns=QUOTES, carry=True))
    (rejected,) = run.all("rejected")
    assert "line 2: its time is before that of the row above it" in rejected["reason"]


def test_a_tick_of_which_nothing_is_known_is_set_aside(project: Any) -> None:
    rows = [f"{STAMP},,,,1", f"{STAMP},1,2,,1"]
    assert len(ticks(project, *rows, carry=True)) == 1
    assert project.quarantine()[0]["reason"] == "there is no price, bid or ask yet"


def test_minutes_of_quotes_are_those_of_the_price_that_is_set(project: Any) -> None:
    columns = ("timestamp", "bid", "ask")
    project.write(FILE, text(f"{STAMP},1,2", f"{STAMP[:-2]}30,3,4"))
    project.run(
        configured(header=False, columns=columns, price="mid", volume="none", aggregate="1m")
    )
    assert project.rows("ES", MONTH) == [("2020-01-06T15:30", 1.5, 3.5, 1.5, 3.5, None)]


# Numbers


@pytest.mark.parametrize(
    ("written", "more", "value"),
    [
        ("4800,25", {"separator": ";", "decimal": ","}, 4800.25),
        ('"4800,25"', {"decimal": ","}, 4800.25),
        ('"4,800.25"', {"thousands": ","}, 4800.25),
        ("4,800.25", {"separator": ";", "thousands": ","}, 4800.25),
        ("-1,234,800.25", {"separator": ";", "thousands": ","}, -1234800.25),
        ("4.800,25", {"separator": ";", "decimal": ",", "thousands": "."}, 4800.25),
        ("4'800.25", {"thousands": "'"}, 4800.25),
        ("4 800,25", {"separator": ";", "decimal": ",", "thousands": " "}, 4800.25),
        ("4\u00a0800,25", {"separator": ";", "decimal": ",", "thousands": " "}, 4800.25),
        ("4\u202f800,25", {"separator": ";", "decimal": ",", "thousands": " "}, 4800.25),
        ("4\u2019800.25", {"thousands": "'"}, 4800.25),
        ("+4,800.25", {"separator": ";", "thousands": ","}, 4800.25),
        ("+4.800,25", {"separator": ";", "decimal": ",", "thousands": "."}, 4800.25),
        ("48,002.5e-1", {"separator": ";", "thousands": ","}, 4800.25),
        ("4800.25\u00a0", {}, 4800.25),
        ("800.25", {"thousands": ","}, 800.25),
        ("4800250000000", {"price_scale": 1e-9}, 4800.25),
        ("480025", {"price_scale": 0.01}, 4800.25),
        ("10697", {"price_scale": 0.0001}, 1.0697),
        ("4.5", {"price_scale": 100.0}, 450.0),
        (' "4800.25" ', {}, 4800.25),
        ("+4.80025e3", {}, 4800.25),
    ],
)
def test_a_price_is_read_as_it_is_written(
    project: Any, written: str, more: dict[str, Any], value: float
) -> None:
    separator = more.get("separator", ",")
    row = separator.join([STAMP, *[written] * 4, "5"])
    assert values(project, NAMES.replace(",", separator), row, **more) == [(*[value] * 4, 5)]


@pytest.mark.parametrize(
    ("written", "more", "hint"),
    [
        ("4800,25", {}, '(set decimal = ",", or thousands = ",")'),
        ("4.800,25", {}, '(set thousands = "." if it is one)'),
        ("4\u202f800", {}, '(set thousands = " " if it is one)'),
        ("+4,80", {"thousands": ","}, "'+4,80'"),
        ("4800.25", {"decimal": ","}, "'4800.25'"),
        ("48,00.25", {"thousands": ","}, "'48,00.25'"),
        ("4,8001", {"thousands": ","}, "'4,8001'"),
        ("4800,250", {"thousands": ","}, "'4800,250'"),
        (",800", {"thousands": ","}, "',800'"),
        ("1.250,5", {"thousands": ","}, "'1.250,5'"),
        ("1.5,250", {"thousands": ","}, "'1.5,250'"),
        ("1234,567", {"thousands": "."} | {"decimal": ","}, ""),
        ("٤٨", {}, "'٤٨'"),
    ],
)
def test_a_price_of_another_form_is_set_aside(
    project: Any, written: str, more: dict[str, Any], hint: str
) -> None:
    names = NAMES.replace(",", ";")
    good = f"{STAMP[:-5]}31:00;1;1;1;1;5"
    row = ";".join([STAMP, *[written] * 4, "5"])
    rows = values(project, names, row, good, separator=";", **more)
    if not hint:
        assert rows[0][:4] == (1234.567,) * 4
        return
    assert len(rows) == 1
    assert hint in project.quarantine()[0]["reason"]


# Layout


def layouts() -> dict[str, tuple[list[str], dict[str, Any]]]:
    row = f"{STAMP},1,2,1,2,5"
    named, quoted = (*BARS[:5], "volume=Vol"), '","'
    return {
        "lines to skip": (["https://example.org", "", NAMES, row], {"skip_lines": 2}),
        "a trailing separator": ([NAMES, f"{row},"], {}),
        "a trailing separator in the header, too": ([f"{NAMES},", f"{row},"], {}),
        "a trailing separator in the header alone": ([f"{NAMES},", row], {}),
        "a column without a name": ([NAMES.replace("timestamp", ""), row],
                                    {"columns": ('timestamp=""', *BARS[1:])}),
        "a column by position": ([NAMES.replace("timestamp", "x"), row],
                                 {"columns": ("timestamp=#1", *BARS[1:])}),
        "a name twice, one by position": ([f"{NAMES},volume", f"{row},9"],
                                          {"columns": (*BARS[:5], "volume=#6")}),
        "Excel's line": (["sep=,", NAMES, row], {}),
        "Excel's line, no header": (["sep=,", row], {"header": False}),
        "quotes": ([f'"{line.replace(",", quoted)}"' for line in (NAMES, row)], {}),
        "blanks": ([NAMES.replace(",", ", "), row.replace(",", " , ")], {}),
        "a separator between quotes": ([f'{NAMES},"a, b"', f'{row},"1, 2"'], {}),
        "two header lines": ([NAMES, "UTC,USD,USD,USD,USD,", row], {"header": 2}),
        "names in the second header line": (
            ["ES,,,,,", NAMES, row], {"header": 2}),
        "names in two header lines": (
            ["When,Price,Price,Price,Price,Vol", NAMES[:-6], row], {"columns": named, "header": 2}),
        "a header again": ([NAMES, NAMES, row, NAMES], {}),
        "a footer": ([NAMES, row, "Downloaded from example.org", "", "2 rows"],
                     {"skip_footer": True}),
    }  # fmt: skip


@pytest.mark.parametrize("layout", layouts())
def test_a_layout_is_read(project: Any, layout: str) -> None:
    lines, more = layouts()[layout]
    assert values(project, *lines, **more) == [(1.0, 2.0, 1.0, 2.0, 5)]
    assert not project.quarantine()


def test_lines_of_the_footer_are_counted(project: Any) -> None:
    project.write(FILE, text(NAMES, f"{STAMP},1,2,1,2,5", "Downloaded from example.org"))
    assert project.run(configured(skip_footer=True)).metrics()["footer_lines"] == 1


@pytest.mark.parametrize(
    ("end", "set_aside"),
    [
        ([f"{STAMP[:-5]}31:00,1,2"], 1),
        ([f"{STAMP[:-5]}31:00,1,2,1,2,x", "Downloaded"], 1),
        (["what", f"{STAMP[:-5]}31:00,1,2,1,2,5"], 1),
        (["x"] * 11, 11),
    ],
)
def test_what_is_cut_off_is_no_footer(project: Any, end: list[str], set_aside: int) -> None:
    """Nor is what rows follow, or more than ten lines."""
    project.write(FILE, text(NAMES, *[f"{STAMP},1,2,1,2,5"] * 3, *end))
    run = project.run(configured(skip_footer=True))
    if set_aside > 10:
        assert run.all("rejected")
    else:
        assert len(project.quarantine()) == set_aside


REJECTED = {
    "line 1: the file says that its separator is ';', the source ',': set separator = ';'": (
        ["sep=;", NAMES], {}),
    "line 3: the file has a second header, with its columns in other places": (
        [NAMES, f"{STAMP},1,2,1,2,5", "timestamp,high,open,low,close,volume"], {}),
    "line 1: the header has several columns named volume:": ([f"{NAMES},Volume"], {}),
    "line 1: the header has no column #7:": ([NAMES], {"columns": (*BARS[:5], "volume=#7")}),
    "line 1: the header has several columns named #5 (which is close as well)": (
        [NAMES], {"columns": (*BARS[:5], "volume=#5")}),
    "line 1: the header has several columns named without a name": (
        [",a,,open,high,low,close,volume"], {"columns": ("timestamp=", *BARS[1:])}),
    "line 2: the header has no column volume:": (["x", NAMES[:-7]], {"skip_lines": 1}),
    "it ends at line 2, before its rows may begin: skip_lines = 9 and header = 1 take": (
        [NAMES, f"{STAMP},1,2,1,2,5"], {"skip_lines": 9}),
    "it ends at line 3, before its rows may begin: skip_lines = 0 and header = 4 take": (
        [NAMES, f"{STAMP},1,2,1,2,5", ""], {"header": 4}),
}  # fmt: skip


@pytest.mark.parametrize("reason", REJECTED)
def test_a_layout_that_could_be_read_wrongly_is_rejected(project: Any, reason: str) -> None:
    lines, more = REJECTED[reason]
    project.write(FILE, text(*lines))
    (rejected,) = project.run(configured(**more)).all("rejected")
    assert rejected["reason"].startswith(reason)


@pytest.mark.parametrize("lines", [[], ["", ""], ["x", NAMES], ["x", NAMES, ""]])
def test_a_file_without_rows_is_empty(project: Any, lines: list[str]) -> None:
    project.write(FILE, text(*lines))
    run = project.run(configured(skip_lines=1))
    assert (run.all("rejected"), run.metrics()["empty_files"]) == ([], 1)


# Settings


REFUSED = {
    "decimal must be '.' or ','": {"decimal": ";"},
    "thousands must be one of": {"thousands": "x"},
    "decimal and thousands are both ','": {"decimal": ",", "thousands": ","},
    "decimal and thousands are both '.'": {"thousands": "."},
    "price_scale must be a number above 0": {"price_scale": 0.0},
    "price_scale must be a number above 0, such as 0.01, not nan": {"price_scale": float("nan")},
    "skip_lines must be between 0 and 1000, not -1": {"skip_lines": -1},
    "header must be true, false or a number of lines": {"header": -2},
    "skip_footer needs the end of a file": {"skip_footer": True, "growing": True},
    'volume = "none", but columns have one': {"volume": "none"},
    "missing_volume is for single rows": {
        "volume": "none", "missing_volume": "zero", "columns": BARS[:5],
    },
    "aggregate = '1m' cannot be made of bars of '1m'": {"aggregate": "1m"},
    "price works on ticks": {"price": "bid"},
    "carry works on ticks": {"carry": True},
    "carry needs all of a file": {"carry": True, "growing": True, "columns": QUOTES},
    'price = "bid", but columns have a price': {"price": "bid", "columns": QUOTES},
    'price = "mid", but columns have no ask': {
        "price": "mid", "columns": ("timestamp", "bid", "volume"),
    },
    'price = "ask", but columns have no ask': {
        "price": "ask", "columns": ("timestamp", "bid", "volume"),
    },
    "aggregate needs a price": {
        "aggregate": "1m", "columns": ("timestamp", "bid", "ask", "volume"),
    },
    "columns that are added up have no names": {
        "header": False, "columns": (*BARS[:5], "volume=Up+Down"),
    },
    "columns: column 5 is given two roles": {
        "header": False, "columns": (*BARS[:5], "volume=#5"),
    },
    "columns: 'open' is the name of two columns": {"columns": (*BARS[:5], "volume=Open")},
    "columns: #3 is the name of two columns": {
        "columns": ("timestamp", "open=#3", "high=#3", *BARS[3:]),
    },
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSED)
def test_settings_that_contradict_each_other_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="source") as caught:
        source(**REFUSED[words])
    assert words in str(caught.value)


def test_a_new_version_with_more_settings_reads_no_file_again() -> None:
    """What is at its default counts as if it did not exist."""
    format = Settings().format(source(), accepted=True)
    assert set(format.reading) == {
        *("separator", "header", "columns", "timestamp_format", "timezone", "bar_time"),
        *("instrument", "exchange_timezone", "max_bad_fraction", "instruments", "aggregate"),
    }
    assert "decimal" in Settings().format(source(decimal=","), accepted=True).reading
