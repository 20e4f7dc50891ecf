"""What the programs of a run printed: which files there are of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from pipekit.model.names import is_name
from pipekit.model.run import Paths

_SUFFIXES = (".out", ".err")


class Output(NamedTuple):
    """The output of a task on one stream. `size`: in bytes.

    `name`: of its file below the folder of the stage. On another machine each attempt at a task has
    a folder: `TASK/NUMBER/command.out`.
    """

    stage: str
    name: str
    size: int
    path: Path


def outputs(
    paths: Paths, run_id: str, stage: str | None = None, *, links: bool = False
) -> list[Output]:
    """The files of output that a run has kept, of one stage or of all; those without any, too.

    `links`: also symbolic links in their place, which `open_own` refuses to open.
    """
    found = []
    for folder in _folders(paths.runs / run_id, stage):
        attempts = [attempt for task in _folders(folder) for attempt in _folders(task)]
        for entry in (entry for each in (folder, *attempts) for entry in _entries(each)):
            is_link = links and entry.is_symlink()
            if entry.name.endswith(_SUFFIXES) and (is_link or entry.is_file(follow_symlinks=False)):
                path, size = Path(entry.path), entry.stat(follow_symlinks=False).st_size
                found.append(Output(folder.name, path.relative_to(folder).as_posix(), size, path))
    return found


def find_output(paths: Paths, run_id: str, stage: str, name: str) -> Output | None:
    """The output with this name, from the list of those that there are; never by its path."""
    if not is_name(stage):
        return None
    return next((each for each in outputs(paths, run_id, stage) if each.name == name), None)


def _folders(folder: Path, stage: str | None = None) -> list[Path]:
    if stage is not None:
        return [folder / stage]
    return [Path(each.path) for each in _entries(folder) if each.is_dir(follow_symlinks=False)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda each: each.name)
    except OSError:
        return []
