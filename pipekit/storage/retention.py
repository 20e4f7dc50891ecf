"""Removes what old runs left: logs, journals, reports, spools, quarantine; knows no other file.

Only what is named after a run that the ledger knows and that has ended is ever touched, and of the
latest run nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pipekit.model.run import Paths
from pipekit.storage.runs import RunHistory

if TYPE_CHECKING:
    from pipekit.config.tables import RetentionConfig

_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_JOURNAL = re.compile(rf"pipeline_({_ID})\.jsonl")
_LOG = re.compile(rf"pipeline_(?:report_)?[0-9]{{8}}_[0-9]{{6}}_({_ID})\.(?:log|json)")
_FOLDER = re.compile(f"({_ID})")
_NEXT_TO_A_BOUND = 200  # runs


def sweep(
    paths: Paths, keep: RetentionConfig, history: RunHistory, now: float, *, thorough: bool = True
) -> list[str]:
    """Remove what is beyond the bounds; returns a sentence for each thing that would not go.

    Each run adds one, so that a look at the few runs next to a bound is enough, which costs some
    milliseconds; a `thorough` look at all of them is needed after a bound was changed.
    """
    problems = _folders(paths.runs, keep.spools, now - keep.spool_age, history)
    problems += _folders(paths.quarantine, keep.quarantine, now - keep.quarantine_age, history)
    return problems + _logs(paths, keep, history, now, -1 if thorough else _NEXT_TO_A_BOUND)


def _folders(parent: Path, count: int, oldest: float, history: RunHistory) -> list[str]:
    """Keep the folders of the newest runs: `count` of them, none from before `oldest`."""
    names = _found(parent, _FOLDER)
    floor = _first_id(oldest)
    beyond = [name for i, name in enumerate(names) if i and (i >= count or name < floor)]
    going = history.ended(beyond) if beyond else ()
    return _removed((parent / name for name in going), _remove_folder)


def _logs(
    paths: Paths, keep: RetentionConfig, history: RunHistory, now: float, limit: int
) -> list[str]:
    """Journal, log and report go together; the journal last, since it tells that they are there."""
    names = _found(paths.events, _JOURNAL)
    floor = _first_id(now - keep.run_age)
    old = [name for name in names if name < floor]
    beyond = set(history.ended(old)) if old else set()
    beyond.update(history.ended_before(keep.idle_runs, idle=True, limit=limit))
    if len(names) > keep.runs:  # else there cannot be too many of the others
        beyond.update(history.ended_before(keep.runs, idle=False, limit=limit))
    going = beyond.intersection(names[1:])
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
    """The run ids that stand in the names of a folder's entries, newest first."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return []
    matches = (pattern.fullmatch(entry) for entry in entries)
    return sorted((match[1] for match in matches if match), reverse=True)


def _first_id(moment: float) -> str:
    """What sorts before all run ids since (RFC 9562: they begin with milliseconds, 48 bits)."""
    text = f"{max(int(moment * 1000), 0):012x}"
    return f"{text[:8]}-{text[8:]}"


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
