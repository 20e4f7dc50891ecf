"""Cases of instruments in columns and in names."""

from __future__ import annotations

from typing import Any

CONTRACTS = """{ column = "symbol", pattern = '^([A-Z]+)[FGHJKMNQUVXZ]\\d{1,2}$' }"""


def test_14b_a_pattern_reads_the_root_of_a_contract(case: Any) -> None:
    """Before and after the settings name the root; contracts of one root are another matter."""
    refused = case("14b").run()
    assert refused.code == 1
    assert "unknown instrument 'ESM8'" in " ".join(refused.output.split())
    ended = case("14b").set(instrument=CONTRACTS).run()
    assert ended.code == 0, ended.output
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
