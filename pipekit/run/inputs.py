"""The folders that a project's first stages read, found by letting them plan."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pipekit.errors import PipekitError
from pipekit.model.file import FileStat
from pipekit.run.decision import CannotPlan
from pipekit.run.orchestrator import PipelineOrchestrator
from pipekit.run.planning import RunOptions
from pipekit.run.project import Project
from pipekit.storage.files import FileManager, Folders
from pipekit.storage.ledger import open_to_read


def input_folders(project: Project) -> list[Path]:
    """The folders in which the stages that wait for no other look for files, as they are now.

    Those to which any stage publishes are left out, and those of runs' own files. Raises
    PipekitError if one of the stages cannot be planned.
    """
    names = {stage.name for stage in project.stages}
    first = tuple(stage.name for stage in project.stages if not set(stage.after) & names)
    given = project.files
    files = _NotingFiles(given.root, given.quiet_seconds, inputs=given.inputs)
    orchestrator = PipelineOrchestrator(project._replace(files=files), RunOptions(only=first))
    for decision in orchestrator.plan():
        if isinstance(decision, CannotPlan):
            raise PipekitError(f"{decision.stage}: {decision.reason}")
    outputs = _published_to(project)
    paths = project.paths
    own = (paths.logs, paths.state, paths.quarantine)
    found = (paths.root / folder for folder in files.read if folder not in outputs)
    return sorted(each for each in found if not any(each.is_relative_to(one) for one in own))


class _NotingFiles(FileManager):
    """Notes which folders were read, relative to the root."""

    def __init__(self, root: Path, quiet_seconds: float, *, inputs: tuple[str, ...]) -> None:
        super().__init__(root, quiet_seconds, inputs=inputs)
        self.read: set[str] = set()

    def files(self, patterns: Iterable[str], folders: Folders | None = None) -> list[FileStat]:
        folders = {} if folders is None else folders
        found = super().files(patterns, folders)
        self.read.update(folder.rstrip("/") for folder in folders)
        return found


def _published_to(project: Project) -> set[str]:
    """The folders that have files which stages have published."""
    with open_to_read(project.paths.ledger) as ledger:
        published = [ledger.published_signatures(stage) for stage in ledger.stages()]
    return {os.path.dirname(path) for paths in published for path in paths}
