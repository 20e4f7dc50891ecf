"""The state of a project, with its findings and what its schedule lets expect."""

from __future__ import annotations

import time
from collections.abc import Sequence

from attrs import frozen

from pipekit.config import Configuration
from pipekit.errors import ConfigError
from pipekit.model.run import Paths
from pipekit.read.findings import Finding
from pipekit.read.state import ProjectState, look

_GRACE = 60.0  # seconds that a scheduler may be late


@frozen(kw_only=True)
class ProjectStatus:
    """How a project is. `findings`: what is wrong, the worst first, at least one.

    `stages`: in the order of the configuration. `every`: seconds between scheduled starts, None if
    they are not regular. `problem`: what is wrong with the configuration. `at`: Unix time.
    `silent_since`: when the last run began, if since then two starts were due and none came.
    """

    state: ProjectState
    findings: Sequence[Finding]
    stages: Sequence[str] = ()
    every: float | None = None
    problem: str = ""
    at: float = 0.0
    silent_since: float | None = None


def _silent_since(settings: Configuration | None, state: ProjectState, now: float) -> float | None:
    """When the last run began, if two starts of the timetable were due since and none came."""
    if settings is None or settings.schedule.every is None or state.last is None:
        return None
    if state.hold is not None or state.holder is not None:
        return None
    refused = state.refused.last if state.refused else 0.0
    last, timetable = max(state.last.started, refused), settings.schedule.timetable
    second = timetable.next_start(timetable.next_start(last + 1) + 1)
    return last if now > second + _GRACE else None


def status_of(
    paths: Paths, settings: Configuration | None, problem: ConfigError | None
) -> ProjectStatus:
    """The status of a project; `settings`: None, and its `problem`, if they cannot be read."""
    names = list(settings.stages) if settings else []
    state, now = look(paths, names, settings), time.time()
    return ProjectStatus(
        state=state,
        findings=tuple(state.findings(problem)),
        stages=tuple(state.stages),
        every=settings.schedule.every if settings else None,
        problem=str(problem or ""),
        at=now,
        silent_since=_silent_since(settings, state, now),
    )
