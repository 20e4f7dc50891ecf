"""Back-off: work that fails in run after run is left out of plans, in more and more runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import evolve

from pipekit.config.digest import output_digest
from pipekit.model.quantity import listed
from pipekit.model.stage import StagePlan
from pipekit.model.status import StageStatus
from pipekit.model.task import Task, TaskResult
from pipekit.storage.failing import BackOff, Failing, Key, sentences
from pipekit.storage.files import FileManager
from pipekit.storage.ledger import signature_text
from pipekit.worker import Verb

if TYPE_CHECKING:
    from pipekit.run.current_run import CurrentRun
    from pipekit.run.project import Stage

LEFT_OUT = "all there is to do has failed again and again, and is left for a later run"
_NAMED = 3  # units

Tasks = Mapping[str, Task]


def without_failing(
    plan: StagePlan, back_off: BackOff, stage: Stage, files: FileManager
) -> StagePlan:
    """The plan without tasks that back off and those that need them; it holds files that do."""
    tasks = list(plan.tasks)
    for task in plan.tasks:
        key = (task.name, "")
        if key in back_off and back_off.leaves_out(
            key, _signature(task, files), output_digest(stage.settings)
        ):
            tasks = _without(tasks, task.name)
    paths = [path for _, path in back_off.left_out if path]
    if len(tasks) == len(plan.tasks) and not paths:
        return plan
    reason = plan.reason if tasks or not plan.tasks else LEFT_OUT
    return evolve(plan, reason=reason, tasks=tasks, holds=(*plan.holds, *paths))


def note_failures(
    run: CurrentRun, stage: Stage, plan: StagePlan, results: Sequence[TaskResult], tasks: Tasks
) -> tuple[str, ...]:
    """Remember what failed in this run, and what no longer does; says what will back off.

    `results`: of all attempts. `tasks`: the executed ones by name.
    """
    known = run.ledger.failing(stage.name)
    failed = {
        each.key: each._replace(reason=run.mask.text(each.reason)).again(
            known.get(each.key), run.number, stage.back_off
        )
        for each in _failed(stage, plan, results, tasks, run.project.files)
    }
    if any(result.status is StageStatus.CANCELLED for result in results):
        tried: set[Key] = {("", path) for path in _handled(results)}
    else:
        tried = {*(("", item.path) for item in plan.inputs), *((name, "") for name in tasks)}
    run.ledger.note_failing(stage.name, failed.values(), tried - failed.keys())
    again = [each for each in failed.values() if each.due > run.number + 1]
    return tuple(sentences(again, run.number))


def _failed(
    stage: Stage, plan: StagePlan, results: Iterable[TaskResult], tasks: Tasks, files: FileManager
) -> Iterator[Failing]:
    """The inputs of failed tasks that were not used up; the task itself, if the plan has none."""
    results = list(results)
    handled = _handled(results)
    for result in results:
        if result.kind is None or result.retried or result.status is StageStatus.CANCELLED:
            continue
        task = tasks[result.name]
        units = {unit.name: unit for unit in result.units}
        bad = {name: unit.reason for name, unit in units.items() if not unit}
        named = [name for name in bad if not any(name == item.path for item in plan.inputs)]
        what = listed(named, _NAMED) or result.name
        for item in plan.inputs:
            path = item.path
            if path in handled or (task.inputs and path not in task.inputs):
                continue
            if path in units and path not in bad:
                continue
            yield Failing(
                task="",
                path=path,
                signature=signature_text(item.file.signature),
                settings=item.settings_digest,
                version=stage.version,
                what=path if path in bad else what,
                reason=bad.get(path) or result.reason,
            )
        if not plan.inputs:
            yield Failing(
                task=result.name,
                path="",
                signature=_signature(task, files),
                settings=output_digest(stage.settings),
                version=stage.version,
                what=result.name,
                reason=result.reason,
            )


def _handled(results: Iterable[TaskResult]) -> set[str]:
    """The files that were consumed, and not only in part, or rejected."""
    found = (each.files.having(Verb.CONSUMED, Verb.REJECTED) for each in results)
    return {record.path for records in found for record in records if record.complete}


def _signature(task: Task, files: FileManager) -> str:
    """What a task is about: its units, and its input files as they are now."""
    found = [(path, files.stat(path)) for path in task.inputs]
    inputs = [[path, signature_text(stat and stat.signature)] for path, stat in found]
    return output_digest([list(task.units), list(task.outputs), inputs])


def _without(tasks: list[Task], name: str) -> list[Task]:
    """The tasks without one, and without those that come after it."""
    gone = {name}
    while True:
        left = [task for task in tasks if task.name not in gone and not gone & set(task.after)]
        if len(left) == len(tasks):
            return left
        gone |= {task.name for task in tasks} - {task.name for task in left}
        tasks = left
