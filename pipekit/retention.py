"""Removes what old runs left: logs, journals, reports, spools, quarantine; knows no other file.

Only what is named after a run that the ledger knows and that has ended is ever touched, and of the
latest run nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipekit.model.state import Paths, PipelineStatus
from pipekit.storage.history import RunHistory

if TYPE_CHECKING:
    from pipekit.config.tables import RetentionConfig

_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_JOURNAL = re.compile(rf"pipeline_({_ID})\.jsonl")
_LOG = re.compile(rf"pipeline_(?:report_)?[0-9]{{8}}_[0-9]{{6}}_({_ID})\.(?:log|json)")
_FOLDER = re.compile(f"({_ID})")


def sweep(paths: Paths, keep: RetentionConfig, history: RunHistory, now: float) -> list[str]:
    """Remove what is beyond the bounds; returns a sentence for each thing that would not go.

    Reads three folders and, where a bound may be passed, the ledger's rows of the runs in them.
    """
    problems = _folders(paths.runs, keep.spools, now - keep.spool_age, history)
    problems += _folders(paths.quarantine, keep.quarantine, now - keep.quarantine_age, history)
    return problems + _logs(paths, keep, history, now)


def run_time(run_id: str) -> float:
    """Unix time at which a run id was made (RFC 9562: the first 48 bits, in milliseconds)."""
    return int(run_id.replace("-", "")[:12], 16) / 1000


def _folders(parent: Path, count: int, oldest: float, history: RunHistory) -> list[str]:
    """Keep the folders of the newest runs: `count` of them, none from before `oldest`."""
    names = _found(parent, _FOLDER)
    beyond = [name for i, name in enumerate(names) if i and (i >= count or run_time(name) < oldest)]
    return _removed((parent / name for name in _ended(beyond, history)), _remove_folder)


def _logs(paths: Paths, keep: RetentionConfig, history: RunHistory, now: float) -> list[str]:
    """Journal, log and report go together; the journal last, since it tells that they are there."""
    names = _found(paths.events, _JOURNAL)
    oldest = now - keep.run_age
    if len(names) <= min(keep.idle_runs, keep.runs) and all(run_time(n) >= oldest for n in names):
        return []
    going = set(_passed(names, keep, oldest, history))
    if not going:
        return []
    logs = [
        paths.logs / name
        for name in os.listdir(paths.logs)
        if (match := _LOG.fullmatch(name)) and match[1] in going
    ]
    journals = [paths.events / f"pipeline_{name}.jsonl" for name in sorted(going)]
    return _removed([*logs, *journals], Path.unlink)


def _passed(
    names: list[str], keep: RetentionConfig, oldest: float, history: RunHistory
) -> Iterator[str]:
    """The ended runs, newest first, that are beyond the bound for their kind."""
    statuses = history.statuses(names)
    left = {True: keep.idle_runs, False: keep.runs}
    for index, name in enumerate(names):
        if name not in statuses:
            continue
        idle = statuses[name] is PipelineStatus.IDLE
        left[idle] -= 1
        if index and (left[idle] < 0 or run_time(name) < oldest):
            yield name


def _found(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    """The run ids that stand in the names of a folder's entries, newest first."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return []
    matches = (pattern.fullmatch(entry) for entry in entries)
    return sorted((match[1] for match in matches if match), reverse=True)


def _ended(run_ids: list[str], history: RunHistory) -> Iterable[str]:
    return history.statuses(run_ids) if run_ids else ()


def _removed(paths: Iterable[Path], remove: Callable[[Path], None]) -> list[str]:
    problems = []
    for path in paths:
        try:
            remove(path)
        except OSError as error:
            problems.append(f"{path} is to go ([retention]), but cannot: {error.strerror}")
    return problems


def _remove_folder(folder: Path) -> None:
    import shutil  # only where something goes

    shutil.rmtree(folder)  # which never follows a link
