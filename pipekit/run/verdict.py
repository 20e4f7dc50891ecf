"""Says what came of a task and of a stage, from the process, its report and the files alone.

The rules are those of docs/reference/statuses.md: nothing is a success that was not shown to be
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from attrs import evolve

from pipekit.model.command import Outcome, ProcessResult
from pipekit.model.file import FileStat
from pipekit.model.stage import StageResult
from pipekit.model.status import FailureKind, StageStatus
from pipekit.model.task import FileRecord, Task, TaskResult, UnitResult
from pipekit.run.report_file import Facts
from pipekit.storage.files import FileManager
from pipekit.storage.ledger import signature_text

_KINDS = {
    Outcome.TIMED_OUT: FailureKind.TIMEOUT,
    Outcome.HUNG: FailureKind.HANG,
    Outcome.SPAWN_FAILED: FailureKind.SPAWN,
    Outcome.LOST: FailureKind.LOST,
}
_PUBLISHED = frozenset({"wrote", "unchanged"})
_NEVER_FINISHED = "never finished"


class Before(NamedTuple):
    """What stood before a task ran: its declared outputs, and what the stage had published."""

    outputs: Mapping[str, FileStat | None]
    published: Mapping[str, str]  # path -> signature as the ledger has it


def look_before(files: FileManager, task: Task, published: Mapping[str, str]) -> Before:
    """Remember the declared outputs of a task as they are now."""
    return Before(outputs={path: files.stat(path) for path in task.outputs}, published=published)


def judge_task(
    task: Task, process: ProcessResult, facts: Facts, before: Before, files: FileManager
) -> TaskResult:
    """What came of one task."""
    records = [_placed(record, files.relative(record.path)) for record in facts.files]
    units = _units(task, facts)
    problems: list[str] = []
    told = [record for record in records if record.unit is None or units[record.unit]]
    for unit, problem in _output_problems(told, before, files):
        problems.append(problem)
        if unit is not None:
            units[unit] = evolve(units[unit], status=StageStatus.FAILURE, reason=problem)
    if facts.damage:
        problems.append(facts.damage)
    kept = _counted(records, units, problems)
    if facts.damage:  # what else it said of these inputs may be lost: they are taken once more
        kept = [record for record in kept if record.verb != "consumed"]
    if process.outcome is not Outcome.SPAWN_FAILED:
        problems += [
            f"unit {unit.name!r} never finished"
            for unit in units.values()
            if unit.reason == _NEVER_FINISHED
        ]
    status, kind, reason = _verdict(process, list(units.values()), problems, kept)
    return TaskResult(
        name=task.name,
        status=status,
        kind=kind,
        reason=reason,
        argv=task.command.argv,
        units=tuple(units.values()),
        metrics=dict(facts.metrics),
        files=tuple(kept),
        warnings=(*facts.warnings, *process.warnings),
        process=process,
    )


def _placed(record: FileRecord, path: str) -> FileRecord:
    return record if record.path == path else evolve(record, path=path)


def _units(task: Task, facts: Facts) -> dict[str, UnitResult]:
    units: dict[str, UnitResult] = {}
    for name in dict.fromkeys((*task.units, *facts.units)):
        unit = facts.units.get(name)
        if unit is None:
            unit = UnitResult(name=name, status=StageStatus.FAILURE, reason=_NEVER_FINISHED)
        units[name] = evolve(unit, metrics=facts.unit_metrics.get(name, {}))
    return units


def _output_problems(
    records: list[FileRecord], before: Before, files: FileManager
) -> list[tuple[str | None, str]]:
    """Unit (or None) and sentence for every output that is not what was said of it."""
    problems: list[tuple[str | None, str]] = []
    published = [record for record in records if record.verb in _PUBLISHED]
    last = {record.path: record for record in published}  # one file may be written more than once
    for record in published:
        problem = _published_problem(record, before, files) if last[record.path] is record else ""
        if problem:
            problems.append((record.unit, problem))
    unchanged = {record.path for record in records if record.verb == "unchanged"}
    for path, old in before.outputs.items():
        new = files.stat(path)
        if new is None:
            problems.append((None, f"the declared output {path} is not there"))
        elif old == new and path not in unchanged:
            problems.append((None, f"the declared output {path} is the same file as before"))
    return problems


def _published_problem(record: FileRecord, before: Before, files: FileManager) -> str:
    now = files.stat(record.path)
    if now is None:
        return f"{record.path} was reported as {record.verb}, but is not there"
    if record.signature is not None and now.signature != record.signature:
        return f"{record.path} was changed after it was reported as {record.verb}"
    same = before.published.get(record.path) == signature_text(now.signature)
    if record.verb == "wrote" and same:
        return f"{record.path} was reported as written, but is the same file as before"
    return ""


def _counted(
    records: list[FileRecord], units: Mapping[str, UnitResult], problems: list[str]
) -> list[FileRecord]:
    """Records of units that ended well, and those of no unit unless an output was not as told.

    A published file without named sources came of all that its unit (or task) consumed.
    """

    def counts(record: FileRecord) -> bool:
        if record.unit is not None:
            return bool(units[record.unit])
        return not problems or record.verb == "rejected"

    kept = [record for record in records if counts(record)]
    consumed: dict[str | None, list[str]] = {}
    for record in kept:
        if record.verb == "consumed":
            consumed.setdefault(record.unit, []).append(record.path)
    return [
        evolve(record, sources=tuple(consumed.get(record.unit, ())))
        if record.verb in _PUBLISHED and record.sources is None
        else record
        for record in kept
    ]


def _verdict(
    process: ProcessResult,
    units: list[UnitResult],
    problems: list[str],
    records: list[FileRecord],
) -> tuple[StageStatus, FailureKind | None, str]:
    if process.outcome is Outcome.CANCELLED:
        return StageStatus.CANCELLED, None, process.reason or "stopped"
    failed = [unit for unit in units if not unit]
    rejected = [record for record in records if record.verb == "rejected"]
    done_well = len(failed) < len(units) or any(r.verb in ("consumed", "rejected") for r in records)
    if not process.success:
        kind = _KINDS.get(process.outcome) or _exit_kind(process)
        status = StageStatus.PARTIAL if units and len(failed) < len(units) else StageStatus.FAILURE
        return status, kind, process.reason
    if failed:
        reason = "; ".join(f"{unit.name}: {unit.reason}" for unit in failed[:3])
        more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
        kind = FailureKind.CONTRACT if problems else FailureKind.PLUGIN
        return (StageStatus.PARTIAL if done_well else StageStatus.FAILURE), kind, reason + more
    if problems:
        return StageStatus.FAILURE, FailureKind.CONTRACT, "; ".join(problems[:3])
    if rejected:
        return StageStatus.PARTIAL, None, _rejection(rejected)
    return StageStatus.SUCCESS, None, ""


def _rejection(records: list[FileRecord]) -> str:
    first = records[0]
    more = f" (and {len(records) - 1} more)" if len(records) > 1 else ""
    return f"{first.path} was rejected: {first.reason.removeprefix(f'{first.path}: ')}{more}"


def _exit_kind(process: ProcessResult) -> FailureKind:
    if process.signal is None:
        return FailureKind.EXIT
    return FailureKind.OOM if process.out_of_memory else FailureKind.SIGNAL


def judge_stage(result: StageResult, tasks: Iterable[TaskResult]) -> StageResult:
    """A stage's status from those of its tasks; its kind and error are the first bad task's."""
    tasks = tuple(tasks)
    statuses = {task.status for task in tasks}
    good = statuses & {StageStatus.SUCCESS, StageStatus.PARTIAL}
    if StageStatus.CANCELLED in statuses:
        status = StageStatus.CANCELLED
    elif statuses == {StageStatus.SUCCESS}:
        empty = _empty_files(tasks)
        if empty:
            result = evolve(result, reason=f"{empty} empty file{'s' if empty > 1 else ''}, no more")
        status = StageStatus.SKIPPED if empty else StageStatus.SUCCESS
    else:
        status = StageStatus.PARTIAL if good else StageStatus.FAILURE
    bad = [task for task in tasks if not task and task.status is not StageStatus.BLOCKED]
    return evolve(
        result,
        status=status,
        kind=next((task.kind for task in bad if task.kind), None),
        error="; ".join(f"{task.name}: {task.reason}" for task in bad if task.reason),
        tasks=tasks,
        warnings=result.warnings + tuple(w for task in tasks for w in task.warnings),
    )


def _empty_files(tasks: tuple[TaskResult, ...]) -> int:
    """How many empty inputs were consumed where nothing else was done: no success by itself."""
    files = [record for task in tasks for record in task.files]
    nothing_else = all(record.verb == "consumed" and record.detail.get("empty") for record in files)
    return len(files) if nothing_else and not any(task.units for task in tasks) else 0
