"""Sources are proposed for raw files; what is proposed reads them, once a person adds the zone."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pipekit_translator import presets
from pipekit_translator.detect import Proposal, Unread, propose
from pipekit_translator.dialects import InstrumentRule
from pipekit_translator.settings import Settings
from pipekit_translator.sources import Source

from .test_translator_presets import SAMPLES, Sample, sample_id

HEADER = "Time,Open,High,Low,Close,Volume"
ROWS = [f"2024-01-{2 + i // 30:02} 14:{i % 60:02}:00" for i in range(40)]


def table(form: str = "{stamp},{o},{h},{l},{c},{v}", header: str = HEADER, rows: int = 40) -> str:
    """Bars of two days."""
    lines = [header] if header else []
    for at, stamp in enumerate(ROWS[:rows]):
        price = 4800 + at / 4
        numbers = {"o": price, "h": price + 1, "l": price - 1, "c": price + 0.25, "v": 100 + at}
        lines.append(form.format(stamp=stamp, **numbers))
    return "".join(f"{line}\n" for line in lines)


@pytest.fixture
def proposed(tmp_path: Path) -> Any:
    """What is proposed for a file with this content."""

    def detect(content: str | bytes, name: str = "ES.csv") -> Proposal | Unread:
        file = tmp_path / "data/raw" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        (found,) = propose([str(file)], str(tmp_path))
        return found

    return detect


def completed(proposal: Proposal, **more: Any) -> Source:
    """The source as a person pastes it, with what is unknown."""
    (given,) = tomllib.loads(proposal.toml())["stages"]["translator"]["settings"]["sources"]
    for name in ("instrument", "date"):
        if isinstance(given.get(name), dict):
            given[name] = InstrumentRule(**given[name])
    if "columns" in given:
        given["columns"] = tuple(given["columns"])
    return Source(**{**given, **more})


def published(project: Any, source: Source, sample: Sample) -> Any:
    settings = Settings(sources=(source,), instruments=("*",), final_after=0.0)
    project.write(f"data/raw/{sample.file}", sample.text)
    run = project.run(settings)
    assert not run.all("rejected"), run.all("rejected")
    date = sample.rows[0][0][:10]
    if len(sample.rows[0]) == 5:
        return project.ticks(sample.instrument, date)
    return project.rows(sample.instrument, date[:7])


@pytest.mark.parametrize("sample", SAMPLES, ids=sample_id)
def test_what_is_proposed_reads_the_file(project: Any, proposed: Any, sample: Sample) -> None:
    """The same rows as the preset, once zone and instrument are added."""
    found = proposed(sample.text, sample.file)
    assert isinstance(found, Proposal), found
    assert found.reasons
    preset = presets.find(sample.preset)
    assert preset is not None
    known: dict[str, Any] = {
        "timezone": sample.more.get("timezone") or preset.parts.timezone or "UTC"
    }
    given: dict[str, Any] = {name: known[name] for name in found.unknown if name in known}
    if "instrument" in found.unknown or found.source.get("instrument"):
        given["instrument"] = InstrumentRule(constant=sample.instrument)
    source = completed(found, **given)
    assert published(project, source, sample) == sample.rows


@pytest.mark.parametrize("sample", SAMPLES, ids=sample_id)
def test_the_preset_is_named(proposed: Any, sample: Sample) -> None:
    """By itself, or as an alternative where the files alone do not tell."""
    found = proposed(sample.text, sample.file)
    same = {"C": "ninjatrader7", "N": "ninjatrader8-ticks"}
    wanted = same.get(sample.preset, sample.preset)
    text = found.toml()
    assert f'dialect = "{wanted}"' in text, text


def test_a_zone_that_the_file_does_not_say_is_never_proposed(proposed: Any) -> None:
    """The configuration is refused until somebody writes it."""
    found = proposed(table())
    assert "timezone" in found.unknown
    assert "timezone" not in found.source
    assert "# timezone = ...  # needed: the zone of the time stamps" in found.toml()
    with pytest.raises(ValueError, match="its time stamps have no time zone"):
        completed(found)


@pytest.mark.parametrize("sample", SAMPLES, ids=sample_id)
def test_only_a_documented_zone_is_taken_for_granted(proposed: Any, sample: Sample) -> None:
    """A preset that asks for the zone is never proposed with one."""
    found = proposed(sample.text, sample.file)
    assert "timezone" not in found.source
    if "timezone" in sample.more and sample.preset != "N":  # only NinjaTrader 8 writes such files
        assert "timezone" in found.unknown


ORDINARY = table()


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (ORDINARY, {"columns": ["timestamp=Time", "open", "high", "low", "close", "volume"]}),
        (table("{stamp};{o};{h};{l};{c};{v}", HEADER.replace(",", ";")), {"separator": ";"}),
        (table("{stamp}\t{o}\t{h}\t{l}\t{c}\t{v}", HEADER.replace(",", "\t")), {"separator": "\t"}),
        (table("{stamp}|{o}|{h}|{l}|{c}|{v}", HEADER.replace(",", "|")), {"separator": "|"}),
        (
            table("{stamp};{o};{h};{l};{c};{v}", HEADER.replace(",", ";")).replace(".", ","),
            {"decimal": ",", "separator": ";"},
        ),
        (table('{stamp},"{o:,.2f}","{h:,.2f}","{l:,.2f}","{c:,.2f}",{v}'), {"thousands": ","}),
        (
            table(
                "{stamp};{o:,.2f};{h:,.2f};{l:,.2f};{c:,.2f};{v}", HEADER.replace(",", ";")
            ).translate(str.maketrans(",.", ".,")),
            {"decimal": ",", "thousands": "."},
        ),
        (table("{stamp},{o},{h},{l},{c},{v}.5"), {"volume_type": "float"}),
        (table("{stamp},{o},{h},{l},{c},-1"), {"missing_volume": "null"}),
        (table("{stamp},{o},{h},{l},{c},"), {"missing_volume": "null"}),
        (table("{stamp},{o},{h},{l},{c}", "Time,Open,High,Low,Close"), {"volume": "none"}),
        (
            table("{stamp},{o},{h},{l},{c},{v},3", f"{HEADER[:-6]}Up,Down"),
            {
                "columns": [
                    *("timestamp=Time", "open", "high", "low", "close"),
                    "volume=Up+Down",
                ]
            },
        ),
        ("made by a program\n\n" + ORDINARY, {"skip_lines": 2}),
        (f"sep=,\n{ORDINARY}", {"separator": ","}),
        (table("{stamp},{o},{h},{l},{c},{v},"), {"header": True}),
        (
            table("{v},{c},{l},{h},{o},{stamp}", "Volume,Close,Low,High,Open,When"),
            {"columns": ["close", "low", "high", "open", "timestamp=When", "volume"]},
        ),
        (
            table("{stamp},{o},{h},{l},{c},{v},{v}", f"{HEADER},Volume"),
            {"columns": ["timestamp=Time", "open", "high", "low", "close", "volume=#6"]},
        ),
        (
            table("{stamp},{c},{v}", "Time,Price,Size"),
            {"columns": ["timestamp=Time", "price", "volume=Size"]},
        ),
        (
            table("{stamp},{l},{c},{v}", "Time,Bid,Ask,Volume"),
            {"columns": ["timestamp=Time", "bid", "ask", "volume"]},
        ),
        (table("{stamp},{c},{v}", ""), {"columns": ["timestamp", "price", "volume"]}),
        (table("{stamp},{o},{h},{l},{c}", ""), {"volume": "none", "header": False}),
        (
            table("ES,{stamp},{o},{h},{l},{c},{v}", ""),
            {
                "columns": ["instrument", "timestamp", *("open", "high", "low", "close", "volume")],
                "instrument": {"column": "instrument"},
            },
        ),
        (
            table("ES,{stamp},{o},{h},{l},{c},{v}", f"Symbol,{HEADER}"),
            {"instrument": {"column": "Symbol"}},
        ),
        (
            table("@ES#,{stamp},{o},{h},{l},{c},{v}", f"Symbol,{HEADER}"),
            {"instrument": {"column": "Symbol", "pattern": r"([A-Za-z0-9][A-Za-z0-9_.\-]*)"}},
        ),
        (f"{ORDINARY}Total: 40 rows\nmade by a program\n", {"skip_footer": True}),
        (
            table("{stamp} {o} {h} {l} {c} {v}", "Date Time Open High Low Close Volume"),
            {"separator": " "},
        ),
        (
            table("{stamp},{o},{h},{l},{c},{v}", HEADER.replace("Time", "Date")),
            {"columns": ["timestamp=Date", "open", "high", "low", "close", "volume"]},
        ),
    ],
)
def test_what_the_file_shows_is_proposed(
    project: Any, proposed: Any, content: str, parts: dict[str, Any]
) -> None:
    found = proposed(content)
    assert isinstance(found, Proposal), found
    assert {name: found.source.get(name) for name in parts} == parts
    source = completed(found, timezone="UTC", instrument=InstrumentRule(constant="ES"))
    project.write("data/raw/ES.csv", content)
    run = project.run(Settings(sources=(source,), final_after=0.0))
    assert not run.all("rejected"), run.all("rejected")
    assert project.quarantine() == []
    bars = "price" not in found.toml() and "bid" not in found.toml()
    if bars:
        row = project.rows("ES", "2024-01")[0]
        assert row[:5] == ("2024-01-02T14:00", 4800.0, 4801.0, 4799.0, 4800.25)
        assert len(project.rows("ES", "2024-01")) == 40
    else:
        assert len(project.ticks("ES", "2024-01-02")) == 30


@pytest.mark.parametrize(
    ("stamp", "format"),
    [
        ("2024-01-02 14:30:00", "%Y-%m-%d %H:%M:%S"),
        ("2024-01-02T14:30:00Z", "%Y-%m-%dT%H:%M:%SZ"),
        ("2024-01-02T14:30:00.123456Z", "%Y-%m-%dT%H:%M:%S.%6fZ"),
        ("2024-01-02 14:30:00-05:00", "%Y-%m-%d %H:%M:%S%z"),
        ("2024/1/2 14:30", "%Y/%m/%d %H:%M"),
        ("01/13/2024 02:30 PM", "%m/%d/%Y %I:%M %p"),
        ("13/01/2024 14:30", "%d/%m/%Y %H:%M"),
        ("13.01.2024 14:30:00", "%d.%m.%Y %H:%M:%S"),
        ("13-Jan-2024 14:30", "%d-%b-%Y %H:%M"),
        ("20240102 143000", "%Y%m%d %H%M%S"),
        ("20240102 14:30:00 US/Eastern", "%Y%m%d %H:%M:%S US/Eastern"),
        ("1704205800", "epoch_s"),
        ("1704205800123", "epoch_ms"),
        ("1704205800123456", "epoch_us"),
        ("1704205800123456789", "epoch_ns"),
    ],
)
def test_a_time_stamp_is_told(proposed: Any, stamp: str, format: str) -> None:
    found = proposed(f"When,Price,Size\n{stamp},4800.25,3\n{stamp},4800.5,1\n")
    assert found.source["timestamp_format"] == format
    zoned = format[-1] in "Zz" or format.startswith("epoch") or "/" in format[-8:]
    assert ("timezone" in found.unknown) == (not zoned)


def test_day_and_month_that_cannot_be_told_apart_are_said(proposed: Any) -> None:
    found = proposed("When,Price,Size\n01/02/2024 14:30,4800.25,3\n01/02/2024 14:31,4800.5,1\n")
    assert "day and month could be the other way round in timestamp_format" in found.check
    assert any("%d/%m/%Y" in other for other in found.alternatives)


def test_an_interval_that_is_no_minute_is_proposed(proposed: Any) -> None:
    row = "2024-01-02 14:{:02}:{:02},1,2,1,1.5,3"
    longer = proposed("\n".join([HEADER, *(row.format(5 * i, 0) for i in range(12)), ""]))
    assert longer.source["interval"] == "5m"
    assert "the bars are 5m apart" in longer.reasons
    shorter = proposed("\n".join([HEADER, *(row.format(30, 5 * i) for i in range(12)), ""]))
    assert shorter.source["interval"] == "5s"
    assert 'the bars are 5s apart; aggregate = "1m" makes bars of 1m of them' in shorter.reasons
    source = completed(shorter, timezone="UTC", aggregate="1m")
    assert (source.resolved().interval, source.aggregate) == ("5s", "1m")


def test_whether_bars_are_stamped_by_their_close_is_not_known(proposed: Any) -> None:
    found = proposed(table())
    assert found.source["bar_time"] == "open"
    assert any("stamps bars by their open or their close" in text for text in found.check)


PACKED = {
    "ES.csv.gz": gzip.compress(ORDINARY.encode()),
    "ES.csv.bz2": bz2.compress(ORDINARY.encode()),
    "ES.csv.xz": lzma.compress(ORDINARY.encode()),
    "ES-utf16.csv": ORDINARY.encode("utf-16"),
    "ES-bom.csv": b"\xef\xbb\xbf" + ORDINARY.encode(),
    "ES-cr.csv": ORDINARY.replace("\n", "\r").encode(),
    "ES-crlf.csv": ORDINARY.replace("\n", "\r\n").encode(),
}


@pytest.mark.parametrize("name", PACKED)
def test_packed_and_encoded_files_are_looked_into(proposed: Any, name: str) -> None:
    found = proposed(PACKED[name], name)
    assert found.source["columns"][0] == "timestamp=Time"
    assert "40 bars" in found.reasons[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\n\n\r\n", "it is empty"),
        (b"PAR1" + bytes(100), "it is a Parquet file"),
        (bytes(range(256)) * 40, "it is binary data"),
        (b"\0\1\2\3" * 2000, "it is binary data"),
        (gzip.compress(ORDINARY.encode())[:100], "gzip data are damaged or cut off"),
        (b"PK\x03\x04" + bytes(30), "zip data are damaged"),
        (b"hello\nworld\n", "its columns are not recognized"),
        (f"{HEADER}\n".encode(), "it has one line"),
        (b"a,b,c\n1,2,3\n4,5,6\n", "its columns are not recognized"),
        (b'"' * 100_000, "it has one line"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
    ],
    ids=range(12),
)
def test_what_cannot_be_told_gets_one_sentence(proposed: Any, content: bytes, reason: str) -> None:
    found = proposed(content)
    assert isinstance(found, Unread)
    assert reason in found.reason
    assert "\n" not in found.reason


def test_a_missing_file_and_a_folder_get_one_sentence(tmp_path: Path) -> None:
    missing, folder = propose([str(tmp_path / "none.csv"), str(tmp_path)])
    assert (missing.reason, folder.reason) == (
        "there is no such file",
        "it is a folder: name the files in it",
    )


def test_files_of_one_kind_share_a_source(tmp_path: Path) -> None:
    raw = tmp_path / "data/raw/mine"
    raw.mkdir(parents=True)
    for name in ("ES.csv", "NQ.csv"):
        (raw / name).write_text(ORDINARY)
    (raw / "ticks_1.csv").write_text(table("{stamp},{c},{v}", "Time,Price,Size"))
    bars, ticks = propose([str(file) for file in sorted(raw.iterdir())], str(tmp_path))
    assert [Path(file).name for file in bars.files] == ["ES.csv", "NQ.csv"]
    assert (bars.instruments, ticks.instruments) == (("ES", "NQ"), ("ticks",))
    assert ticks.glob == "data/raw/mine/ticks_*.csv"
    assert bars.glob != ticks.glob


def test_files_of_two_kinds_with_like_names_share_no_glob(tmp_path: Path) -> None:
    """A file that two sources match is an error: the proposal must not make it one."""
    raw = tmp_path / "data/raw"
    raw.mkdir(parents=True)
    (raw / "ES1.csv").write_text(ORDINARY)
    (raw / "ES2.csv").write_text(ORDINARY.replace("Time,", "When,"))
    found = propose([str(file) for file in sorted(raw.iterdir())], str(tmp_path))
    assert [each.glob for each in found] == ["data/raw/ES1.csv", "data/raw/ES2.csv"]


def test_files_outside_the_project_are_to_be_moved_below_raw(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere/ES.csv.gz"
    file.parent.mkdir()
    file.write_bytes(gzip.compress(ORDINARY.encode()))
    (found,) = propose([str(file)], str(tmp_path / "project"))
    assert found.glob == "{raw}/*.csv.gz"


def test_the_toml_is_toml_whatever_the_file_is_called(proposed: Any) -> None:
    found = proposed(ORDINARY, 'E"S\n[x] #.csv')
    source = completed(found, timezone="UTC", instrument=InstrumentRule(constant="ES"))
    assert source.glob == "data/raw/*.csv"
