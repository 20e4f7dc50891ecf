"""When the stages, tasks and units of a run worked, from its events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import define, field

from pipekit.model.event import RUN_ENDS, Event, EventKind
from pipekit.model.names import is_name
from pipekit.model.status import RUNNING, StageStatus

_MOST_BARS = 2_000  # tasks and units; of more, only their number is kept
_LONGEST_NAME = 300
_LARGEST = 2**63  # a larger number is damage
_STAGE_ENDS = frozenset(map(EventKind, StageStatus))


@define(kw_only=True)
class Bar:
    """A stage, a task of it or a unit of that. Times are Unix times.

    `status`: of a StageStatus, or `running`. `done` and `total`: of its last progress, None if it
    has reported none. `reason`: why it is not a success.
    """

    name: str
    began: float
    status: str = RUNNING
    ended: float | None = None
    done: float | None = None
    total: float | None = None
    reason: str = ""
    attempt: int = 1
    bars: list[Bar] = field(factory=list)

    def end(self, status: str, at: float, reason: str) -> None:
        """It has ended, and so has what had begun in it."""
        self.status, self.ended, self.reason = status, at, reason
        for bar in self.bars:
            if bar.ended is None:
                bar.end(status, at, "")


class Timeline:
    """Fed with the events of a run, in their order; `stages` has a bar for each that began.

    `began`: Unix time of the first event. `latest`: of the last one. `status`: of the run once it
    has ended. `planned`: the stages of the run. `left_out`: tasks and units beyond the 2,000 kept.
    """

    def __init__(self) -> None:
        self.stages: list[Bar] = []
        self.planned: tuple[str, ...] = ()
        self.began = 0.0
        self.latest = 0.0
        self.status = ""
        self.left_out = 0
        self._count = 0
        self._units: dict[tuple[str, str, str], Bar] = {}
        self._tasks: dict[tuple[str, str], Bar] = {}

    def add(self, event: Event) -> None:
        """Take in the next event."""
        at = _moment(event.timestamp) or self.latest
        self.began = self.began or at
        self.latest = max(self.latest, at)
        if event.stage == "pipeline":
            if event.event == EventKind.START:
                stages = event.data.get("stages")
                self.planned = tuple(map(str, stages)) if isinstance(stages, list) else ()
            elif event.event in RUN_ENDS:
                self.status = event.event
        elif is_name(event.stage):
            self._of_stage(event, at)

    def running(self) -> Iterator[tuple[Bar, ...]]:
        """What works now: each a stage, its task and its unit, as far as there are any."""
        for stage in self.stages:
            if stage.ended is None:
                yield from _open(stage)

    def _of_stage(self, event: Event, at: float) -> None:
        stage = next((bar for bar in self.stages if bar.name == event.stage), None)
        if stage is None:
            stage = Bar(name=event.stage, began=at)
            self.stages.append(stage)
        data, kind = event.data, event.event
        if kind in _STAGE_ENDS:
            stage.end(kind, at, _text(data, "error") or _text(data, "reason"))
            seconds = _number(data, "duration")
            if seconds is not None and seconds >= 0 and not stage.bars:
                stage.began = at - seconds
            return
        task = _text(data, "task")
        if kind == EventKind.TASK_START:
            self._begin_task(stage, task, at, data.get("attempt"))
        elif kind == EventKind.TASK_END and (stage.name, task) in self._tasks:
            reason = event.msg.partition(": ")[2]
            self._tasks[stage.name, task].end(_text(data, "status"), at, reason)
        elif kind == EventKind.UNIT_START:
            self._begin_unit(stage.name, task, _text(data, "unit"), at)
        elif kind == EventKind.UNIT_END:
            unit = self._unit(stage.name, task, _text(data, "unit"), at)
            if unit is not None:
                unit.end(_text(data, "status"), at, _text(data, "reason"))
        elif kind == EventKind.PROGRESS:
            bar = self._units.get((stage.name, task, _text(data, "unit"))) or self._tasks.get(
                (stage.name, task)
            )
            if bar is not None:
                bar.done, bar.total = _number(data, "done"), _number(data, "total")

    def _begin_task(self, stage: Bar, name: str, at: float, attempt: object) -> None:
        if self._has_room():
            bar = Bar(name=name, began=at, attempt=attempt if isinstance(attempt, int) else 1)
            stage.bars.append(bar)
            self._tasks[stage.name, name] = bar

    def _begin_unit(self, stage: str, task: str, name: str, at: float) -> Bar | None:
        above = self._tasks.get((stage, task))
        if above is None or not self._has_room():
            return None
        bar = Bar(name=name, began=at)
        above.bars.append(bar)
        self._units[stage, task, name] = bar
        return bar

    def _unit(self, stage: str, task: str, name: str, at: float) -> Bar | None:
        """The unit that has ended; one whose start was not reported began then."""
        known = self._units.get((stage, task, name))
        return known or self._begin_unit(stage, task, name, at)

    def _has_room(self) -> bool:
        self._count += 1
        if self._count > _MOST_BARS:
            self.left_out += 1
            return False
        return True


def _open(bar: Bar) -> Iterator[tuple[Bar, ...]]:
    below = [each for inner in bar.bars if inner.ended is None for each in _open(inner)]
    if below:
        yield from ((bar, *each) for each in below)
    else:
        yield (bar,)


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value[:_LONGEST_NAME] if isinstance(value, str) else ""


def _number(data: Mapping[str, Any], key: str) -> float | None:
    value = data.get(key)
    return value if isinstance(value, int | float) and abs(value) < _LARGEST else None


def _moment(text: str) -> float:
    try:
        return dt.datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
