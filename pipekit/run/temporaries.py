"""Removes temporary files that `pipekit.worker.publish` left when its process was killed.

Their paths come from reports, which any process of a task can write to. So only a regular file is
removed, only below the project's root (or the folder that files are published in), and only if its
name can have been made by `publish` in that very run.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipekit.run.report_file import ReportReader, TaskReport
from pipekit.worker import PUBLISH_VARIABLE, Verb
from pipekit.worker._files import open_own
from pipekit.worker._publish import is_temporary_name

_LEFT = "leftovers"  # in the state folder: a run's id and a path as JSON on each line
_MAX_LEFT = 1024 * 1024  # characters of it that are read


def remove_temporaries(
    paths: Iterable[str],
    run_id: str,
    root: Path,
    environment: Mapping[str, str] = os.environ,
    *,
    state: Path | None = None,
) -> list[str]:
    """Remove the reported files that still exist; returns the removed paths.

    `root`: the project's. `environment`: may have PIPEKIT_PUBLISH_DIR. `state`: the folder to note
    those in that cannot be removed now, for `retry_removals`.
    """
    folders = (root, environment.get(PUBLISH_VARIABLE) or root)
    allowed = [os.path.realpath(folder) for folder in folders]
    removed = []
    for path in dict.fromkeys(paths):
        try:
            if _is_removable(path, run_id, allowed):
                _remove(path)
                removed.append(path)
        except (FileNotFoundError, ValueError):
            continue
        except OSError:  # a file system that is read-only or broken for now
            if state is not None:
                _note(state / _LEFT, run_id, path)
    return removed


def remove_temporaries_of_run(
    reports: Path, run_id: str, root: Path, *, state: Path | None = None
) -> list[str]:
    """Remove those of a run that died, from the reports of its tasks below `reports`."""
    found = TaskReport()
    for report in sorted(reports.glob("*/*.report")):
        with contextlib.closing(ReportReader(report)) as reader:
            for record in reader.records():
                if record["verb"] == Verb.TEMPORARY:
                    found.add(record)
    return remove_temporaries(found.temporaries, run_id, root, state=state)


def retry_removals(state: Path, root: Path) -> None:
    """Try again to remove what earlier runs could not remove. Needs the run lock. Never raises."""
    path = state / _LEFT
    try:
        with open(open_own(path, os.O_RDONLY), encoding="utf-8", errors="replace") as file:
            lines = file.read(_MAX_LEFT).splitlines()
        os.unlink(path)
    except OSError:  # there is none: the usual case
        return
    for line in lines:
        run_id, _, left = line.partition(" ")
        with contextlib.suppress(ValueError, TypeError):
            remove_temporaries([json.loads(left)], run_id, root, state=state)


def _remove(path: str) -> None:
    os.unlink(path)


def _note(file: Path, run_id: str, path: str) -> None:
    with contextlib.suppress(OSError):
        descriptor = open_own(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, f"{run_id} {json.dumps(path)}\n".encode())
        finally:
            os.close(descriptor)


def _is_removable(path: str, run_id: str, allowed: list[str]) -> bool:
    folder, name = os.path.split(path)
    return (
        is_temporary_name(name, run_id)
        and os.path.isabs(path)
        and stat.S_ISREG(os.lstat(path).st_mode)  # raises for most: they are gone
        and any(Path(os.path.realpath(folder)).is_relative_to(root) for root in allowed)
    )
