"""Cases of instruments in columns and in names."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest

CONTRACTS = """{ column = "symbol", pattern = '^([A-Z]+)[FGHJKMNQUVXZ]\\d{1,2}$' }"""


def test_14b_a_pattern_reads_the_root_of_a_contract(case: Any) -> None:
    """Before and after the settings name the root. Its contracts are not mixed."""
    refused = case("14b").run()
    assert refused.code == 1
    assert "unknown instrument 'ESM8'" in " ".join(refused.output.split())
    refused = case("14b").set(instrument=CONTRACTS).run()
    assert refused.instruments() == []
    assert "it holds several contracts of ES: 201806 and 201809" in " ".join(refused.output.split())
    ended = case("14b").set(instrument=CONTRACTS, roll='"separate"').run()
    assert ended.code == 0, ended.output
    assert [len(ended.rows(name)) for name in ended.instruments()] == [150, 50]
    ended = case("14b").set(instrument=CONTRACTS, roll='"front"').run()
    assert len(ended.values("ES")) == 150
    assert ended.instruments() == ["ES"]


def test_14c_one_odd_symbol_is_set_aside(case: Any) -> None:
    here = case("14c")
    ended = here.run()
    ended.same(here.expected())
    (row,) = ended.quarantine()
    assert row["reason"].startswith("'UD:1V: VT 2754951' is not a valid instrument name")


def test_21b_a_dot_in_a_name(case: Any) -> None:
    rows = case("21b").run().values("BRK.B")
    assert rows[0] == ("2020-01-02 14:30", 323.54, 323.56, 323.5, 323.51, 346)
    renamed = """{ pattern = '^(.+)\\.txt', map = { "BRK.B" = "BRKB" } }"""
    assert case("21b").set(instrument=renamed).run().values("BRKB") == rows


def test_25_a_second_contract_is_rejected(case: Any) -> None:
    """Of the same root, with the remedy; the first one is published whole."""
    here = case("25")
    ended = here.run()
    assert ended.code == 1
    said = " ".join(ended.output.split())
    assert "it holds the contract 202006 of ES, not 202003" in said
    assert 'set roll for the source, to "front"' in said
    (rows,) = here.expected().values()
    for column in rows[0]:
        assert [row[column] for row in ended.rows("ES")] == [row[column] for row in rows], column
    assert here.pipekit("run").code == 0  # told once


def test_25_contracts_by_a_rule(case: Any) -> None:
    """Each exchange day from one, or each an instrument; nothing is mixed."""
    here = case("25").set(roll='"front"')
    here.run().same(here.expected())
    apart = case("25").set(roll='"separate"').run()
    assert apart.instruments() == ["ES-202003", "ES-202006"]
    assert [len(apart.rows(name)) for name in apart.instruments()] == [350, 233]
    table = case("25").set(roll='{ "2020-03-12" = "ES 06-20" }').run()
    assert len(table.values("ES")) == 233


TICKS = """[pipeline]
stages = ["translator"]
[stages.translator.settings]
instruments = ["ES"]
[[stages.translator.settings.sources]]
glob = "data/raw/*.Last.txt"
dialect = "N"
timezone = "UTC"
"""


@pytest.mark.parametrize("runs", [1, 2])
def test_44_contracts_in_ticks(case: Any, runs: int) -> None:
    """In one run or in two; then by a rule."""
    here = case("44")
    (here.root / "pipekit.toml").write_text(TICKS)
    (here.root / "data/raw").mkdir(parents=True)
    random.seed(3)
    for number, (name, price) in enumerate((("ES 03-20", 2500.0), ("ES 06-20", 2489.5))):
        at, lines = dt.datetime(2020, 3, 12, 14, 31), []
        for _ in range(600):
            at += dt.timedelta(microseconds=random.randint(1, 9) * 100_000)
            stamp = f"{at:%Y%m%d %H%M%S} {at.microsecond * 10:07d}"
            lines.append(f"{stamp};{price:g};{price - 0.25:g};{price:g};1\n")
        (here.root / f"data/raw/{name}.Last.txt").write_text("".join(lines))
        if number or runs == 2:
            ended = here.run()
    assert ended.code == 1
    assert "it holds the contract 202006 of ES" in " ".join(ended.output.split())
    assert [row["price"] for row in ended.rows("ES", "tick")] == [2500.0] * 600
    front = here.set(roll='"front"').run()
    assert front.code == 0, front.output
    assert [row["price"] for row in front.rows("ES", "tick")] == [2500.0] * 600
