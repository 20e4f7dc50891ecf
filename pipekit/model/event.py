"""Events, and the sinks that receive them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from attrs import field, fields, frozen

FORMAT = 1  # `v` of a record


class EventKind(StrEnum):
    """The vocabulary of events (docs/reference/events.md)."""

    START = "start"
    METRIC = "metric"
    PROGRESS = "progress"
    TASK_START = "task_start"
    TASK_END = "task_end"
    UNIT_START = "unit_start"
    UNIT_END = "unit_end"
    WARNING = "warning"
    SUCCESS = "success"
    PARTIAL = "partial"
    FAILURE = "failure"
    CANCELLED = "cancelled"
    IDLE = "idle"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    PROPOSED = "proposed"
    DROPPED = "dropped"
    BROKEN = "broken"


RUN_ENDS = frozenset(
    {
        EventKind.SUCCESS,
        EventKind.PARTIAL,
        EventKind.FAILURE,
        EventKind.CANCELLED,
        EventKind.IDLE,
    }
)
"""Of the stage `pipeline`: the last event of a run, one of these."""


@frozen(kw_only=True)
class Event:
    """One line of a run's journal.

    `seq` counts from 1 without gaps; `stage` is a stage's name or `pipeline`, `lifecycle`, `sink`,
    `plugin`; `event` a word of the vocabulary (docs/reference/events.md); `timestamp` ISO 8601
    with the zone's offset; `data` only JSON values.
    """

    run_id: str
    seq: int
    stage: str
    event: str
    timestamp: str
    msg: str
    data: Mapping[str, Any] = field(factory=dict)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Event:
        """An event as it stands in the journal."""
        return cls(**{name: value for name, value in record.items() if name != "v"})

    def record(self) -> dict[str, Any]:
        """The event as it stands in the journal."""
        values = {attribute.name: getattr(self, attribute.name) for attribute in fields(Event)}
        return {"v": FORMAT, **values, "data": dict(self.data)}


Emit = Callable[[Event], None]


@frozen(kw_only=True)
class SinkContext:
    """What a sink gets to know when it is opened, before the first event."""

    run_id: str
    root: Path
    logs: Path
