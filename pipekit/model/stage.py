"""What a stage is, what it plans, and what came of it; its tasks are in `pipekit.model.task`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from attrs import Factory, field, frozen

from pipekit.errors import DefinitionError
from pipekit.model.file import Consumption, Input, Pending
from pipekit.model.names import checked_name
from pipekit.model.record import Record

if TYPE_CHECKING:
    from pipekit.model.command import Command
    from pipekit.model.run import RunContext
    from pipekit.model.task import FileRecord, Task, TaskResult, Watch


class StageStatus(StrEnum):
    """How a stage of a run ended; also used for tasks and units (spec: operation, §1.2)."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILURE = "failure"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"


class FailureKind(StrEnum):
    """Why something failed."""

    EXIT = "exit"
    SIGNAL = "signal"
    OOM = "oom"
    TIMEOUT = "timeout"
    HANG = "hang"
    SPAWN = "spawn"
    CONTRACT = "contract"  # an output missing, a unit never finished
    PLUGIN = "plugin"  # the plugin's own code raised
    LOST = "lost"


RAN = frozenset({StageStatus.SUCCESS, StageStatus.PARTIAL, StageStatus.FAILURE})
_RANK = {StageStatus.SUCCESS: 2, StageStatus.SKIPPED: 2, StageStatus.PARTIAL: 1}


def satisfies(status: StageStatus, least: str) -> bool:
    """Whether a stage that ended with `status` is good enough for one that asks for `least`.

    `least` is `success`, `partial` or `any`; a skipped stage satisfies all of them.
    """
    return least == "any" or _RANK.get(status, 0) >= _RANK[StageStatus(least)]


def as_tuple(values: Iterable[Any]) -> tuple[Any, ...]:
    """`tuple`, in a form that type checkers accept as a converter; a text is none of texts."""
    if isinstance(values, str | bytes):
        raise DefinitionError(f"several are expected, in a list, not the one text {values!r}")
    return tuple(values)


def is_a(kind: type) -> Callable[[object, Any, Any], None]:
    """A validator: of this type."""

    def check(_instance: object, attribute: Any, value: Any) -> None:
        if not isinstance(value, kind):
            raise DefinitionError(f"{attribute.name} is a {kind.__name__}, not {value!r}")

    return check


def all_are(kind: type) -> Callable[[object, Any, tuple[object, ...]], None]:
    """A validator: a tuple of nothing else."""

    def check(_instance: object, attribute: Any, values: tuple[object, ...]) -> None:
        if set(map(type, values)) <= {kind}:  # as nearly always, and there may be 100,000
            return
        for value in values:
            if not isinstance(value, kind):
                raise DefinitionError(
                    f"{attribute.name} holds {kind.__name__} values, not {value!r}"
                )

    return check


texts, _inputs = all_are(str), all_are(Input)


@frozen(kw_only=True, eq=False, repr=False)
class StagePlan(Record):
    """What a stage would do now, and why: a value; making it changes nothing.

    No tasks means there is nothing to do. `inputs`: the pending files the plan is about. `holds`:
    files that the stage will read again, which the lifecycle must not take. `waiting`: files still
    being written. `rejected`: files known to be bad. `warnings`: what else a reader should know.
    """

    reason: str = field(validator=is_a(str))
    tasks: tuple[Task, ...] = field(default=(), converter=as_tuple)
    inputs: tuple[Input, ...] = field(default=(), converter=as_tuple, validator=_inputs)
    holds: tuple[str, ...] = field(default=(), converter=as_tuple, validator=texts)
    waiting: tuple[str, ...] = field(default=(), converter=as_tuple, validator=texts)
    rejected: tuple[Consumption, ...] = field(default=(), converter=as_tuple)
    warnings: tuple[str, ...] = field(default=(), converter=as_tuple, validator=texts)

    @tasks.validator
    def _check_tasks(self, attribute: Any, value: tuple[Task, ...]) -> None:
        if not value:
            return
        from pipekit.model.task import Task  # with what it is made of, which few plans need

        all_are(Task)(self, attribute, value)
        names = {task.name for task in value}
        if len(names) < len(value):
            raise DefinitionError("two tasks of the plan have one name")
        waiting = {task.name: set(task.after) for task in value if task.after}
        while ready := {name for name in waiting if not waiting[name] & waiting.keys()}:
            for name in ready:
                unknown = sorted(waiting.pop(name).difference(names))
                if unknown:
                    raise DefinitionError(f"task {name!r} waits for {unknown[0]!r}, which is none")
        if waiting:
            raise DefinitionError(f"tasks wait for each other: {', '.join(sorted(waiting))}")

    @classmethod
    def skip(cls, reason: str, pending: Pending | None = None, **more: Any) -> StagePlan:
        """Nothing to do, with the reason; `pending` hands on what waits and what is rejected."""
        if pending is not None:
            more = {"waiting": pending.waiting, "rejected": pending.rejected, **more}
        return cls(reason=reason, **more)

    def __bool__(self) -> bool:
        return bool(self.tasks)


@frozen(eq=False, repr=False)
class StageSpec(Record):
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


@frozen(kw_only=True, eq=False, repr=False)
class StageResult(Record):
    """What came of a stage in one run; true when nothing is wrong (success or skipped).

    `reason`: why it ran or did not. `started`: Unix time; `duration`: seconds.
    """

    stage: str
    status: StageStatus
    reason: str = ""
    kind: FailureKind | None = None
    error: str = ""
    tasks: tuple[TaskResult, ...] = ()
    plan: StagePlan | None = field(default=None, repr=False)
    started: float = 0.0
    duration: float = 0.0
    warnings: tuple[str, ...] = Factory(tuple)

    def __bool__(self) -> bool:
        return self.status in (StageStatus.SUCCESS, StageStatus.SKIPPED)

    @property
    def files(self) -> tuple[FileRecord, ...]:
        """What its tasks reported of files."""
        return tuple(record for task in self.tasks for record in task.files)

    def count(self, verb: str) -> int:
        """How many files were reported with `verb`."""
        return sum(record.verb == verb for record in self.files)

    def __str__(self) -> str:
        """For example `translator: 3 files, 1 rejected, 2.1 s`."""
        if self.status in (StageStatus.SKIPPED, StageStatus.BLOCKED):
            return f"{self.stage}: {self.status}, {self.reason}"
        units = [unit for task in self.tasks for unit in task.units]
        facts = [
            (self.count("consumed"), "file", "files"),
            (self.count("wrote"), "written", "written"),
            (self.count("rejected"), "rejected", "rejected"),
            (sum(not unit for unit in units), "unit failed", "units failed"),
        ]
        parts = [f"{n} {one if n == 1 else many}" for n, one, many in facts if n]
        if self.status is not StageStatus.SUCCESS:
            parts.insert(0, f"{self.status}{f' ({self.kind})' if self.kind else ''}")
        return f"{self.stage}: {', '.join([*parts, f'{self.duration:.1f} s'])}"
