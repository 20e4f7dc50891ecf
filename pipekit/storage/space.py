"""Free space on the disks of a project."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pipekit.errors import StorageError
from pipekit.model.quantity import rough_size
from pipekit.model.run import Paths


def free_space(paths: Paths) -> Iterator[tuple[Path, int]]:
    """A folder on each disk of the project, and how many bytes are free there. Raises OSError."""
    import shutil  # most runs have no limit, and do not ask

    disks = set()
    for wanted in (paths.data, paths.logs, paths.state):
        folder = next(each for each in (wanted, *wanted.parents) if each.exists())
        disk = os.stat(folder).st_dev
        if disk not in disks:
            disks.add(disk)
            yield folder, shutil.disk_usage(folder).free


def check_space(paths: Paths, min_free: int | None) -> list[str]:
    """A warning for each disk with less than twice `min_free` bytes free.

    Raises StorageError if one has less than that; OSError if the free space is unknown.
    """
    warnings: list[str] = []
    if min_free is None:
        return warnings
    for folder, free in free_space(paths):
        text = f"{rough_size(free)} free on the disk of {folder}"
        limit = f"pipeline.min_free is {rough_size(min_free)}"
        if free < min_free:
            raise StorageError(f"only {text}; {limit}: nothing was started. Free some space")
        if free < 2 * min_free:
            warnings.append(f"{text}; {limit}, below which no run starts")
    return warnings
