"""Statistics of stretches of rows, combined, are those of all rows."""

from __future__ import annotations

import numpy as np
import pytest
from pipekit_translator.layout import BARS
from pipekit_translator.settings import Quality
from pipekit_translator.work.publish.quality import Statistics
from pipekit_translator.work.table import Table
from pipekit_translator.work.zones import Zone

RULES = Quality()
ZONE = Zone("America/Chicago")


def bars(minutes: list[int]) -> Table:
    """Bars at these minutes since a Monday in winter, 06:00 UTC: midnight in Chicago."""
    time = (np.array(minutes, np.int64) * 60 + 1_704_693_600) * BARS.unit
    prices = tuple(np.full(len(minutes), 4800.25) for _ in range(4))
    return Table(time, prices, np.arange(1, len(minutes) + 1))


@pytest.mark.parametrize(
    "stretches",
    [
        [[0, 1, 2], [700, 701], [1439]],
        [[900], [901, 1440, 1441], [2 * 1440 + 900]],
        [[30], [], [31, 95]],
        [[], []],
    ],
)
def test_they_are_the_same_whether_rows_were_examined_together(stretches: list[list[int]]) -> None:
    together = Statistics("ES", ZONE, RULES)
    combined = Statistics("ES", ZONE, RULES)
    for minutes in stretches:
        together.add(bars(minutes))
        part = Statistics("ES", ZONE, RULES)
        part.add(bars(minutes))
        part.end()
        combined.append(part)
    assert combined.numbers() == together.numbers()
    assert combined.counts.tolist() == together.counts.tolist()
    assert combined.volumes.tolist() == together.volumes.tolist()


def test_one_that_has_ended_keeps_the_minutes_with_rows_alone() -> None:
    statistics = Statistics("ES", ZONE, RULES)
    statistics.add(bars([100, 102]))
    statistics.end()
    assert statistics.counts.tolist() == [1, 0, 1]
    assert statistics.volumes.tolist() == [1, 0, 2]
