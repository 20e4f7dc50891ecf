"""Removes temporary files that `pipekit.worker.publish` left when its process was killed.

Their paths come from reports, which any process of a task can write to. So only a regular file is
removed, only below the project's root (or the folder that files are published in), and only if its
name can have been made by `publish` in that very run.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipekit.run.report_file import ReportReader, TaskReport
from pipekit.worker import PUBLISH_VARIABLE, Verb
from pipekit.worker._publish import is_temporary_name


def remove_temporaries(
    paths: Iterable[str], run_id: str, root: Path, environment: Mapping[str, str] = os.environ
) -> list[str]:
    """Remove the reported files that still exist; returns the removed paths.

    `root`: the project's. `environment`: may have PIPEKIT_PUBLISH_DIR.
    """
    folders = (root, environment.get(PUBLISH_VARIABLE) or root)
    allowed = [os.path.realpath(folder) for folder in folders]
    removed = []
    for path in dict.fromkeys(paths):
        try:
            if _is_removable(path, run_id, allowed):
                os.unlink(path)
                removed.append(path)
        except (OSError, ValueError):  # gone already, or not permitted; it does no harm
            continue
    return removed


def remove_temporaries_of_run(reports: Path, run_id: str, root: Path) -> list[str]:
    """Remove those of a run that died, from the reports of its tasks below `reports`."""
    found = TaskReport()
    for report in sorted(reports.glob("*/*.report")):
        for record in ReportReader(report).poll():
            if record["verb"] == Verb.TEMPORARY:
                found.add(record)
    return remove_temporaries(found.temporaries, run_id, root)


def _is_removable(path: str, run_id: str, allowed: list[str]) -> bool:
    folder, name = os.path.split(path)
    return (
        is_temporary_name(name, run_id)
        and os.path.isabs(path)
        and stat.S_ISREG(os.lstat(path).st_mode)  # raises for most: they are gone
        and any(Path(os.path.realpath(folder)).is_relative_to(root) for root in allowed)
    )
