"""RunRecord: a run as its events tell it, with the begin and end of each part."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import attrs

from pipekit import Event, EventKind, PipelineStatus, StageStatus

_ENDS = frozenset(PipelineStatus)
_STAGE_ENDS = frozenset(StageStatus)
_NO_STAGES = {"pipeline", "lifecycle", "sink", "plugin"}
MOST_UNITS = 20_000  # of a run; further ones are counted, not kept


@attrs.define
class Part:
    """A stage, a task or a unit. Times are Unix times in nanoseconds; 0: not known."""

    name: str
    begin: int = 0
    end: int = 0
    status: str = ""
    kind: str = ""
    reason: str = ""
    metrics: dict[str, float] = attrs.Factory(dict)
    parts: dict[str, Part] = attrs.Factory(dict)

    def sums(self) -> dict[str, float]:
        """Its metrics, with those of its parts added."""
        found = dict(self.metrics)
        for part in self.parts.values():
            for name, value in part.sums().items():
                found[name] = found.get(name, 0) + value
        return found


@attrs.define
class RunRecord:
    """One run. `stages`: by name, with their tasks, with their units."""

    run_id: str = ""
    number: int = 0
    begin: int = 0
    end: int = 0
    status: str = ""
    exit_code: int = 0
    sentence: str = ""
    stages: dict[str, Part] = attrs.Factory(dict)
    units_left_out: int = 0
    _units: int = 0

    def add(self, event: Event) -> bool:
        """Take an event; whether it was the last one of the run."""
        now = nanoseconds(event.timestamp)
        if event.stage == "pipeline":
            return self._of_pipeline(event, now)
        if event.stage not in _NO_STAGES:
            self._of_stage(self.stages.setdefault(event.stage, Part(event.stage)), event, now)
        return False

    def _of_pipeline(self, event: Event, now: int) -> bool:
        if event.event == EventKind.START:
            self.run_id, self.begin = event.run_id, now
            self.number = int(event.data.get("run") or 0)
        if event.event not in _ENDS:
            return False
        self.end, self.status, self.sentence = now, event.event, event.msg
        self.exit_code = int(event.data.get("exit_code") or 0)
        return True

    def _of_stage(self, stage: Part, event: Event, now: int) -> None:
        data, name = event.data, str(event.data.get("task", ""))
        if event.event == EventKind.START:
            stage.begin = now
        elif event.event in _STAGE_ENDS:
            _end(stage, now, event, event.event)
            stage.begin = stage.begin or now
        elif event.event == EventKind.TASK_START:
            stage.parts[name] = Part(name, now)
        elif event.event == EventKind.TASK_END:
            task = stage.parts.setdefault(name, Part(name, now))
            _end(task, now, event, str(data.get("status", "")))
        elif event.event == EventKind.METRIC:
            _add_metric(stage.parts.get(name), data)
        elif event.event in (EventKind.UNIT_START, EventKind.UNIT_END):
            self._of_unit(stage.parts.setdefault(name, Part(name, now)), event, now)

    def _of_unit(self, task: Part, event: Event, now: int) -> None:
        name = str(event.data.get("unit", ""))
        if name not in task.parts:
            self._units += 1
            if self._units > MOST_UNITS:
                self.units_left_out += event.event == EventKind.UNIT_START
                return
            task.parts[name] = Part(name, now)
        if event.event == EventKind.UNIT_END:
            _end(task.parts[name], now, event, str(event.data.get("status", "")))


def _add_metric(task: Part | None, data: Mapping[str, Any]) -> None:
    """Keep the latest value of a metric of the task, or of one of its units."""
    unit = data.get("unit")
    part = task.parts.get(str(unit)) if task and unit else task
    value = data.get("value")
    if part is not None and isinstance(value, int | float):
        part.metrics[str(data.get("name"))] = value


def _end(part: Part, now: int, event: Event, status: str) -> None:
    part.end, part.status = now, status
    part.kind = str(event.data.get("kind") or "")
    part.reason = str(event.data.get("error") or event.data.get("reason") or event.msg)


def nanoseconds(timestamp: str) -> int:
    """An event's time as a Unix time in nanoseconds; 0 if it is none."""
    try:
        moment = dt.datetime.fromisoformat(timestamp)
    except ValueError:
        return 0
    return round(moment.timestamp() * 1000) * 1_000_000
