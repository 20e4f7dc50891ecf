"""Where instruments come from: names of files, columns, maps, and what is left out."""

from __future__ import annotations

from typing import Any

import pytest
from pipekit_translator import layout
from pipekit_translator.dialects import InstrumentRule
from pipekit_translator.settings import Settings
from pipekit_translator.sources import Source

MONTH = "2020-01"
CONTRACT = r"^([A-Z]+)[FGHJKMNQUVXZ]\d{1,2}$"


def settings(*instruments: str, **rule: Any) -> Settings:
    found = InstrumentRule(**rule)
    source = Source(glob="data/raw/*", dialect="A", timezone="UTC", instrument=found)
    return Settings(sources=(source,), instruments=instruments or ("*",), final_after=0.0)


def rows(*symbols: str) -> str:
    """A file with a row for each symbol, a minute apart."""
    lines = [
        f"2020-01-06,15:{at:02}:00,1,2,1,2,{at},{symbol}\n" for at, symbol in enumerate(symbols)
    ]
    return "Date,Time,Open,High,Low,Close,Volume,Instrument\n" + "".join(lines)


def volumes(project: Any, instrument: str) -> list[int]:
    return [row[-1] for row in project.rows(instrument, MONTH)]


def reasons(project: Any) -> list[str]:
    return [row["reason"] for row in project.quarantine()]


def test_a_pattern_reads_a_column(project: Any) -> None:
    project.write("data/raw/x.csv", rows("ESM0", "NQU20", "ESM20"))
    project.run(settings("ES", "NQ", column="Instrument", pattern=CONTRACT))
    assert volumes(project, "ES") == [0, 2]
    assert volumes(project, "NQ") == [1]


def test_an_odd_symbol_is_set_aside_alone(project: Any) -> None:
    """One that no instrument can be called by, that does not match, or that is not accepted."""
    odd = ["UD:1V: VT 2754951", "..", "", "nul"]
    project.write("data/raw/x.csv", rows("ES", *odd, "NQ"))
    project.run(settings(column="Instrument"))
    assert (volumes(project, "ES"), volumes(project, "NQ")) == ([0], [5])
    first, *_, last = reasons(project)
    assert first.startswith("'UD:1V: VT 2754951' is not a valid instrument name (use letters")
    assert "map it to one" in first
    assert last.startswith("'nul' is not a valid instrument name")
    assert reasons(project)[2] == "the instrument is empty"


def test_one_that_is_not_accepted_is_set_aside_with_the_remedy(project: Any) -> None:
    project.write("data/raw/x.csv", rows("ESM8", "CLM8", "SPREAD"))
    project.run(settings("ES", column="Instrument", pattern=CONTRACT))
    assert volumes(project, "ES") == [0]
    unknown, other = reasons(project)
    assert unknown.startswith("unknown instrument 'CL': add it to the translator's setting")
    assert other.startswith("'SPREAD' does not match the source's instrument pattern '^([A-Z]+)[")
    assert other.endswith("change the pattern, or map or ignore it")


def test_a_file_without_any_accepted_instrument_is_rejected(project: Any) -> None:
    project.write("data/raw/x.csv", rows("CLM8", "CLM8"))
    (rejected,) = project.run(settings("ES", column="Instrument", pattern=CONTRACT)).all("rejected")
    assert rejected["reason"].startswith("line 2: unknown instrument 'CL'")


def test_symbols_can_be_renamed_and_left_out(project: Any) -> None:
    """Before and after the pattern; what is left out is counted nowhere."""
    rule = {
        "column": "Instrument",
        "pattern": r"^@?([A-Z.]+)",
        "map": {"BRK.B": "BRKB", "/ESU": "ES"},
        "ignore": ("^#", ":"),
    }
    project.write("data/raw/x.csv", rows("@NQ", "BRK.B", "#5min", "/ESU", "a:b"))
    run = project.run(settings(**rule))
    assert [volumes(project, name) for name in ("NQ", "BRKB", "ES")] == [[0], [1], [3]]
    assert not project.quarantine()
    assert run.metrics()["rows"] == 3


def test_invalid_rows_of_what_is_left_out_are_no_invalid_rows(project: Any) -> None:
    text = rows("ES", "ES:NQ") + "x,y,,,,,,ES:NQ\n"
    project.write("data/raw/x.csv", text)
    project.run(settings(column="Instrument", ignore=(":",)))
    assert volumes(project, "ES") == [0]
    assert not project.quarantine()


def test_files_can_be_renamed_and_left_out(project: Any) -> None:
    header, row = rows("x").splitlines()
    text = f"{header.rpartition(',')[0]}\n{row.rpartition(',')[0]}\n"
    for name in ("BRK.B.txt", "@ES.txt", "M2K.txt", "notes.txt"):
        project.write(f"data/raw/{name}", text)
    source = Source(
        glob="data/raw/*",
        dialect="A",
        columns=("date", "time", "open", "high", "low", "close", "volume"),
        timezone="UTC",
        instrument=InstrumentRule(pattern=r"^(.+)\.txt$", map={"@ES": "ES"}, ignore=("^notes",)),
    )
    run = project.run(Settings(sources=(source,), instruments=("BRK.B", "ES", "M2K")))
    assert not run.warnings
    for name in ("BRK.B", "ES", "M2K"):
        assert len(project.rows(name, MONTH)) == 1


@pytest.mark.parametrize("name", ["ES", "6E", "M2K", "BRK.B", "BTC-USD", "ES_F", "0"])
def test_names_that_file_systems_take(name: str) -> None:
    assert layout.is_instrument(name)
    path = layout.path("data", layout.key(name, layout.BARS), MONTH)
    assert layout.covered(path) == (name, MONTH)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a..b", "a.", ".a", "-a", "a/b", "a b", "@ES", "con", "NUL.x", "É", "x" * 33],
)
def test_names_that_some_file_system_does_not_take(name: str) -> None:
    assert not layout.is_instrument(name)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"column": "a", "constant": "ES"}, "exactly one of pattern, column and constant"),
        ({"column": "a", "pattern": "^[A-Z]+"}, "has no group"),
        ({"column": "a", "ignore": ("(",)}, "instrument.ignore '('"),
        ({"column": "a", "map": {"@ES": "@ES"}}, "'@ES' is not a valid name"),
        ({"constant": "a b"}, "'a b' is not a valid name"),
        ({"constant": "ES", "map": {"a": "b"}}, "a constant needs neither map nor ignore"),
    ],
)
def test_a_rule_that_cannot_be_right_is_refused(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match="instrument") as caught:
        InstrumentRule(**rule)
    assert words in str(caught.value)
