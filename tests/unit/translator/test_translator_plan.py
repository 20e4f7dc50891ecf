"""What the plan says, refuses and leaves alone; and what settings can be written."""

from __future__ import annotations

from typing import Any

import pytest
from pipekit_translator import layout
from pipekit_translator.dialects import InstrumentRule
from pipekit_translator.settings import Settings, Source

from pipekit import ConfigError

EXPORT = "data/raw/DataExport_ES_20200107_000500_UTC.csv"
DAY = "data/raw/ES/1m/2020/01/ES_1m_2020-01-06.csv"


def test_the_default_sources_take_exports_and_daily_files_below_raw(project: Any) -> None:
    """Also where `raw` is another folder."""
    minute = "data/raw/x/MinuteDataExport_GC_20200107_000500_UTC.csv"
    for path in (EXPORT, DAY, minute):
        project.write(path, "")
        project.write(path.replace("data/raw", "in"), "")
    assert sorted(i.path for i in project.plan().inputs) == sorted((EXPORT, DAY, minute))
    there = project.plan(Settings(raw="in"))
    assert {item.path.split("/")[0] for item in there.inputs} == {"in"}
    assert there.reason == "3 new files in in"


def test_a_file_that_no_source_matches_is_named_and_left_alone(project: Any) -> None:
    project.write("data/raw/ES 03-20.Last.txt", "x")
    planned = project.plan()
    assert not planned
    assert planned.reason == "nothing new in data/raw"
    assert planned.warnings[0].startswith("no source matches data/raw/ES 03-20.Last.txt")


def test_a_file_that_two_sources_match_is_a_configuration_error(project: Any) -> None:
    project.write(DAY, "")
    wide = Source(glob="data/raw/**/*.csv", dialect="D")
    narrow = Source(glob="data/raw/**/1m/**/*.csv", dialect="D")
    with pytest.raises(ConfigError, match="matches several sources") as caught:
        project.plan(Settings(sources=(wide, narrow)))
    assert DAY in str(caught.value)
    assert repr(narrow.glob) in str(caught.value)


REFUSED = {
    "its time stamps have no time zone; set timezone": {"dialect": "A"},
    "cannot be made of bars of '1m'": {"dialect": "A", "timezone": "UTC", "aggregate": "1m"},
    "'open' does not belong to ticks": {
        "dialect": "N", "timezone": "UTC", "columns": ("timestamp", "price", "open", "volume"),
    },
    "columns: volume missing .if the export has none, set volume = .none..": {
        "dialect": "N", "timezone": "UTC", "columns": ("timestamp", "bid", "ask"),
    },
    "a fraction .%f. needs seconds": {
        "dialect": "N", "timezone": "UTC", "timestamp_format": "%Y%m%d %H%M %7f",
    },
    "use one of A, B, C, D, T, N": {"dialect": "X", "timezone": "UTC"},
    "not in the tz database": {"dialect": "A", "timezone": "Chicago"},
    "set a dialect, or else separator, header": {"timezone": "UTC"},
    "separator must be one ASCII character": {"dialect": "A", "timezone": "UTC", "separator": "::"},
    "unknown role 'close2'": {
        "dialect": "C", "timezone": "UTC",
        "columns": ("timestamp", "open", "high", "low", "close2", "volume"),
    },
    "columns: volume missing": {
        "dialect": "C", "timezone": "UTC", "columns": ("timestamp", "open", "high", "low", "close"),
    },
    "the role 'close' is given twice": {
        "dialect": "C", "timezone": "UTC",
        "columns": ("timestamp", "open", "high", "low", "close", "close", "volume"),
    },
    "each of %Y": {"dialect": "C", "timezone": "UTC", "timestamp_format": "%Y%m%d"},
    "one space between them": {
        "dialect": "A", "timezone": "UTC", "timestamp_format": "%Y-%m-%dT%H:%M:%S",
    },
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSED)
def test_a_source_that_would_have_to_be_guessed_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        Source(glob="data/raw/*.csv", **REFUSED[words])
    assert "data/raw/*.csv" in str(caught.value)


@pytest.mark.parametrize("glob", ["../raw/*.csv", "data/../../*.csv"])
def test_a_source_outside_the_project_is_refused_by_its_setting(glob: str) -> None:
    """By name and at once: its plan would fail as well, and could not say which setting it is."""
    with pytest.raises(ValueError, match=r"glob must name files below the project's root"):
        Source(glob=glob, dialect="A", timezone="UTC")
    Source(glob="data/a/../*.csv", dialect="A", timezone="UTC")
    Source(glob="/mnt/exports/*.csv", dialect="A", timezone="UTC")  # if it is one of [paths] inputs


@pytest.mark.parametrize(
    "rule",
    [{}, {"pattern": "(a)", "constant": "ES"}, {"pattern": "^[A-Z]+"}, {"pattern": "("}],
)
def test_an_instrument_stands_in_exactly_one_place(rule: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="instrument"):
        InstrumentRule(**rule)


@pytest.mark.parametrize(
    ("dialect", "name", "instrument"),
    [
        ("B", "CL.csv", "CL"),
        ("C", "ES 03-20.Last.txt", "ES"),
        ("C", "M2K 03-20.Last.txt", "M2K"),
        ("C", "GC0320.dat", "GC"),
        ("C", "2020.txt", None),
        ("D", "MES_1m_2020-01-06.csv", "MES"),
    ],
)
def test_the_presets_find_the_instrument_in_the_name(
    dialect: str, name: str, instrument: str | None
) -> None:
    source = Source(glob="x", dialect=dialect, timezone="UTC")
    assert list(source.resolved().instrument.of_names([name])) == [instrument]


@pytest.mark.parametrize("folder", ["/data", "../data", ""])
def test_folders_lie_below_the_projects_root(folder: str) -> None:
    with pytest.raises(ValueError, match="below the project's root"):
        Settings(processed=folder)


def test_a_change_that_only_concerns_other_files_makes_none_pending(project: Any) -> None:
    """The list of instruments does not count for a file whose name says an accepted one."""
    project.write(DAY, "")
    project.run()
    assert not project.plan(Settings(instruments=("ES", "ZB"), final_after=60.0))
    assert project.plan(Settings(max_bad_fraction=0.02))


def test_a_preset_and_its_parts_are_the_same_reading(project: Any) -> None:
    parts = Source(
        glob="data/raw/**/*.csv",
        separator=",",
        header=True,
        columns=("timestamp=timestamp_utc", "open", "high", "low", "close", "volume"),
        timestamp_format="%Y-%m-%dT%H:%M:%SZ",
        instrument=InstrumentRule(pattern="^([^_]+)_"),
        growing=True,
    )
    project.write(DAY, "")
    project.run()
    assert not project.plan(Settings(sources=(parts,)))


def test_days_are_kept_small_and_come_back_whole() -> None:
    one = {"ES": {"2020-01": 1 << 1 | 1 << 6 | 1 << 31}}
    other = {"ES": {"2020-01": 1 << 6, "2020-02": 1 << 3}}
    assert [*layout.dates(layout.union([one, other]))] == [
        ("ES", "2020-01-01"), ("ES", "2020-01-06"), ("ES", "2020-01-31"), ("ES", "2020-02-03"),
    ]  # fmt: skip
    assert [*layout.dates(layout.both(one, other))] == [("ES", "2020-01-06")]
    assert layout.without(other, other) == {}
    assert layout.named(one, limit=2) == "ES 2020-01-01, ES 2020-01-06 and 1 more"
    assert layout.covered("data/processed/ES/1m/2020/ES_1m_2020-01.parquet") == ("ES", "2020-01")
    assert layout.covered("data/processed/ES/tick/x.parquet") is None
