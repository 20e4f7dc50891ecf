"""Which scheduled starts did not happen."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from pipekit.model.timetable import Timetable

_LATE = 300.0  # seconds that a start may be late, at most the interval
_EARLY = 1.0  # seconds by which clocks may differ


class Starts(NamedTuple):
    """Scheduled starts since `begin`; `missed`: those at which nothing happened, as Unix times."""

    begin: float
    expected: int
    missed: list[float]


def look_for(
    timetable: Timetable, begin: float, now: float, known: Collection[tuple[float, float]]
) -> Starts:
    """The starts from `begin` until now that are due.

    `known`: from when until when runs went on, were held or were refused. A start during such a
    time has not been missed: the scheduler's command found it so, and left.
    """
    late = min(_LATE, timetable.every)
    expected = list(timetable.starts(begin, now - late))
    missed = [
        start
        for start in expected
        if not any(first < start + late and start - _EARLY <= last for first, last in known)
    ]
    return Starts(begin, len(expected), missed)
