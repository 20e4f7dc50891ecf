"""A stage's tasks and their results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import field, frozen

from pipekit.errors import DefinitionError
from pipekit.model.command import Command, ProcessResult
from pipekit.model.names import check_file_name
from pipekit.model.records import FileRecords
from pipekit.model.status import FailureKind, StageStatus
from pipekit.model.validators import all_are, as_tuple, is_a, texts

if TYPE_CHECKING:
    from pipekit.model.executor import Placement

_LONGEST_NAME = 100  # of a task: files are named after it


@frozen(kw_only=True)
class Watch:
    """A pattern to find in the output of a program that cannot use `pipekit.worker`.

    With `metric`, the pattern's group `value` is the value of that metric. Without, the group
    `unit` names a finished unit, and the optional group `status` its status (default `success`).
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
            raise DefinitionError(f"{value!r} is not a valid regular expression: {error}") from None
        raise DefinitionError(f"the pattern {value!r} needs a group (?P<{group}>...)")


@frozen(kw_only=True)
class Task:
    """One supervised command of a stage.

    `units`: the parts of the work that the process will report on; a unit that it does not finish
    has failed. `inputs` and `outputs`: paths relative to the root. The inputs say which files back
    off when the task fails again and again, and which work a retry repeats; what it has consumed it
    reports itself. Afterwards each output must be a new file, or be reported as unchanged. `after`:
    tasks of the same plan that must have succeeded, at least in part. `cores`: how many of the
    run's cores it uses. `memory`: how many bytes it needs, for executors of clusters; 0 if unknown.
    `watch`: patterns to find in its output, beside those of the stage.

    `reports=False`: for a program that does not use `pipekit.worker`. If it succeeds, its inputs
    count as consumed unless they changed meanwhile, and its outputs as written. An output may then
    be a pattern such as `data/out/*.csv`, of which every new or changed file counts.
    """

    name: str = field()
    command: Command = field(validator=is_a(Command))
    units: tuple[str, ...] = field(default=(), converter=as_tuple, validator=texts)
    inputs: tuple[str, ...] = field(default=(), converter=as_tuple, validator=texts)
    outputs: tuple[str, ...] = field(default=(), converter=as_tuple, validator=texts)
    after: tuple[str, ...] = field(default=(), converter=as_tuple, validator=texts)
    cores: int = field(default=1, validator=is_a(int))
    memory: int = field(default=0, validator=is_a(int))
    watch: tuple[Watch, ...] = field(default=(), converter=as_tuple, validator=all_are(Watch))
    reports: bool = field(default=True, validator=is_a(bool))

    @name.validator
    def _check_name(self, _attribute: object, value: str) -> None:
        letters = isinstance(value, str) and all(c.isalnum() or c in "_-." for c in value)
        if not letters or not 0 < len(value) <= _LONGEST_NAME or value[0] == ".":
            raise DefinitionError(
                f"invalid task name {value!r}: use up to {_LONGEST_NAME} letters, digits, '-', "
                "'_' and '.', not starting with '.'"
            )
        check_file_name(f"{value}.out")


class UnitResult(NamedTuple):
    """How one unit of a task ended; `duration` in seconds."""

    name: str
    status: StageStatus
    reason: str = ""
    duration: float | None = None
    metrics: Mapping[str, float] = MappingProxyType({})

    def __bool__(self) -> bool:
        return self.status is StageStatus.SUCCESS


class TaskResult(NamedTuple):
    """How one attempt at a task ended; true exactly when it succeeded.

    `attempt` counts from 1. `retried`: what it left undone was tried again in the same run.
    `state`: what the stage is to remember. `placement`: None for a task on the run's own machine.
    """

    name: str
    status: StageStatus
    kind: FailureKind | None = None
    reason: str = ""
    argv: tuple[str, ...] = ()
    units: tuple[UnitResult, ...] = ()
    metrics: Mapping[str, float] = MappingProxyType({})
    files: FileRecords = FileRecords()
    warnings: tuple[str, ...] = ()
    process: ProcessResult | None = None
    attempt: int = 1
    retried: bool = False
    state: Mapping[str, Any] = MappingProxyType({})
    placement: Placement | None = None

    def __bool__(self) -> bool:
        return self.status is StageStatus.SUCCESS

    def __str__(self) -> str:
        took = f", {self.process.duration:.1f} s" if self.process is not None else ""
        return f"{self.name}: {self.status}{f' ({self.reason})' if self.reason else ''}{took}"
