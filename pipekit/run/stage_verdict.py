"""The verdict on a stage, from those on its tasks, and what the ledger and events say of it.

The rules are in docs/reference/statuses.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice
from typing import Any

from pipekit.model.command import ProcessResult
from pipekit.model.quantity import listed
from pipekit.model.records import FileRecord
from pipekit.model.stage import StagePlan, StageResult
from pipekit.model.status import StageStatus, failure_output
from pipekit.model.task import TaskResult
from pipekit.worker import Verb

_LAST_LINES = 10  # of a failed process or plan, in its last event
_LONGEST_LINE = 500  # characters of the last line, in a sentence
_MOST_METRICS = 50  # of a stage, in the ledger
_MOST_BACKING_OFF = 20  # sentences of a stage, in the ledger


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
    count = "1 file is" if len(paths) == 1 else f"{len(paths)} files are"
    return f"{count} {what}: {listed(paths, 1)}"


def last_lines(process: ProcessResult | None) -> list[str]:
    """The last lines of stderr, or of stdout if stderr is empty."""
    if process is None:
        return []
    lines = (process.stderr.tail.strip() or process.stdout.tail.strip()).splitlines()
    return lines[-_LAST_LINES:]


def final_lines(result: StageResult) -> dict[str, str]:
    """The last line that each failed task printed; of stdout if stderr is empty.

    Not if the plugin's own code failed: the reason already says so.
    """
    found = {}
    for task in result.tasks:
        process = task.process
        if process is None or task.retried:
            continue
        stderr, stdout = process.stderr.tail, process.stdout.tail
        lines = failure_output(task.status, task.kind, stderr, stdout)
        if lines:
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
    """The sum of each metric over the tasks of a stage and their units, if it is finite."""
    sums: dict[str, float] = {}
    for task in result.tasks:
        for metrics in (task.metrics, *(unit.metrics for unit in task.units)):
            for name, value in metrics.items():
                sums[name] = sums.get(name, 0) + value
    finite = {name: value for name, value in sums.items() if math.isfinite(value)}
    return dict(islice(finite.items(), _MOST_METRICS))


def event_data(result: StageResult) -> dict[str, Any]:
    """The data of the last event of a stage."""
    data = {**ledger_entry(result), "warnings": len(result.warnings)}
    if result.status is StageStatus.FAILURE:
        bad = next((task for task in result.tasks if not task and not task.retried), None)
        lines = result.traceback.splitlines()[-_LAST_LINES:]  # of its plan, if that failed
        data["last_lines"] = lines if bad is None else last_lines(bad.process)
    return data
