"""Forgetting: which files a run is to forget (`--forget`), and what becomes of them meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pipekit.errors import StorageError, UsageError
from pipekit.model.run import Paths
from pipekit.run.project import Project, Stage
from pipekit.run.typed_path import typed_path
from pipekit.storage.files import FileManager
from pipekit.storage.ledger import Ledger, signature_text
from pipekit.worker import fingerprint

if TYPE_CHECKING:
    from pipekit.run.current_run import CurrentRun

_FOLDER = "forgotten"  # in the run's quarantine


class Forgotten(NamedTuple):
    """A file to forget, and the fingerprint that each stage has consumed it with.

    `is_there`: whether it still is what was consumed, and would be consumed again.
    """

    path: str
    stages: Mapping[str, str]
    is_there: bool

    @property
    def is_outside(self) -> bool:
        """Whether it is outside the project, where nothing is moved."""
        return os.path.isabs(self.path)


def to_forget(
    texts: Iterable[str], project: Project, ledger: Ledger, stages: Iterable[Stage]
) -> list[Forgotten]:
    """The files that these texts name. `stages`: those of the run. Raises UsageError."""
    found = []
    selected = [stage.name for stage in stages]
    for path in dict.fromkeys(typed_path(text, project.paths, ledger) for text in texts):
        made = [name for name in ledger.stages() if ledger.publications(name, [path])]
        if made:
            raise UsageError(f"{path} was made by {made[0]}: name the raw file that is wrong")
        consumed = {
            name: known.fingerprint
            for name in ledger.stages()
            if (known := ledger.consumption(name, path))
        }
        if not consumed:
            raise UsageError(f"no stage has consumed {path}: there is nothing to forget")
        if left_out := [name for name in consumed if name not in selected]:
            raise UsageError(f"{path} was consumed by {left_out[0]}, which this run leaves out")
        is_there = _is_same(path, ledger, project.files, consumed)
        found.append(Forgotten(path, consumed, is_there))
    for each in found:
        if each.is_there and each.is_outside:
            raise UsageError(
                f"{each.path} is still there, and would be read again: move it out of its folder, "
                "and run this again"
            )
    return found


def _is_same(path: str, ledger: Ledger, files: FileManager, consumed: Mapping[str, str]) -> bool:
    """Whether a file still has the content that stages have consumed."""
    file = files.stat(path)
    if file is None:
        return False
    now = signature_text(file.signature)
    for stage, digest in consumed.items():
        entry = ledger.entries(stage, [path]).get(path)
        if entry is not None and entry.signature == now:
            return True
        try:
            if fingerprint(files.root / path) == digest:
                return True
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    return False


def set_aside(found: Sequence[Forgotten], run: CurrentRun) -> None:
    """Move those that are still there to the quarantine, or they would be consumed again.

    Raises StorageError.
    """
    paths = run.project.paths
    for each in found:
        if not each.is_there:
            continue
        target = paths.quarantine / run.run_id / _FOLDER / each.path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(paths.root / each.path, target)
        except OSError as error:
            raise StorageError(
                f"{each.path} cannot be moved to {_shown(target.parent, paths)}: "
                f"{error.strerror}; move it out of its folder yourself, and run this again"
            ) from error
        run.warn(f"{each.path} was moved to {_shown(target, paths)}")


def _shown(path: os.PathLike[str], paths: Paths) -> str:
    return os.path.relpath(path, paths.root).replace(os.sep, "/")


def not_forgotten(found: Iterable[Forgotten], stage: str, ledger: Ledger) -> Iterator[str]:
    """A warning for each file of which the ledger still has what the stage consumed."""
    for each in found:
        known = ledger.consumption(stage, each.path) if stage in each.stages else None
        if known is not None and known.fingerprint == each.stages[stage]:
            yield f"{stage} has not forgotten {each.path}: what came of it is still there"
