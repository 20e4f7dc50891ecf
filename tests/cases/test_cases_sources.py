"""Every case's file: `pipekit sources` proposes what reads it, and shows the rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipekit.cli.main import run_command_line

KNOWN = {  # what a person finds out, and the files do not say
    "09": "America/New_York+07:00",
    "10": "America/New_York+07:00",
    "13": "UTC",
    "13b": "UTC",
    "18e": "America/New_York",
    "20": "America/Chicago",
    "25": "America/Chicago",
    "26c": "America/New_York",
    "32": "UTC",
    "35": "UTC",
    "36": "UTC",
    "38": "UTC",
    "38c": "UTC",
    "38h": "UTC",
    "39b": "America/New_York",
    "39c": "America/New_York",
}
PRESETS = {
    "09": "metatrader5",
    "10": "metatrader5-ticks",
    "13": "sierra-chart",
    "13b": "sierra-chart",
    "14b": "databento",
    "14c": "databento",
    "16": "polygon",
    "17b": "yfinance",
    "18b": "ib_insync",
    "18e": "ibapi",
    "20": "barchart",
    "21b": "kibot",
    "22": "cryptodatadownload",
    "25": "ninjatrader7",
    "26c": "ninjatrader7-ticks",
    "32": "A",
}
HEAD = '[stages.translator.settings]\ninstruments = ["*"]\n\n'
NUMBERS = sorted({*KNOWN, *PRESETS, "04", "15b", "46"})
FIRST = {  # time in UTC, prices and volume of the first row, as in the other tests of these cases
    "09": ("2023-03-01 13:30:00", 1.06975, 1.06977, 1.06974, 1.06974, 474),
    "04": ("2013-02-01 00:00:00", 91.7, 91.702, 91.697, 91.701, None),
    "13": ("2008-05-04 22:00:00", 1413.5, 1414.25, 1412.75, 1413.75, 141),
    "15b": ("2024-01-02 08:04:00", 4500.0, 4500.0, 4499.25, 4499.25, 173),
    "18b": ("2024-07-24 13:30:00", 1.0857, 1.08575, 1.08545, 1.0855, None),
    "20": ("2020-03-20 20:08:00", 2405.5, 2405.5, 2405.0, 2405.25, 405),
    "21b": ("2020-01-02 14:30:00", 323.54, 323.56, 323.5, 323.51, 346),
    "22": ("2021-11-07 04:59:00", 61999.46, 61999.5, 61999.44, 61999.5, 4.38),
    "25": ("2020-03-12 19:31:00", 2490.25, 2491.0, 2489.75, 2489.75, 26),
    "35": ("2024-01-02 14:30:00", 4800.0, 4801.0, 4799.75, 4801.0, 59),
    "38c": ("2024-01-02 14:30:00", 4800.0, 4801.0, 4799.5, 4800.75, 286),
}


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """What `pipekit sources` prints as JSON in the working directory."""

    def call(*words: str) -> Any:
        capsys.readouterr()
        assert run_command_line(["sources", *words]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return call


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_proposed_for_a_case_reads_it(
    case: Any, number: str, typed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = case(number).root
    monkeypatch.chdir(root)
    names = sorted(str(path.relative_to(root)) for path in root.glob("data/raw/*"))
    found = typed("detect", "--json", *names)
    assert found["unread"] == []
    (proposal,) = found["proposals"]
    assert proposal["source"].get("dialect") == PRESETS.get(number)
    assert {*proposal["unknown"]} == ({"timezone"} if number in KNOWN else set())
    pasted = proposal["toml"].replace("# timezone = ...", f'timezone = "{KNOWN.get(number)}"')
    (root / "pipekit.toml").write_text(HEAD + pasted, "utf-8")
    tried = typed("try", "--json", names[-1])
    assert tried["rejected"] == ""
    assert tried["read"] > 40
    if number in FIRST:
        assert (tried["rows"][0]["utc"], *list(tried["rows"][0].values())[4:]) == FIRST[number]
