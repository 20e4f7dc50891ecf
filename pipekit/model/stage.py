"""What a stage is, what it plans, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from attrs import Factory, field, frozen

from pipekit.errors import DefinitionError
from pipekit.model.command import Command, ProcessResult
from pipekit.model.file import Consumption, Input, Pending
from pipekit.model.names import checked_name
from pipekit.model.record import Record

if TYPE_CHECKING:
    from pipekit.model.run import RunContext


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
_LONGEST_NAME = 100  # of a task: files are named after it
_RANK = {StageStatus.SUCCESS: 2, StageStatus.SKIPPED: 2, StageStatus.PARTIAL: 1}


def satisfies(status: StageStatus, least: str) -> bool:
    """Whether a stage that ended with `status` is good enough for one that asks for `least`.

    `least` is `success`, `partial` or `any`; a skipped stage satisfies all of them.
    """
    return least == "any" or _RANK.get(status, 0) >= _RANK[StageStatus(least)]


def _tuple(values: Iterable[Any]) -> tuple[Any, ...]:
    """`tuple`, in a form that type checkers accept as a converter; a text is none of texts."""
    if isinstance(values, str | bytes):
        raise DefinitionError(f"several are expected, in a list, not the one text {values!r}")
    return tuple(values)


def _is_a(kind: type) -> Callable[[object, Any, Any], None]:
    def check(_instance: object, attribute: Any, value: Any) -> None:
        if not isinstance(value, kind):
            raise DefinitionError(f"{attribute.name} is a {kind.__name__}, not {value!r}")

    return check


def _all_are(kind: type) -> Callable[[object, Any, tuple[object, ...]], None]:
    def check(_instance: object, attribute: Any, values: tuple[object, ...]) -> None:
        if set(map(type, values)) <= {kind}:  # as nearly always, and there may be 100,000
            return
        for value in values:
            if not isinstance(value, kind):
                raise DefinitionError(
                    f"{attribute.name} holds {kind.__name__} values, not {value!r}"
                )

    return check


_texts, _inputs = _all_are(str), _all_are(Input)


@frozen(kw_only=True, eq=False, repr=False)
class Task(Record):
    """One supervised command of a stage.

    `units`: the parts of the work that its process will report on; one that it never finishes is a
    failure. `inputs` and `outputs`: paths relative to the root; a declared output must be there
    afterwards and differ from before (or be reported unchanged). `after`: tasks of the same plan
    that must have ended well. `cores`: its share of the run's core budget.
    """

    name: str = field()
    command: Command = field(validator=_is_a(Command))
    units: tuple[str, ...] = field(default=(), converter=_tuple, validator=_texts)
    inputs: tuple[str, ...] = field(default=(), converter=_tuple, validator=_texts)
    outputs: tuple[str, ...] = field(default=(), converter=_tuple, validator=_texts)
    after: tuple[str, ...] = field(default=(), converter=_tuple, validator=_texts)
    cores: int = field(default=1, validator=_is_a(int))

    @name.validator
    def _check_name(self, _attribute: object, value: str) -> None:
        letters = isinstance(value, str) and all(c.isalnum() or c in "_-." for c in value)
        if not letters or not 0 < len(value) <= _LONGEST_NAME or value[0] == ".":
            raise DefinitionError(
                f"{value!r} cannot name a task: up to {_LONGEST_NAME} letters, digits, '-', '_' "
                "and '.'"
            )


@frozen(kw_only=True, eq=False, repr=False)
class StagePlan(Record):
    """What a stage would do now, and why: a value; making it changes nothing.

    No tasks means there is nothing to do. `inputs`: the pending files the plan is about. `holds`:
    files that the stage will read again, which the lifecycle must not take. `waiting`: files still
    being written. `rejected`: files known to be bad. `warnings`: what else a reader should know.
    """

    reason: str = field(validator=_is_a(str))
    tasks: tuple[Task, ...] = field(default=(), converter=_tuple)
    inputs: tuple[Input, ...] = field(default=(), converter=_tuple, validator=_inputs)
    holds: tuple[str, ...] = field(default=(), converter=_tuple, validator=_texts)
    waiting: tuple[str, ...] = field(default=(), converter=_tuple, validator=_texts)
    rejected: tuple[Consumption, ...] = field(default=(), converter=_tuple)
    warnings: tuple[str, ...] = field(default=(), converter=_tuple, validator=_texts)

    @tasks.validator
    def _check_tasks(self, attribute: Any, value: tuple[Task, ...]) -> None:
        _all_are(Task)(self, attribute, value)
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


@frozen(kw_only=True, eq=False, repr=False)
class Watch(Record):
    """How to read a program that cannot be changed: a pattern, searched in each line of output.

    With `metric`, the group `value` of the pattern is that metric's number. Without, the groups
    `unit` and, where there is one, `status` (`success` by default) report on a unit.
    """

    pattern: str = field()
    metric: str | None = None

    @pattern.validator
    def _check_pattern(self, _attribute: object, value: str) -> None:
        group = "value" if self.metric else "unit"
        try:
            if group in re.compile(value).groupindex:
                return
        except re.error as error:
            raise DefinitionError(f"{value!r} is no regular expression: {error}") from None
        raise DefinitionError(f"the pattern {value!r} lacks its group (?P<{group}>...)")


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
    watch: tuple[Watch, ...] = field(default=(), converter=_tuple, kw_only=True)
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
class UnitResult(Record):
    """What came of one unit of a task; `duration` in seconds."""

    name: str
    status: StageStatus
    reason: str = ""
    duration: float | None = None
    metrics: Mapping[str, float] = field(factory=dict)

    def __bool__(self) -> bool:
        return self.status is StageStatus.SUCCESS


@frozen(kw_only=True, eq=False, repr=False)
class FileRecord(Record):
    """A file as a worker reported it: `verb` is consumed, wrote, unchanged or rejected.

    `sources`: the inputs a published file came of; `complete` is False for an input that was taken
    in part; `observed`: Unix time (ns) of the worker's look at it.
    """

    verb: str
    path: str
    fingerprint: str = ""
    signature: tuple[int, int, int, int, int] | None = None
    unit: str | None = None
    reason: str = ""
    detail: Mapping[str, Any] = field(factory=dict)
    sources: tuple[str, ...] | None = None
    complete: bool = True
    observed: int = 0


@frozen(kw_only=True, eq=False, repr=False)
class TaskResult(Record):
    """What came of one task; true exactly when it was a success."""

    name: str
    status: StageStatus
    kind: FailureKind | None = None
    reason: str = ""
    argv: tuple[str, ...] = ()
    units: tuple[UnitResult, ...] = ()
    metrics: Mapping[str, float] = field(factory=dict)
    files: tuple[FileRecord, ...] = ()
    warnings: tuple[str, ...] = ()
    process: ProcessResult | None = None

    def __bool__(self) -> bool:
        return self.status is StageStatus.SUCCESS

    def __str__(self) -> str:
        took = f", {self.process.duration:.1f} s" if self.process is not None else ""
        return f"{self.name}: {self.status}{f' ({self.reason})' if self.reason else ''}{took}"


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
