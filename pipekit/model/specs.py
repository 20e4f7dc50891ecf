"""What a plugin's hooks return: stages, lifecycle policies and event sinks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from attrs import field, frozen

from pipekit.errors import DefinitionError
from pipekit.model.command import Command
from pipekit.model.event import Emit, SinkContext
from pipekit.model.names import checked_name
from pipekit.model.policy import FileAction, LifecycleView
from pipekit.model.run import RunContext
from pipekit.model.stage import StagePlan
from pipekit.model.task import Watch
from pipekit.model.validators import as_tuple


@frozen
class StageSpec:
    """A stage as a plugin offers it.

    `plan(ctx, settings)` is a pure function from files and settings to commands. `settings`: an
    attrs class, one field a setting (`pipekit.setting`). `after`: name of a stage → least status
    (`success`, `partial`, `any`); names that are not configured are ignored. `watch`: patterns for
    its output. `check(settings)`: a quick command that shows that its worker can start.
    """

    name: str = field(validator=checked_name)
    plan: Callable[[RunContext, Any], StagePlan]
    settings: type | None = field(default=None, kw_only=True)
    after: Mapping[str, str] = field(factory=dict, kw_only=True)
    watch: tuple[Watch, ...] = field(default=(), converter=as_tuple, kw_only=True)
    check: Callable[[Any], Command] | None = field(default=None, kw_only=True)

    @after.validator
    def _check_after(self, _attribute: object, value: Mapping[str, str]) -> None:
        for stage, least in value.items():
            if least not in ("success", "partial", "any"):
                raise DefinitionError(
                    f"stage {self.name!r}: after {stage!r} must ask for 'success', 'partial' or "
                    f"'any', not {least!r}"
                )


@frozen
class LifecyclePolicy:
    """A policy as a plugin offers it: `propose(view, settings)` yields FileActions.

    It acts only where its table stands in the configuration (`[lifecycle.NAME]`).
    """

    name: str = field(validator=checked_name)
    propose: Callable[[LifecycleView, Any], Iterable[FileAction]]
    settings: type | None = None


@frozen
class EventSink:
    """A receiver of events: `open(ctx, settings)` is a context manager that yields `emit(event)`.

    `emit` is called in a thread of the sink's own, one event at a time, in order. A sink that
    raises, blocks or is slow is reported and dropped; it never changes a run.
    """

    name: str = field(validator=checked_name)
    open: Callable[[SinkContext, Any], AbstractContextManager[Emit]]
    settings: type | None = None
