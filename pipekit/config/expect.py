"""`[[expect]]`: what must come or happen again and again, and within which time."""

# No `from __future__ import annotations`: settings classes keep real types.

import datetime as dt
import re
from collections.abc import Iterator

from attrs import frozen

from pipekit.model.timetable import WEEKDAYS, Weekday
from pipekit.settings import Duration, setting

_SESSIONS = r"([1-9][0-9]{0,2}) sessions?"
_PERCENT = r"([0-9]{1,4}(?:\.[0-9]+)?) ?%"
_TIMES = r"([0-9]{1,4}(?:\.[0-9]+)?) ?x"
_WAYS = ("success_within", "rows_within", "duration_within")


def _pattern(_instance: object, _attribute: object, value: str) -> None:
    if value.startswith("/") or value[1:2] == ":" or "\\" in value or ".." in value.split("/"):
        raise ValueError(
            f'must name files inside the project, written with /, such as "data/raw/**", not '
            f'"{value}"'
        )


def _within(_instance: object, _attribute: object, value: float | str | None) -> None:
    if value == 0:
        raise ValueError("must be greater than 0")
    if isinstance(value, str) and sessions(value) is None:
        raise ValueError(
            f'expected a duration such as "26h" or "2d", or a number of sessions such as '
            f'"1 session", got "{value}"'
        )


def _percent(_instance: object, _attribute: object, value: str | None) -> None:
    if value is not None and not re.fullmatch(_PERCENT, value):
        raise ValueError(f'expected a percentage such as "20%", got "{value}"')


def _times(_instance: object, _attribute: object, value: str | None) -> None:
    found = re.fullmatch(_TIMES, value or "1x")
    if found is None or float(found[1]) < 1:
        raise ValueError(f'expected a factor of 1 or more such as "3x", got "{value}"')


def sessions(within: float | str) -> int | None:
    """The number of sessions in `"2 sessions"`; None for a duration."""
    found = re.fullmatch(_SESSIONS, within) if isinstance(within, str) else None
    return None if found is None else int(found[1])


@frozen(eq=False, repr=False)
class ExpectConfig:
    """A table of `[[expect]]`: about `files`, or about a `stage`."""

    files: str = setting(
        "Files of which new ones must come, as a pattern; empty ones do not count.",
        default="",
        validator=_pattern,
    )
    newest_within: Duration | str | None = setting(
        'Maximum age of the newest of these files: a duration, or a number of "sessions", which '
        "are whole days that count.",
        default=None,
        validator=_within,
    )
    stage: str = setting("The stage that something is expected of.", default="")
    success_within: Duration | str | None = setting(
        "Maximum time since its last success, written like `newest_within`.",
        default=None,
        validator=_within,
    )
    rows_within: str | None = setting(
        "How far its rows may be from the median of the 20 runs with work before, in percent.",
        default=None,
        validator=_percent,
    )
    metric: str = setting(
        "The metric of the stage that `rows_within` compares, summed over tasks and units.",
        default="rows",
    )
    duration_within: str | None = setting(
        "How many times the median duration of the 20 runs with work before it may take.",
        default=None,
        validator=_times,
    )
    weekdays: tuple[Weekday, ...] = setting(
        "The days that count; on others no time passes (default: all).", default=WEEKDAYS
    )
    holidays: tuple[dt.date, ...] = setting("Days that do not count.", default=())

    def counts(self, day: dt.date) -> bool:
        """Whether time passes on this day."""
        return WEEKDAYS[day.weekday()] in self.weekdays and day not in self.holidays

    @property
    def counts_every_day(self) -> bool:
        """Whether there is no day on which no time passes."""
        return not self.holidays and set(self.weekdays) == set(WEEKDAYS)

    @property
    def share(self) -> float | None:
        """`rows_within` as a fraction."""
        found = re.fullmatch(_PERCENT, self.rows_within or "")
        return float(found[1]) / 100 if found else None

    @property
    def factor(self) -> float | None:
        """`duration_within` as a number."""
        found = re.fullmatch(_TIMES, self.duration_within or "")
        return float(found[1]) if found else None

    def topics(self) -> list[str]:
        """What is expected, each in a few words that no other table may have."""
        words = [f"{self.stage} {way.removesuffix('_within')}" for way in self._ways()]
        return ([self.files] if self.files else []) + words

    def problems(self) -> Iterator[str]:
        """What is missing, or contradicts itself."""
        if self.files and self.stage:
            yield "files and stage are two expectations: write an [[expect]] table for each"
        elif self.files:
            if self.newest_within is None:
                yield 'add newest_within, such as newest_within = "26h"'
            for way in self._ways():
                yield f"{way} is about a stage: write it in an [[expect]] table with stage"
        elif self.stage:
            if self.newest_within is not None:
                yield "newest_within is about files: write it in an [[expect]] table with files"
            elif not self._ways():
                yield f'add one of {", ".join(_WAYS)}, such as success_within = "2d"'
        else:
            yield (
                'say what is expected: files = "data/raw/**" with newest_within, or stage = '
                f'"NAME" with {", ".join(_WAYS[:-1])} or {_WAYS[-1]}'
            )
        if not self.weekdays:
            yield "weekdays names no day, so that no time would ever pass"

    def _ways(self) -> list[str]:
        return [way for way in _WAYS if getattr(self, way) is not None]
