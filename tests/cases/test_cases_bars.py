"""Cases of bars that were lost, false or far from all others."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("number", ["39b", "39c"])
def test_39_the_doubled_hour(case: Any, number: str) -> None:
    found = case(number)
    ended = found.run()
    ended.same(found.expected())
    assert "different values" not in ended.output


def test_26_ticks_with_the_newest_first(case: Any) -> None:
    found = case("26c")
    found.run().same(found.expected())


def test_18_bars_of_five_seconds(case: Any) -> None:
    """Refused by their name; published as what they are; made into minutes."""
    refused = case("18e").run()
    assert refused.code != 0
    assert refused.instruments() == []
    assert "its bars are 5s apart, not 1m: set interval = '5s'" in " ".join(refused.output.split())
    kept = case("18e").set(interval='"5s"').run()
    assert kept.code == 0, kept.output
    assert len(kept.rows("ES", "5s")) == 360
    found = case("18e").set(interval='"5s"', aggregate='"1m"')
    found.run().same(found.expected())


def test_38_bars_of_zeros(case: Any) -> None:
    ended = case("38h").run()
    assert {row[1] == 0 for row in ended.values("ES")} == {False}
    assert len(ended.values("ES")) == 270
    assert len(ended.quarantine()) == 30
    assert "30 rows set aside" in ended.output
