"""Removes the logs, journals, reports, output and quarantine of old runs.

Only files and folders named after a finished run in the ledger are removed, and none of the latest
run. Age counts by the runs in the ledger, not by the system's clock now: nothing goes because one
reading of it was wrong.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pipekit.model.names import RUN_ID
from pipekit.model.quantity import stamp
from pipekit.model.run import Paths
from pipekit.model.status import PipelineStatus
from pipekit.storage.runs import EndedRun, RunHistory

if TYPE_CHECKING:
    from pipekit.config.tables import RetentionConfig

_JOURNAL = re.compile(rf"pipeline_({RUN_ID})\.jsonl")
_LOG = re.compile(rf"pipeline_(?:report_)?[0-9]{{8}}_[0-9]{{6}}_({RUN_ID})\.(?:log|json)")
_FOLDER = re.compile(f"({RUN_ID})")


def apply_retention(paths: Paths, keep: RetentionConfig, history: RunHistory) -> list[str]:
    """Remove what exceeds the limits of [retention]; returns a sentence for each failure."""
    now = history.now()
    problems = _folders(paths.runs, keep.spools, now - keep.spool_age, history)
    problems += _folders(paths.quarantine, keep.quarantine, now - keep.quarantine_age, history)
    return problems + _logs(paths, keep, now - keep.run_age, history)


def _folders(parent: Path, count: int, oldest: float, history: RunHistory) -> list[str]:
    """Keep the folders of the newest `count` runs, but none from before `oldest`."""
    runs = history.ended(_found(parent, _FOLDER))
    beyond = [run for i, run in enumerate(runs) if i and (i >= count or run.dated < oldest)]
    if not beyond:
        return []
    import shutil  # rarely needed

    return _removed((parent / run.run_id for run in beyond), shutil.rmtree)


def _logs(paths: Paths, keep: RetentionConfig, oldest: float, history: RunHistory) -> list[str]:
    """Remove journal, log and report together; the journal last, since old runs are found by it."""
    runs = history.ended(_found(paths.events, _JOURNAL))
    counts: Counter[bool] = Counter()
    beyond = []
    for run in runs:
        idle = run.status == PipelineStatus.IDLE
        counts[idle] += 1
        too_many = counts[idle] > (keep.idle_runs if idle else keep.runs)
        if run is not runs[0] and (too_many or run.dated < oldest):
            beyond.append(run)
    if not beyond:
        return []
    journals = [paths.journal(run.run_id) for run in reversed(beyond)]
    return _removed([*_logs_and_reports(paths.logs, beyond), *journals], Path.unlink)


def _logs_and_reports(folder: Path, runs: Iterable[EndedRun]) -> list[Path]:
    """The logs and reports of runs; found by their names, or by a look at the whole folder."""
    found, others = [], set()
    for run in runs:
        start = stamp(run.started)
        log = folder / f"pipeline_{start}_{run.run_id}.log"
        report = folder / f"pipeline_report_{start}_{run.run_id}.json"
        if log.exists() and report.exists():
            found += [log, report]
        else:  # one is missing, or has the local time of another zone
            others.add(run.run_id)
    if others:
        found += [
            folder / name
            for name in os.listdir(folder)
            if (match := _LOG.fullmatch(name)) and match[1] in others
        ]
    return found


def _found(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    """The run ids in the names of a folder's entries."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return []
    matches = (pattern.fullmatch(entry) for entry in entries)
    return [match[1] for match in matches if match]


def _removed(paths: Iterable[Path], remove: Callable[[Path], None]) -> list[str]:
    problems = []
    for path in paths:
        try:
            remove(path)
        except OSError as error:
            problems.append(f"cannot remove {path}, which is due ([retention]): {error.strerror}")
    return problems
