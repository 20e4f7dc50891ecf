"""A stage's plan and its result."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from attrs import field, frozen

from pipekit.errors import DefinitionError
from pipekit.model.file import Consumption, Input, Pending
from pipekit.model.records import FileRecord
from pipekit.model.status import NEVER_BEGAN, FailureKind, StageStatus
from pipekit.model.system import file_key
from pipekit.model.task import Task, TaskResult, UnitResult
from pipekit.model.validators import all_are, as_tuple, is_a, texts
from pipekit.worker import Verb


@frozen(kw_only=True)
class StagePlan:
    """What a stage would do now, and why.

    Without tasks there is nothing to do. `inputs`: the pending files. `holds`: files that the stage
    will read again, which the lifecycle must keep. `waiting`: files still being written.
    `rejected`: files that were rejected before. `warnings`: sentences for people.
    """

    reason: str = field(validator=is_a(str))
    tasks: tuple[Task, ...] = field(default=(), converter=as_tuple)
    inputs: tuple[Input, ...] = field(default=(), converter=as_tuple, validator=all_are(Input))
    holds: tuple[str, ...] = field(default=(), converter=as_tuple, validator=texts)
    waiting: tuple[str, ...] = field(default=(), converter=as_tuple, validator=texts)
    rejected: tuple[Consumption, ...] = field(
        default=(), converter=as_tuple, validator=all_are(Consumption)
    )
    warnings: tuple[str, ...] = field(default=(), converter=as_tuple, validator=texts)

    @tasks.validator
    def _check_tasks(self, attribute: Any, value: tuple[Task, ...]) -> None:
        all_are(Task)(self, attribute, value)
        names: set[str] = set()
        files: dict[str, str] = {}
        for task in value:
            if task.name in names:
                raise DefinitionError(f"two tasks of the plan are named {task.name!r}")
            names.add(task.name)
            other = files.setdefault(file_key(task.name), task.name)
            if other != task.name:
                raise DefinitionError(
                    f"the files of the tasks {other!r} and {task.name!r} would be the same on this "
                    "system: let their names differ in more than upper and lower case"
                )
        waiting = {task.name: set(task.after) for task in value if task.after}
        while ready := {name for name in waiting if not waiting[name] & waiting.keys()}:
            for name in ready:
                unknown = sorted(waiting.pop(name).difference(names))
                if unknown:
                    raise DefinitionError(f"task {name!r} depends on unknown task {unknown[0]!r}")
        if waiting:
            raise DefinitionError(
                f"tasks depend on each other in a circle: {', '.join(sorted(waiting))}"
            )

    @classmethod
    def skip(cls, reason: str, pending: Pending | None = None, **more: Any) -> StagePlan:
        """A plan without tasks; `pending` supplies the files that wait or were rejected."""
        if pending is not None:
            more = {"waiting": pending.waiting, "rejected": pending.rejected, **more}
        return cls(reason=reason, **more)

    @classmethod
    def of(cls, pending: Pending, where: str, tasks: Iterable[Task], **more: Any) -> StagePlan:
        """A plan for pending files: these tasks, or nothing to do if no file is pending.

        `where`: names the place in the reason, as `pending.sentence` does.
        """
        more = {"waiting": pending.waiting, "rejected": pending.rejected, **more}
        if not pending:
            return cls(reason=pending.sentence(where), **more)
        return cls(reason=pending.sentence(where), tasks=tasks, inputs=pending.inputs, **more)

    def __bool__(self) -> bool:
        return bool(self.tasks)


class StageResult(NamedTuple):
    """How a stage of a run ended; true for success and skipped.

    `reason`: why it ran or did not. `error`: what went wrong, a line for each task. `traceback`: of
    an error in its plan. `started`: Unix time. `duration`: seconds. `backing_off`: sentences on
    work that has failed again and again, and is left for a later run.
    """

    stage: str
    status: StageStatus
    reason: str = ""
    kind: FailureKind | None = None
    error: str = ""
    tasks: tuple[TaskResult, ...] = ()
    plan: StagePlan | None = None
    started: float = 0.0
    duration: float = 0.0
    warnings: tuple[str, ...] = ()
    traceback: str = ""
    backing_off: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.status in (StageStatus.SUCCESS, StageStatus.SKIPPED)

    @property
    def files(self) -> tuple[FileRecord, ...]:
        """What its tasks reported about files; better go through those of each task."""
        return tuple(record for task in self.tasks for record in task.files)

    def count(self, verb: Verb) -> int:
        """How many files were reported with `verb`."""
        return sum(task.files.number(verb) for task in self.tasks)

    def __str__(self) -> str:
        """For example `translator: 3 files, 1 rejected, 2.1 s`."""
        if self.status is StageStatus.BLOCKED:
            return f"{self.stage}: not run: {self.reason}"
        if self.status is StageStatus.SKIPPED:
            return ", ".join([f"{self.stage}: {self.status}", self.reason, *self._remarks()])
        if self.never_began:
            return f"{self.stage}: {self.status}, never began"
        failed = sum(unit.status is StageStatus.FAILURE for unit in self._units)
        counts = [
            (self.count(Verb.CONSUMED), "file", "files"),
            (self.count(Verb.WROTE), "written", "written"),
            (self.count(Verb.REJECTED), "rejected", "rejected"),
            (self.set_aside, "row set aside", "rows set aside"),
            (failed, "unit failed", "units failed"),
            (len(self.warnings), "warning", "warnings"),
            (self.attempts if self.attempts > 1 else 0, "attempt", "attempts"),
        ]
        parts = [f"{n:,} {one if n == 1 else many}" for n, one, many in counts if n]
        if self.status is StageStatus.CANCELLED:
            parts = [*self._got_to(), *parts]
        parts += self._remarks()
        if self.status is not StageStatus.SUCCESS:
            parts.insert(0, str(self.status))
        parts += [f"{self.duration:.1f} s"] if self.duration else []  # else nobody has measured it
        return f"{self.stage}: {', '.join(parts)}"

    @property
    def attempts(self) -> int:
        """How often it was tried in this run."""
        return max((task.attempt for task in self.tasks), default=1)

    @property
    def set_aside(self) -> int:
        """Rows that its programs set aside: the sum of their metrics `rows_set_aside`."""
        metrics = [task.metrics for task in self.tasks] + [unit.metrics for unit in self._units]
        numbers = [each.get("rows_set_aside", 0) for each in metrics]
        total = sum(number for number in numbers if math.isfinite(number))
        return int(total) if math.isfinite(total) else 0

    @property
    def never_began(self) -> bool:
        """Whether a cancelled run did not get to this stage."""
        return self.status is StageStatus.CANCELLED and self.reason == NEVER_BEGAN

    @property
    def _units(self) -> list[UnitResult]:
        """The units of its tasks, without those that were tried again."""
        return [unit for task in self.tasks for unit in task.units if unit or not task.retried]

    def _got_to(self) -> list[str]:
        """How far a cancelled stage got: what ran, what was stopped and what never began."""
        parts: list[TaskResult] | list[UnitResult] = self._units or list(self.tasks)
        ended = [part for part in parts if part.status is not StageStatus.CANCELLED]
        never = sum(part.reason == NEVER_BEGAN for part in parts)
        stopped = len(parts) - len(ended) - never
        noun = "unit" if self._units else "task"
        ran = f"{len(ended):,} of {len(parts):,} {noun}{'' if len(parts) == 1 else 's'} ran"
        counts = [(stopped, "stopped"), (never, "never began")]
        return [ran, *(f"{n:,} {what}" for n, what in counts if n)] if parts else []

    def _remarks(self) -> list[str]:
        """What became of its processes, other than how they ended, and of work that failed."""
        processes = [task.process for task in self.tasks if task.process is not None]
        streams = [stream for each in processes for stream in (each.stdout, each.stderr)]
        killed, escaped = (
            sum(p.survivors for p in processes),
            sum(len(p.escaped) for p in processes),
        )
        dropped = sum(stream.dropped for stream in streams)
        remarks = [
            killed and f"{killed} leftover process{'es' * (killed > 1)} killed",
            escaped and f"{escaped} process{'es' * (escaped > 1)} could not be killed",
            dropped and f"{dropped:,} bytes of output not kept",
            self.backing_off and f"{len(self.backing_off)} backing off",
        ]
        return [remark for remark in remarks if remark]
