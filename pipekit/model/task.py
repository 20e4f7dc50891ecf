"""A stage's tasks, and what came of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from pipekit.errors import DefinitionError
from pipekit.model.command import Command, ProcessResult
from pipekit.model.status import FailureKind, StageStatus
from pipekit.model.validators import as_tuple, is_a, texts

_LONGEST_NAME = 100  # of a task: files are named after it


@frozen(kw_only=True)
class Task:
    """One supervised command of a stage.

    `units`: the parts of the work that its process will report on; one that it never finishes is a
    failure. `inputs` and `outputs`: paths relative to the root; a declared output must be there
    afterwards and differ from before (or be reported unchanged). `after`: tasks of the same plan
    that must have ended well. `cores`: its share of the run's core budget.
    """

    name: str = field()
    command: Command = field(validator=is_a(Command))
    units: tuple[str, ...] = field(default=(), converter=as_tuple, validator=texts)
    inputs: tuple[str, ...] = field(default=(), converter=as_tuple, validator=texts)
    outputs: tuple[str, ...] = field(default=(), converter=as_tuple, validator=texts)
    after: tuple[str, ...] = field(default=(), converter=as_tuple, validator=texts)
    cores: int = field(default=1, validator=is_a(int))

    @name.validator
    def _check_name(self, _attribute: object, value: str) -> None:
        letters = isinstance(value, str) and all(c.isalnum() or c in "_-." for c in value)
        if not letters or not 0 < len(value) <= _LONGEST_NAME or value[0] == ".":
            raise DefinitionError(
                f"{value!r} cannot name a task: up to {_LONGEST_NAME} letters, digits, '-', '_' "
                "and '.'"
            )


@frozen(kw_only=True)
class Watch:
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


@frozen(kw_only=True)
class UnitResult:
    """What came of one unit of a task; `duration` in seconds."""

    name: str
    status: StageStatus
    reason: str = ""
    duration: float | None = None
    metrics: Mapping[str, float] = field(factory=dict)

    def __bool__(self) -> bool:
        return self.status is StageStatus.SUCCESS


@frozen(kw_only=True)
class FileRecord:
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


@frozen(kw_only=True)
class TaskResult:
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
