"""Removes the logs, journals, reports, output and quarantine of old runs.

Only files and folders named after a finished run in the ledger are removed, and none of the latest
run.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pipekit.model.run import Paths
from pipekit.model.status import PipelineStatus
from pipekit.storage.runs import RunHistory

if TYPE_CHECKING:
    from pipekit.config.tables import RetentionConfig

_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_JOURNAL = re.compile(rf"pipeline_({_ID})\.jsonl")
_LOG = re.compile(rf"pipeline_(?:report_)?[0-9]{{8}}_[0-9]{{6}}_({_ID})\.(?:log|json)")
_FOLDER = re.compile(f"({_ID})")


def apply_retention(
    paths: Paths, keep: RetentionConfig, history: RunHistory, now: float
) -> list[str]:
    """Remove what exceeds the limits of [retention]; returns a sentence for each failure."""
    problems = _folders(paths.runs, keep.spools, now - keep.spool_age, history)
    problems += _folders(paths.quarantine, keep.quarantine, now - keep.quarantine_age, history)
    return problems + _logs(paths, keep, history, now)


def _folders(parent: Path, count: int, oldest: float, history: RunHistory) -> list[str]:
    """Keep the folders of the newest `count` runs, but none older than `oldest` (Unix time)."""
    names = _found(parent, _FOLDER)
    floor = _first_id(oldest)
    beyond = [name for i, name in enumerate(names) if i and (i >= count or name < floor)]
    if not beyond:
        return []
    import shutil  # rarely needed

    return _removed((parent / name for name in history.ended(beyond)), shutil.rmtree)


def _logs(paths: Paths, keep: RetentionConfig, history: RunHistory, now: float) -> list[str]:
    """Remove journal, log and report together; the journal last, since old runs are found by it."""
    names = _found(paths.events, _JOURNAL)
    statuses = history.ended(names)
    floor = _first_id(now - keep.run_age)
    counts: Counter[bool] = Counter()
    going = set()
    for name in names:
        if name in statuses:
            idle = statuses[name] == PipelineStatus.IDLE
            counts[idle] += 1
            too_many = counts[idle] > (keep.idle_runs if idle else keep.runs)
            if name != names[0] and (too_many or name < floor):
                going.add(name)
    if not going:
        return []
    logs = [
        paths.logs / name
        for name in os.listdir(paths.logs)
        if (match := _LOG.fullmatch(name)) and match[1] in going
    ]
    journals = [paths.events / f"pipeline_{name}.jsonl" for name in sorted(going)]
    return _removed([*logs, *journals], Path.unlink)


def _found(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    """The run ids in the names of a folder's entries, newest first."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return []
    matches = (pattern.fullmatch(entry) for entry in entries)
    return sorted((match[1] for match in matches if match), reverse=True)


def _first_id(moment: float) -> str:
    """The start of the first run id made at a moment (RFC 9562: ids begin with milliseconds)."""
    text = f"{max(int(moment * 1000), 0):012x}"
    return f"{text[:8]}-{text[8:]}"


def _removed(paths: Iterable[Path], remove: Callable[[Path], None]) -> list[str]:
    problems = []
    for path in paths:
        try:
            remove(path)
        except OSError as error:
            problems.append(f"cannot remove {path}, which is due ([retention]): {error.strerror}")
    return problems
