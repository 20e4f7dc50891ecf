"""What a plugin's hooks return: stages, lifecycle policies, event sinks and executors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from pipekit.errors import DefinitionError
from pipekit.model.command import Command
from pipekit.model.event import Emit, SinkContext
from pipekit.model.names import checked_name
from pipekit.model.policy import FileAction, LifecycleView
from pipekit.model.run import RunContext
from pipekit.model.stage import StagePlan
from pipekit.model.task import Watch
from pipekit.model.validators import all_are, as_tuple

if TYPE_CHECKING:
    from pipekit.model.executor import Engine, ExecutorContext

FLUSH_SECONDS = 2.0  # that a sink has to finish, after the last event of a run
LONGEST_FLUSH = 30.0


@frozen(eq=False)
class StageSpec:
    """A stage offered by a plugin.

    `plan(ctx, settings)`: a pure function from files and settings to the commands to run.
    `settings`: an attrs class with one `pipekit.setting` per field. `after`: the stages to wait
    for, each with the worst status that will do: `success`, `partial` (or better) or `any`; a
    skipped stage always does, and stages that are not configured are ignored. `watch`: patterns to
    find in the output of its processes. `check(settings)`: a quick command that shows that the
    worker can start.
    """

    name: str = field(validator=checked_name)
    plan: Callable[[RunContext, Any], StagePlan]
    settings: type | None = field(default=None, kw_only=True)
    after: Mapping[str, str] = field(factory=dict, kw_only=True)
    watch: tuple[Watch, ...] = field(
        default=(), converter=as_tuple, validator=all_are(Watch), kw_only=True
    )
    check: Callable[[Any], Command] | None = field(default=None, kw_only=True)

    @after.validator
    def _check_after(self, _attribute: object, value: Mapping[str, str]) -> None:
        for stage, least in value.items():
            if least not in ("success", "partial", "any"):
                raise DefinitionError(
                    f"stage {self.name!r}: after {stage!r} must be 'success', 'partial' or 'any', "
                    f"not {least!r}"
                )


@frozen(eq=False)
class LifecyclePolicy:
    """A lifecycle policy offered by a plugin: `propose(view, settings)` yields FileActions.

    It is used only if the configuration has its table, `[lifecycle.NAME]`.
    """

    name: str = field(validator=checked_name)
    propose: Callable[[LifecycleView, Any], Iterable[FileAction]]
    settings: type | None = None


@frozen(eq=False)
class EventSink:
    """A receiver of events: `open(ctx, settings)` is a context manager that yields `emit(event)`.

    Each sink has its own thread, in which `emit` is called with one event at a time, in order. An
    exception costs it that event, and ten in a row drop it, as does being 10,000 events behind. It
    never changes a run. `important`: its failures are warnings of `pipekit status`, and it may take
    longer than others to finish: `flush_seconds` after the last event, 30 at most.
    """

    name: str = field(validator=checked_name)
    open: Callable[[SinkContext, Any], AbstractContextManager[Emit]]
    settings: type | None = None
    important: bool = field(default=False, kw_only=True)
    flush_seconds: float = field(default=FLUSH_SECONDS, kw_only=True)

    @flush_seconds.validator
    def _check_flush_seconds(self, _: object, value: float) -> None:
        most = LONGEST_FLUSH if self.important else FLUSH_SECONDS
        if not 0 < value <= most:
            more = "" if self.important else " for a sink that is not `important`"
            raise DefinitionError(
                f"flush_seconds of sink {self.name!r} must be greater than 0 "
                f"and at most {most:g}{more}"
            )


class Executor:
    """An executor offered by a plugin: `open(ctx, settings)` is a context manager for an Engine.

    It is opened by the first stage of a run that uses it, and closed at the end of the run. Raises
    DefinitionError for an invalid name.
    """

    __slots__ = ("name", "open", "settings")

    def __init__(
        self,
        name: str,
        open: Callable[[ExecutorContext, Any], AbstractContextManager[Engine]],
        settings: type | None = None,
    ) -> None:
        checked_name(None, None, name)
        self.name = name
        self.open = open
        self.settings = settings
