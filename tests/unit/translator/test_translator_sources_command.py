"""`pipekit sources`: what its commands print, and how they end."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from pipekit_translator import presets

from pipekit.cli.main import run_command_line

CONFIGURED = """\
[stages.translator.settings]
instruments = ["ES"]

[[stages.translator.settings.sources]]
glob = "data/raw/*.csv*"
separator = ","
header = true
columns = ["timestamp=Time", "open", "high", "low", "close", "volume"]
timestamp_format = "%Y-%m-%d %H:%M"
timezone = "America/New_York"
instrument = { pattern = '^([A-Z]+)' }
"""
HEADER = "Time,Open,High,Low,Close,Volume"
ROWS = [
    "2024-01-02 09:30,4800,4801,4799.5,4800.25,157",
    "2024-01-02 09:31,4800.25,4790,4799.5,4800.25,1",
    "2024-07-02 09:30,4800,4801,4799.5,4800.25,3",
    "a line that is none",
]
TEXT = "\n".join([HEADER, *ROWS, ""])
WHOLE = "\n".join([HEADER, ROWS[0], ROWS[2], ""])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pipekit.toml").write_text(CONFIGURED)
    (tmp_path / "data/raw").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Answer(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def sources(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Calls `pipekit sources WORDS` in the project's folder."""

    def call(*words: str) -> Answer:
        capsys.readouterr()
        code = run_command_line(["sources", *words])
        return Answer(code, *capsys.readouterr())

    return call


def test_a_file_is_shown_as_it_would_be_read(project: Path, sources: Callable[..., Answer]) -> None:
    (project / "data/raw/ES.csv").write_text(TEXT)
    done = sources("try", "data/raw/ES.csv")
    assert done.code == 0
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        "file    data/raw/ES.csv",
        "source  data/raw/*.csv*: timezone America/New_York, stamps are the bars' open",
        "rows    2 bars of ES, 2 rows set aside",
    ]
    row = "2 2024-01-02 14:30:00 2024-01-02 08:30:00 ES 4800 4801 4799.5 4800.25 157"
    assert " ".join(lines[5].split()) == row
    assert lines[6].split()[1:5] == ["2024-07-02", "13:30:00", "2024-07-02", "08:30:00"]
    aside = done.stdout.partition("set aside:\n")[2]
    assert "3     high is below open or close" in aside
    assert "5     1 field instead of 6" in aside


def test_the_same_as_json(project: Path, sources: Callable[..., Answer]) -> None:
    (project / "data/raw/ES.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
    found = json.loads(sources("try", "data/raw/ES.csv.gz", "--json", "--rows", "1").stdout)
    (row,) = found.pop("rows")
    assert (row["line"], row["utc"], row["exchange"]) == (
        2,
        "2024-01-02 14:30:00",
        "2024-01-02 08:30:00",
    )
    assert (row["instrument"], row["high"], row["volume"]) == ("ES", 4801.0, 157)
    assert (found["read"], found["set_aside"], found["whole"]) == (2, 2, True)
    assert [aside["line"] for aside in found["aside"]] == [3]


def test_rows_far_off_are_among_those_set_aside(
    project: Path, sources: Callable[..., Answer]
) -> None:
    rows = [f"2024-01-02 09:{at:02},4800,4801,4799,4800,5" for at in range(40)]
    rows[20] = "2024-01-02 09:20,0,0,0,0,0"
    (project / "data/raw/ES.csv").write_text("\n".join([HEADER, *rows, ""]))
    found = json.loads(sources("try", "data/raw/ES.csv", "--json").stdout)
    (aside,) = found["aside"]
    assert (aside["line"], aside["text"]) == (22, rows[20])
    assert "a bar without trades" in aside["reason"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "no rows: a run would count it as empty, and publish nothing"),
        (b"PAR1....", "rejected: it is a Parquet file"),
        (b"a;b;c\n1;2;3\n", "rejected: line 1: no separator ','"),
        (f"{HEADER[:-7]}\n".encode(), "rejected: line 1: the header has no column volume"),
    ],
)
def test_a_file_without_rows_ends_with_1_and_a_reason(
    project: Path, sources: Callable[..., Answer], content: bytes, sentence: str
) -> None:
    (project / "data/raw/ES.csv").write_bytes(content)
    done = sources("try", "data/raw/ES.csv")
    assert done.code == 1
    assert sentence in done.stdout


def test_an_instrument_that_is_not_accepted_is_named(
    project: Path, sources: Callable[..., Answer]
) -> None:
    (project / "data/raw/NQ.csv").write_text(TEXT)
    done = sources("try", "data/raw/NQ.csv")
    assert done.code == 1
    assert "unknown instrument 'NQ'" in done.stdout


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("data/raw/none.csv", "there is no file data/raw/none.csv"),
        ("data/raw", "data/raw is a folder"),
        ("data/raw/x.txt", "`pipekit sources detect data/raw/x.txt` proposes one"),
        ("/etc/passwd", "it is outside the project"),
    ],
)
def test_a_file_that_no_run_would_read_is_refused(
    project: Path, sources: Callable[..., Answer], file: str, message: str
) -> None:
    (project / "data/raw/x.txt").write_text(TEXT)
    done = sources("try", file)
    assert done.code == 64
    assert message in " ".join(done.stderr.split())


def test_a_file_of_two_sources_is_refused(project: Path, sources: Callable[..., Answer]) -> None:
    twice = CONFIGURED + CONFIGURED.partition("\n\n")[2].replace("*.csv*", "E*")
    (project / "pipekit.toml").write_text(twice)
    (project / "data/raw/ES.csv").write_text(TEXT)
    done = sources("try", "data/raw/ES.csv")
    assert done.code == 3
    assert "matches several sources ('data/raw/*.csv*', 'data/raw/E*')" in done.stderr


def test_what_is_proposed_can_be_pasted_and_tried(
    project: Path, sources: Callable[..., Answer]
) -> None:
    """A person adds the zone, and nothing else."""
    (project / "data/raw/ES_1min.txt").write_text("2024-01-02 09:30:00,4800,4801,4799,4800,5\n")
    done = sources("detect", "data/raw/ES_1min.txt")
    assert done.code == 0
    assert "pipekit sources try FILE" in done.stderr
    pasted = done.stdout.replace("# timezone = ...", 'timezone = "America/New_York"')
    (project / "pipekit.toml").write_text(f"{CONFIGURED}\n{pasted}")
    tried = sources("try", "data/raw/ES_1min.txt")
    assert tried.code == 0
    assert "2024-01-02 14:30:00" in tried.stdout


def test_detect_needs_no_project_and_no_valid_configuration(
    project: Path, sources: Callable[..., Answer]
) -> None:
    (project / "ES.csv").write_text(WHOLE)
    (project / "pipekit.toml").write_text("[stages.translator.settings]\nsources = 3\n")
    assert sources("detect", "ES.csv").code == 0
    (project / "pipekit.toml").unlink()
    done = sources("detect", "ES.csv")
    assert done.code == 0
    assert 'glob = "{raw}/*.csv"' in done.stdout


def test_detect_says_which_instruments_are_not_accepted(
    project: Path, sources: Callable[..., Answer]
) -> None:
    (project / "data/raw/EURUSD.csv").write_text(WHOLE)
    done = sources("detect", "data/raw/EURUSD.csv")
    assert 'does not accept yet: "EURUSD"' in " ".join(done.stderr.split())
    (project / "data/raw/ES.csv").write_text(WHOLE)
    assert "accept yet" not in sources("detect", "data/raw/ES.csv").stderr


def test_detect_as_json_and_its_exit_code(project: Path, sources: Callable[..., Answer]) -> None:
    (project / "data/raw/ES.csv").write_text(WHOLE)
    (project / "data/raw/x.bin").write_bytes(bytes(range(256)) * 50)
    done = sources("detect", "data/raw/ES.csv", "data/raw/x.bin", "none", "--json")
    assert done.code == 1
    found = json.loads(done.stdout)
    (proposal,) = found["proposals"]
    assert proposal["files"] == ["data/raw/ES.csv"]
    assert proposal["source"]["timestamp_format"] == "%Y-%m-%d %H:%M"
    assert proposal["unknown"] == {"timezone": "the zone of the time stamps, which the file does "
                                   "not say"}  # fmt: skip
    assert [each["file"] for each in found["unread"]] == ["data/raw/x.bin", "none"]
    assert found["unread"][1]["reason"] == "there is no such file"


def test_list_names_each_preset_and_what_it_needs(sources: Callable[..., Answer]) -> None:
    lines = sources("list").stdout.splitlines()
    assert len(lines) == 1 + len(presets.every())
    by_name = {line.split()[0]: line for line in lines}
    assert by_name["multicharts"].endswith("timestamp_format, instrument, timezone")
    assert by_name["kibot"].endswith("Kibot: bars")
    record = {each["dialect"]: each for each in json.loads(sources("list", "--json").stdout)}
    assert record["metatrader5"]["needs"]["timezone"].startswith("the clock of the broker's")
