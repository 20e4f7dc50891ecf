"""The trash of a project: files are moved there and back, and are at every moment in one of both.

The steps, and what a crash after each of them leaves, are in
docs/decisions/0008-files-leave-through-a-trash.md. Needs the run lock.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from pipekit.model.file import FileStat
from pipekit.model.names import is_run_id
from pipekit.model.policy import FileAction
from pipekit.storage.trash import TRASH
from pipekit.storage.trash.archive import Archive
from pipekit.storage.trash.manifest import Manifest, Manifests, TrashFile
from pipekit.storage.trash.moving import Mover, fingerprint_of, has_writer
from pipekit.worker import Signature

NOT_MOVED = "it was not moved"
STOPPED = "the run was stopped, or lost its journal, before its turn"
_NOWHERE = "it is neither at its path nor in the trash"
_CHANGED = "it was changed or replaced while it was moved"
_WRITER = "a program has it open for writing"
_TAKEN = "another file is at its path now"
_EVERYBODY = 0o666


class Outcome(NamedTuple):
    """What became of a file. `refused`: why it is not where it should be; `left`: in the trash."""

    file: TrashFile
    refused: str = ""
    left: bool = False


class RefusedError(Exception):
    """A file that may not be taken, for the reason that the message says."""


class Trash:
    """Takes files below `root`, which are named by paths relative to it.

    `mode`: of pipekit's own files. Methods raise OSError only if a folder cannot be synced: then
    the work is to be finished later, by the same method or `conclude`.
    """

    def __init__(self, root: Path, mode: int) -> None:
        self.manifests = Manifests(root, mode)
        self._root = root
        self._inside = Mover(root, mode)
        self._outside = Mover(root, _EVERYBODY)
        self._archive = Archive(root, self._inside)

    def describe(self, action: FileAction, policy: str, file: FileStat, run_id: str) -> TrashFile:
        """The entry of a manifest for a file as it was when its removal was decided.

        Reads the file. Raises RefusedError if it is not that file any more, or must not be moved.
        """
        try:
            place = f"{self._trash_for(file.path)}/{run_id}/{file.path}"
            with self._inside.opened(file.path) as descriptor:
                _check(descriptor, file.signature)
                fingerprint = fingerprint_of(descriptor)
                _check(descriptor, file.signature)
            target = action.target or ""
            if target and not self._archive.is_free(target, fingerprint):
                raise RefusedError(f"another file is at its target {target}")
        except OSError as error:
            raise RefusedError(f"it cannot be read: {error.strerror}") from error
        return TrashFile(
            path=file.path,
            place=place,
            signature=file.signature,
            fingerprint=fingerprint,
            policy=policy,
            reason=action.reason,
            target=target,
        )

    def apply(self, manifest: Manifest, stopped: Callable[[], bool]) -> list[Outcome]:
        """Move files to the trash, and those with a target on to it; put back what has changed.

        `stopped`: whether to leave the rest alone.
        """
        outcomes = self._each(manifest, lambda file, run: self._captured(file, run, stopped))
        return self._concluded(manifest, outcomes)

    def conclude(self, manifest: Manifest) -> list[Outcome]:
        """Finish an `apply` that a crash broke off; what it had not moved stays where it is."""
        outcomes = self._each(manifest, self._conclude)
        return self._concluded(manifest, outcomes)

    def restore(self, manifest: Manifest) -> list[Outcome]:
        """Put files back, unless there are others at their paths."""
        outcomes = self._each(manifest, self._restored)
        self._sync(manifest)
        self._remove_places(manifest)
        return outcomes

    def purge(self, manifest: Manifest) -> list[Outcome]:
        """Delete files for good, unless they were changed in the trash."""
        outcomes = self._each(manifest, lambda file, _run: self._purged(file))
        self._remove_places(manifest)
        self._sync(manifest)
        return outcomes

    def can_purge(self, manifest: Manifest) -> bool:
        """Whether any file can be deleted: not if all were changed in the trash."""
        try:
            places = [
                (file, self._inside.status(file.place))
                for file in manifest.files
                if self._is_mounted(file)
            ]
        except OSError:
            return False
        return any(there is None or self._can_go(file, there) for file, there in places)

    def signature(self, file: TrashFile) -> Signature | None:
        """Of the file at its path, if it is the one of the manifest. Reads it."""
        try:
            with self._inside.opened(file.path) as descriptor:
                there = os.fstat(descriptor)
                same = file.is_same(there)
                same = same and fingerprint_of(descriptor) == file.fingerprint
        except OSError:
            return None
        return _signature(there) if same else None

    def is_gone(self, file: TrashFile) -> bool:
        """Whether there is nothing at its path."""
        return self._at_path(file) is None

    def _each(self, manifest: Manifest, step: Callable[[TrashFile, str], Outcome]) -> list[Outcome]:
        """Take a step with each file. What cannot be looked at now stays in the manifest."""
        outcomes = []
        for file in manifest.files:
            try:
                if self._is_mounted(file):
                    outcome = step(file, manifest.run_id)
                else:
                    outcome = Outcome(file, "the file system of its trash is not mounted", True)
            except OSError as error:
                outcome = Outcome(file, f"{file.place} cannot be read: {error.strerror}", True)
            outcomes.append(outcome)
        return outcomes

    def _is_mounted(self, file: TrashFile) -> bool:
        """Whether the file system is there that has a trash of its own for this file."""
        folder = file.place.partition(TRASH)[0]
        return not folder or os.path.ismount(self._root / folder)

    def _captured(self, file: TrashFile, run_id: str, stopped: Callable[[], bool]) -> Outcome:
        if stopped():
            return Outcome(file, STOPPED)
        try:
            self._inside.rename(file.path, file.place)
        except OSError as error:
            return Outcome(file, f"it cannot be moved to the trash: {error.strerror}")
        return self._conclude(file, run_id)

    def _concluded(self, manifest: Manifest, outcomes: list[Outcome]) -> list[Outcome]:
        self._sync(manifest)
        for outcome in outcomes:
            if not outcome.refused:
                self._remove_run_folders(outcome.file.path)
        self._remove_places(manifest)
        return outcomes

    def _conclude(self, file: TrashFile, run_id: str) -> Outcome:
        there = self._inside.status(file.place)
        if there is None:
            if file.target and self._archive.has(file):
                return Outcome(file, left=True)
            return Outcome(file, _NOWHERE, True) if self.is_gone(file) else Outcome(file, NOT_MOVED)
        if self._has_both_names(file, there):  # it was being put back
            return self._drop(file, _CHANGED)
        problem = self._problem(file, there)
        if not problem and file.target:
            problem = self._archive.place(file, run_id)
        return self._put_back(file, problem) if problem else Outcome(file, left=True)

    def _problem(self, file: TrashFile, there: os.stat_result) -> str:
        """Why a captured file is not the one that was decided about."""
        if not file.is_same(there) or not stat.S_ISREG(there.st_mode):
            return _CHANGED
        try:
            with self._inside.opened(file.place) as descriptor:
                if has_writer(descriptor):
                    return _WRITER
                return "" if fingerprint_of(descriptor) == file.fingerprint else _CHANGED
        except OSError as error:
            return f"it cannot be read in the trash: {error.strerror}"

    def _put_back(self, file: TrashFile, problem: str = "") -> Outcome:
        """Move a file back to its path. `problem`: why, if it should have stayed in the trash."""
        prefix = f"{problem}; " if problem else ""
        try:
            self._outside.move(file.place, file.path)
        except FileExistsError:
            text = f"{prefix}{_TAKEN}, so it is kept as {file.place}"
        except OSError as error:
            text = f"{prefix}it cannot be put back from {file.place}: {error.strerror}"
        else:
            return Outcome(file, problem)
        return Outcome(file._replace(fingerprint="") if problem == _CHANGED else file, text, True)

    def _restored(self, file: TrashFile, run_id: str) -> Outcome:
        there = self._inside.status(file.place)
        if file.target and self.is_gone(file):
            problem = self._archive.fetch(file, run_id)
            if problem:
                return Outcome(file, problem, left=True)
            there = self._inside.status(file.place)
        if there is None:
            back = self.signature(file) is not None
            return Outcome(file, "" if back else f"it is no longer in the trash ({file.place})")
        if self._has_both_names(file, there):
            return self._drop(file, "")
        return self._put_back(file)

    def _purged(self, file: TrashFile) -> Outcome:
        there = self._inside.status(file.place)
        if there is None:
            return Outcome(file)
        if not self._can_go(file, there):
            return Outcome(file, f"it was changed in the trash: look at {file.place}", left=True)
        return self._drop(file, "")

    @staticmethod
    def _can_go(file: TrashFile, there: os.stat_result) -> bool:
        return bool(file.fingerprint) and file.is_same(there)

    def _drop(self, file: TrashFile, refused: str) -> Outcome:
        try:
            self._inside.remove(file.place)
        except OSError as error:
            text = f"{file.place} cannot be removed: {error.strerror}"
            return Outcome(file, text, left=True)
        return Outcome(file, refused)

    def _has_both_names(self, file: TrashFile, there: os.stat_result) -> bool:
        """Whether a move from the trash was broken off between its two steps."""
        at = self._at_path(file)
        return at is not None and (at.st_dev, at.st_ino) == (there.st_dev, there.st_ino)

    def _at_path(self, file: TrashFile) -> os.stat_result | None:
        try:
            return self._inside.status(file.path)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):  # a folder on the way was replaced
                return None
            raise

    def _trash_for(self, path: str) -> str:
        """The folder for a file, on its file system: in the outermost folder that is on it."""
        parts = path.split("/")[:-1]
        device = os.lstat(self._root / path).st_dev
        while parts and os.lstat(self._root.joinpath(*parts[:-1])).st_dev == device:
            parts.pop()
        return "/".join([*parts, TRASH])

    def _sync(self, manifest: Manifest) -> None:
        paths = [each for file in manifest.files for each in (file.path, file.place)]
        self._inside.sync(paths)

    def _remove_run_folders(self, path: str) -> None:
        """Remove folders named after a run that are empty now; nobody waits for such a name."""
        folder = path.rpartition("/")[0]
        while is_run_id(folder.rpartition("/")[2]) and self._inside.remove_folder(folder):
            folder = folder.rpartition("/")[0]

    def _remove_places(self, manifest: Manifest) -> None:
        """Remove the folders in the trash that are empty now."""
        folders: set[str] = set()
        for file in manifest.files:
            parts = file.place.split("/")[:-1]
            while TRASH in parts:
                folders.add("/".join(parts))
                parts.pop()
        for folder in sorted(folders, key=len, reverse=True):
            self._inside.remove_folder(folder)


def _check(descriptor: int, signature: Iterable[int]) -> None:
    """Raise RefusedError if an open file is not the one of the signature, or must not be moved."""
    there = os.fstat(descriptor)
    if not stat.S_ISREG(there.st_mode):
        raise RefusedError("it is not a regular file")
    if there.st_nlink > 1:
        raise RefusedError("it has several names (hard links)")
    if _signature(there) != tuple(signature):
        raise RefusedError("it has changed since that was decided")
    if has_writer(descriptor):
        raise RefusedError(_WRITER)


def _signature(there: os.stat_result) -> Signature:
    return Signature(
        there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns, there.st_ctime_ns
    )
