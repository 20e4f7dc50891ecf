"""A growing file of ticks that goes on at a time it has shown before is read anew, as a whole.

What replaces the ticks of a time stamp must be all of them.
"""

from __future__ import annotations

from typing import Any

import pytest
from pipekit_translator.settings import Settings, Source
from pipekit_translator.work.read.rawfile import BLOCK

SETTINGS = Settings(
    sources=(Source(glob="data/raw/*.txt", dialect="N", timezone="UTC", growing=True),)
)
DATE = "2020-01-06"


@pytest.fixture
def grown(project: Any) -> Any:
    """Append to the file, run, and give back the prices of the day."""
    file = project.write("data/raw/ES 03-20.Last.txt", "")

    def grown(*lines: str) -> list[float]:
        with file.open("a") as stream:
            stream.write("".join(f"{line}\n" for line in lines))
        assert project.run(SETTINGS).failed == {}
        return sorted(row[1] for row in project.ticks("ES", DATE))

    return grown


def tick(second: int, price: float) -> str:
    return f"20200106 1530{second:02} 0000000;{price};{price};{price};1"


def test_also_where_later_times_come_with_it(grown: Any) -> None:
    assert grown(tick(1, 1), tick(1, 2)) == [1, 2]
    assert grown(tick(1, 3), tick(2, 4)) == [1, 2, 3, 4]


def test_also_where_nothing_but_a_blank_line_came_in_between(grown: Any) -> None:
    assert grown(tick(1, 1), tick(1, 2)) == [1, 2]
    assert grown("") == [1, 2]
    assert grown(tick(1, 3)) == [1, 2, 3]


def test_also_where_that_time_came_long_before_the_end(grown: Any) -> None:
    """In another block of the file; what came after it was earlier."""
    others = [tick(second, 909) for second in (1, 2, 3)]
    count = BLOCK // sum(map(len, others)) + 1
    assert grown(tick(59, 901), tick(59, 902), *(others * count))[:3] == [901, 902, 909]
    assert grown(tick(59, 903))[:4] == [901, 902, 903, 909]
