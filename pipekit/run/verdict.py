"""Verdicts: the result of a task and of a stage, from exit status, report and published files.

The rules are in docs/reference/statuses.md. Nothing is a success without evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipekit.model.command import Outcome, ProcessResult
from pipekit.model.file import FileStat
from pipekit.model.records import FileRecord, FileRecords
from pipekit.model.stage import StagePlan, StageResult
from pipekit.model.status import NEVER_BEGAN, STOPPED, FailureKind, StageStatus
from pipekit.model.task import Task, TaskResult, UnitResult
from pipekit.storage.files import FileManager
from pipekit.storage.ledger import signature_text
from pipekit.worker import Verb

if TYPE_CHECKING:
    from pipekit.run.report_file import TaskReport

_KINDS = {
    Outcome.TIMED_OUT: FailureKind.TIMEOUT,
    Outcome.HUNG: FailureKind.HANG,
    Outcome.SPAWN_FAILED: FailureKind.SPAWN,
    Outcome.LOST: FailureKind.LOST,
}
_PUBLISHED = {Verb.WROTE: "written", Verb.UNCHANGED: "unchanged"}  # verb: its participle
_LAST_LINES = 10  # of a failed process or plan, in its last event
_LONGEST_LINE = 500  # characters of the last line, in a sentence
_MOST_METRICS = 50  # of a stage, in the ledger
_MOST_BACKING_OFF = 20  # sentences of a stage, in the ledger
_NEVER_FINISHED = "never finished"


def judge_task(
    task: Task,
    process: ProcessResult,
    report: TaskReport,
    *,
    before: Mapping[str, FileStat | None],
    published: Mapping[str, str],
    files: FileManager,
) -> TaskResult:
    """The result of one task.

    `before`: its declared outputs, as they were when it started. `published`: the signature (as
    text) of each file that the stage published in earlier runs.
    """
    before = {files.relative(path): old for path, old in before.items()}
    units = _units(task, report, cancelled=process.outcome is Outcome.CANCELLED)
    records = report.files.changed(lambda record: _as_planned(record, files))
    published_now = records.having(*_PUBLISHED)
    claims = [record for record in published_now if record.unit is None or units[record.unit]]
    problems = [
        *_published_problems(claims, units, published, files),
        *_declared_problems(before, claims, files),
    ]
    damage = report.damage or _torn(report, process)
    if damage:
        problems.append(damage)
    kept = _counted(records, units, problems)
    if damage:  # other records of these inputs may be lost, so they stay pending
        kept = kept.changed(lambda record: None if record.verb == Verb.CONSUMED else record)
    if process.outcome is not Outcome.SPAWN_FAILED:
        problems += [
            f"unit {unit.name!r} never finished"
            for unit in units.values()
            if unit.reason == _NEVER_FINISHED
        ]
    status, kind, reason = _verdict(process, damage, list(units.values()), problems, kept)
    return TaskResult(
        name=task.name,
        status=status,
        kind=kind,
        reason=reason,
        argv=task.command.argv,
        units=tuple(units.values()),
        metrics=dict(report.metrics),
        files=kept,
        state={} if damage else _state(report, units, problems),
        warnings=(*report.warnings, *process.warnings),
        process=process,
    )


def _as_planned(record: FileRecord, files: FileManager) -> FileRecord:
    """The record with its paths written as plans and the ledger write them."""
    path, sources = files.relative(record.path), record.sources
    if sources is not None:
        sources = tuple(map(files.relative, sources))
    same = path == record.path and sources == record.sources
    return record if same else record._replace(path=path, sources=sources)


def _torn(report: TaskReport, process: ProcessResult) -> str:
    """A sentence if the report ends within a line, though no signal ended the process there."""
    torn = report.torn and process.signal is None
    return "the report ends in an incomplete line" if torn else ""


def _units(task: Task, report: TaskReport, *, cancelled: bool) -> dict[str, UnitResult]:
    units: dict[str, UnitResult] = {}
    for name in dict.fromkeys((*task.units, *report.units)):
        unit = report.units.get(name)
        if unit is None and cancelled:
            reason = STOPPED if name in report.units else NEVER_BEGAN
            unit = UnitResult(name=name, status=StageStatus.CANCELLED, reason=reason)
        elif unit is None:
            unit = UnitResult(name=name, status=StageStatus.FAILURE, reason=_NEVER_FINISHED)
        units[name] = unit._replace(metrics=report.unit_metrics.get(name, {}))
    return units


def _declared_problems(
    before: Mapping[str, FileStat | None], records: list[FileRecord], files: FileManager
) -> list[str]:
    """A sentence for each declared output that is missing or was not replaced."""
    problems = []
    unchanged = {record.path for record in records if record.verb == Verb.UNCHANGED}
    for path, old in before.items():
        new = files.stat(path)
        if new is None:
            problems.append(f"the declared output {path} does not exist")
        elif old == new and path not in unchanged:
            text = f"the declared output {path} was not written: it is the same file as before"
            problems.append(text)
    return problems


def _published_problems(
    records: list[FileRecord],
    units: dict[str, UnitResult],
    published: Mapping[str, str],
    files: FileManager,
) -> Iterator[str]:
    """A sentence for each published file that is not as reported; its unit has failed.

    `records`: of published files.
    """
    last = {record.path: record for record in records}
    for record in last.values():
        verb, now = _PUBLISHED[record.verb], files.stat(record.path)
        if now is None:
            problem = f"{record.path} was reported as {verb}, but does not exist"
        elif record.signature and signature_text(now.signature) != record.signature:
            problem = f"{record.path} was changed after it was reported as {verb}"
        elif verb == "written" and published.get(record.path) == signature_text(now.signature):
            problem = f"{record.path} was reported as written, but is the same file as before"
        else:
            continue
        if record.unit is not None:
            units[record.unit] = units[record.unit]._replace(
                status=StageStatus.FAILURE, reason=problem
            )
        yield problem


def _counted(
    records: FileRecords, units: Mapping[str, UnitResult], problems: list[str]
) -> FileRecords:
    """Records of successful units, and those outside of units unless there are problems.

    Without explicit sources, a published file is made from everything its unit (or task) consumed.
    """

    def valid(record: FileRecord) -> FileRecord | None:
        if record.unit is not None:
            return record if units[record.unit] else None
        return record if not problems or record.verb == Verb.REJECTED else None

    kept = records.changed(valid)
    if all(record.sources is not None for record in kept.having(*_PUBLISHED)):
        return kept
    consumed: dict[str | None, list[str]] = {}
    for record in kept.having(Verb.CONSUMED):
        consumed.setdefault(record.unit, []).append(record.path)

    def with_sources(record: FileRecord) -> FileRecord:
        if record.verb not in _PUBLISHED or record.sources is not None:
            return record
        return record._replace(sources=tuple(consumed.get(record.unit, ())))

    return kept.changed(with_sources)


def _state(
    report: TaskReport, units: Mapping[str, UnitResult], problems: list[str]
) -> dict[str, Any]:
    """What the stage is to remember: reported in a successful unit, or outside of units."""
    return {
        key: value
        for unit, key, value in report.state
        if (units[unit] if unit is not None else not problems)
    }


def _verdict(
    process: ProcessResult,
    damage: str,
    units: list[UnitResult],
    problems: list[str],
    records: FileRecords,
) -> tuple[StageStatus, FailureKind | None, str]:
    if process.outcome is Outcome.CANCELLED:
        return StageStatus.CANCELLED, None, process.reason or "cancelled"
    failed = [unit for unit in units if not unit]
    rejected = list(records.having(Verb.REJECTED))
    done_well = len(failed) < len(units) or rejected or records.number(Verb.CONSUMED)
    kind = None if process.success else _KINDS.get(process.outcome) or _exit_kind(process)
    if damage and kind in (None, FailureKind.EXIT):  # others say more, and explain the damage
        reason = f"{process.reason}; {damage}" if process.reason else damage
        return StageStatus.FAILURE, FailureKind.CONTRACT, reason
    if kind is not None:
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


def judge_stage(stage: str, plan: StagePlan, tasks: Iterable[TaskResult]) -> StageResult:
    """The result of a stage from those of its tasks, of which the last attempt counts.

    If nothing but empty files was consumed, the stage is skipped and not a success.
    """
    tasks = tuple(tasks)
    empty = _empty_files(tasks)
    final = [task for task in tasks if not task.retried]
    bad = [task for task in final if not task and task.status is not StageStatus.BLOCKED]
    statuses = {task.status for task in (tasks if bad else final)}
    return StageResult(
        stage=stage,
        status=_stage_status(statuses, only_empty=bool(empty)),
        reason=_empty_reason(empty, plan) if empty and not bad else plan.reason,
        kind=next((task.kind for task in bad if task.kind), None),
        error="\n".join(f"{task.name}: {task.reason}" for task in bad if task.reason),
        tasks=tasks,
        plan=plan,
        warnings=tuple(warning for task in tasks for warning in task.warnings),
    )


def _stage_status(statuses: set[StageStatus], *, only_empty: bool) -> StageStatus:
    if StageStatus.CANCELLED in statuses:
        return StageStatus.CANCELLED
    if statuses == {StageStatus.SUCCESS}:
        return StageStatus.SKIPPED if only_empty else StageStatus.SUCCESS
    good = statuses & {StageStatus.SUCCESS, StageStatus.PARTIAL}
    return StageStatus.PARTIAL if good else StageStatus.FAILURE


def _empty_files(tasks: tuple[TaskResult, ...]) -> list[FileRecord]:
    """The empty files that were consumed, if the tasks did nothing else."""
    records = (record for task in tasks for record in task.files)
    nothing_else = all(each.verb == Verb.CONSUMED and each.is_empty for each in records)
    if not nothing_else or any(task.units for task in tasks):
        return []
    return [record for task in tasks for record in task.files]


def _empty_reason(empty: list[FileRecord], plan: StagePlan) -> str:
    """The reason given for empty files; a file that had content before was probably damaged."""
    return _emptied(empty, plan) or _are([record.path for record in empty], "empty")


def emptied_files(plan: StagePlan, tasks: Iterable[TaskResult]) -> list[str]:
    """A warning if files that had content before were consumed empty, among others that were not.

    If there were no others, the stage is skipped, and its reason says the same.
    """
    tasks = tuple(tasks)
    empty = [r for task in tasks for r in task.files if r.is_empty]
    text = "" if _empty_files(tasks) else _emptied(empty, plan)
    return [text] if text else []


def _emptied(empty: list[FileRecord], plan: StagePlan) -> str:
    """A sentence on those of the empty files that had content before; empty without any."""
    before = {item.path: item.previous for item in plan.inputs if item.previous is not None}
    paths = [r.path for r in empty if r.path in before and not before[r.path].detail.get("empty")]
    if not paths:
        return ""
    detail = before[paths[0]].detail
    counts = [(detail.get(word), word) for word in ("rows", "lines")]
    known = [f" (it had {n:,} {word})" for n, word in counts if isinstance(n, int)]
    had = known[0] if known and len(paths) == 1 else ""
    it = "it" if len(paths) == 1 else "them"
    kept = f"What was published from {it} stays, except with --rebuild"
    return f"{_are(paths, 'now empty')}{had}. {kept}; check the export"


def _are(paths: list[str], what: str) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    count = "1 file is" if len(paths) == 1 else f"{len(paths)} files are"
    return f"{count} {what}: {paths[0]}{more}"


def last_lines(process: ProcessResult | None, count: int = _LAST_LINES) -> list[str]:
    """The last lines of stderr, or of stdout if stderr is empty."""
    if process is None:
        return []
    return (process.stderr.tail.strip() or process.stdout.tail.strip()).splitlines()[-count:]


def final_lines(result: StageResult) -> dict[str, str]:
    """The last line that each failed task printed; of stdout if stderr is empty.

    Not if the plugin's own code failed: the reason already says so.
    """
    found = {}
    for task in result.tasks:
        failed = task.status is StageStatus.FAILURE and task.kind is not FailureKind.PLUGIN
        failed = failed and not task.retried
        lines = last_lines(task.process, 1) if failed else []
        if lines and lines[-1].strip():
            found[task.name] = lines[-1].strip()[:_LONGEST_LINE]
    return found


def ledger_entry(result: StageResult) -> dict[str, Any]:
    """What the ledger stores about a stage's result."""
    values = {
        "status": result.status,
        "kind": result.kind,
        "reason": result.reason,
        "error": result.error,
        "last_line": final_lines(result),
        "sentence": str(result),
        "tasks": len(result.tasks) or None,
        "duration": round(result.duration, 3),
        "backing_off": list(result.backing_off[:_MOST_BACKING_OFF]),
    }
    return {key: value for key, value in values.items() if value not in (None, "", {}, [])}


def summed_metrics(result: StageResult) -> dict[str, float]:
    """The sum of each metric over the tasks of a stage and their units."""
    sums: dict[str, float] = {}
    for task in result.tasks:
        for metrics in (task.metrics, *(unit.metrics for unit in task.units)):
            for name, value in metrics.items():
                sums[name] = sums.get(name, 0) + value
    return dict(islice(sums.items(), _MOST_METRICS))


def event_data(result: StageResult) -> dict[str, Any]:
    """The data of the last event of a stage."""
    data = {**ledger_entry(result), "warnings": len(result.warnings)}
    if result.status is StageStatus.FAILURE:
        bad = next((task for task in result.tasks if not task and not task.retried), None)
        lines = result.traceback.splitlines()[-_LAST_LINES:]  # of its plan, if that failed
        data["last_lines"] = lines if bad is None else last_lines(bad.process)
    return data
