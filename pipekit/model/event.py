"""Events, and the sinks that receive them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pipekit.model.status import PipelineStatus

FORMAT = 1  # the field `v` of a record


class EventKind(StrEnum):
    """The vocabulary of events (docs/reference/events.md)."""

    START = "start"
    METRIC = "metric"
    PROGRESS = "progress"
    TASK_QUEUED = "task_queued"
    TASK_START = "task_start"
    TASK_END = "task_end"
    RETRY = "retry"
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
    APPLIED = "applied"
    REFUSED = "refused"
    RESTORED = "restored"
    PURGED = "purged"
    DROPPED = "dropped"
    BROKEN = "broken"
    STALE = "stale"
    FRESH = "fresh"


RUN_ENDS = frozenset(map(EventKind, PipelineStatus))
"""The last event of a run is one of these, with the stage `pipeline`."""


class Event(NamedTuple):
    """One line of a run's journal.

    `seq` counts from 1 without gaps. `stage`: a stage's name, or `pipeline`, `lifecycle`, `sink`,
    `plugin`. `event`: an EventKind (a later version may have more). `timestamp`: ISO 8601 with the
    offset of its zone. `data`: JSON values only.
    """

    run_id: str
    seq: int
    stage: str
    event: str
    timestamp: str
    msg: str
    data: Mapping[str, Any] = MappingProxyType({})

    def record(self) -> dict[str, Any]:
        """The record of the journal for this event."""
        return {"v": FORMAT, **self._asdict(), "data": dict(self.data)}


Emit = Callable[[Event], None]


class SinkContext(NamedTuple):
    """What a sink gets when it is opened: the run's id, the folders of project, logs and state.

    A sink that remembers something between runs keeps it in `state`, in a file of its own name.
    """

    run_id: str
    root: Path
    logs: Path
    state: Path = Path(".pipekit")
