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
