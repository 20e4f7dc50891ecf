"""Events, and the sinks that receive them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from attrs import field, fields, frozen

from pipekit.model.names import checked_name
from pipekit.model.record import Record

FORMAT = 1  # `v` of a record


@frozen(kw_only=True, eq=False, repr=False)
class Event(Record):
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


@frozen(kw_only=True, eq=False, repr=False)
class SinkContext(Record):
    """What a sink gets to know when it is opened, before the first event."""

    run_id: str
    root: Path
    logs: Path


@frozen(eq=False, repr=False)
class EventSink(Record):
    """A receiver of events: `open(ctx, settings)` is a context manager that yields `emit(event)`.

    `emit` is called in a thread of the sink's own, one event at a time, in order. A sink that
    raises, blocks or is slow is reported and dropped; it never changes a run.
    """

    name: str = field(validator=checked_name)
    open: Callable[[SinkContext, Any], AbstractContextManager[Emit]]
    settings: type | None = None
