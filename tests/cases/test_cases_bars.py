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
