"""The verdict on a task, from exit status, report and published files.

The rules are in docs/reference/statuses.md. Nothing is a success without evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pipekit.model.command import Outcome, ProcessResult
from pipekit.model.file import FileStat
from pipekit.model.quantity import listed
from pipekit.model.records import FileRecord, FileRecords
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
        reason = listed([f"{unit.name}: {unit.reason}" for unit in failed], 3, "; ")
        kind = FailureKind.CONTRACT if problems else FailureKind.PLUGIN
        return (StageStatus.PARTIAL if done_well else StageStatus.FAILURE), kind, reason
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
