"""Which time stamps the compiled way can be told of; all others are left to the other way."""

from __future__ import annotations

import pytest
from pipekit_translator.layout import BARS
from pipekit_translator.stampformat import Stamp
from pipekit_translator.work.parse.kernel import layout_of


@pytest.mark.parametrize(
    ("stated", "taken"),
    [
        ("%Y%m%d %H%M%S", True),
        ("%Y-%m-%dT%H:%M:%S.%8fZ", True),
        ("%Y-%m-%dT%H:%M:%S.%9fZ", True),
        ("%Y-%m-%d" + " " * 40 + "%H:%M:%S", True),
        ("%Y-%m-%d" + " " * 48 + "%H:%M:%S", False),
        ("%Y年%m月%d日 %H:%M:%S", False),
    ],
)
def test_what_fits(stated: str, taken: bool) -> None:
    """More bytes than are looked at do not, nor more than bytes."""
    layout = layout_of(["timestamp", "close"], [("timestamp", Stamp.of(stated))], BARS)
    assert (layout is not None) == taken
