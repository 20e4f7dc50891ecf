"""The manifests of the trash: which files of a run are in it, and what is being done with them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from pipekit.errors import StorageError
from pipekit.model.names import is_run_id
from pipekit.storage.small_file import DAMAGE, read_json, write_json
from pipekit.storage.trash import TRASH
from pipekit.worker import Signature, sync_folders
from pipekit.worker._files import make_folder
from pipekit.worker._replace import replace

_FORMAT = 1
_MAX_BYTES = 1 << 30  # of a manifest: 400 for each file
_SUFFIX = ".json"


class Work(StrEnum):
    """What is being done with the files of a manifest, as a part of its name; empty: nothing."""

    NONE = ""
    APPLYING = "applying"
    RESTORING = "restoring"
    PURGING = "purging"


_WORKS = frozenset(map(str, Work))


class TrashFile(NamedTuple):
    """A file in the trash, or on its way there; of a manifest.

    Paths are relative to the project's root. `path`: where it was. `place`: where it is in the
    trash. `target`: where it is archived to instead, if it is. `signature`, `fingerprint`: of the
    file as it was when its removal was decided; the fingerprint is empty for another file that was
    caught in its place and could not be put back.
    """

    path: str
    place: str
    signature: Signature
    fingerprint: str
    policy: str = ""
    reason: str = ""
    target: str = ""

    def is_same(self, there: os.stat_result) -> bool:
        """Whether this may be the file, by all that a move or a copy leaves as it is."""
        known = self.signature
        return (there.st_size, there.st_mtime_ns) == (known.size, known.mtime_ns)


class Manifest(NamedTuple):
    """The files that a run took. `run`: its number."""

    run_id: str
    run: int
    files: tuple[TrashFile, ...]

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(file.signature.size for file in self.files)


class Manifests:
    """The manifests of a project: `.pipekit-trash/{run}.json`, `.{work}.json` while work is done.

    A manifest is on disk before the first of its files is touched.
    """

    def __init__(self, root: Path, mode: int) -> None:
        self.folder = root / TRASH
        self._mode = mode

    def find(self) -> dict[str, Work]:
        """The run of each manifest, oldest first, with the work that is unfinished.

        Removes what a killed write has left. Raises OSError.
        """
        found: dict[str, Work] = {}
        try:
            names = sorted(os.listdir(self.folder))
        except FileNotFoundError:
            return {}
        for name in names:
            run_id, _, work = name.removesuffix(_SUFFIX).partition(".")
            if name.endswith(_SUFFIX) and is_run_id(run_id) and work in _WORKS:
                found[run_id] = max(found.get(run_id, Work.NONE), Work(work))
        return found

    def sweep(self) -> None:
        """Remove what killed writes have left, and empty folders. Needs the run lock."""
        for left in self.folder.glob(f".*{_SUFFIX}.*.tmp"):
            with contextlib.suppress(OSError):
                left.unlink()
        with contextlib.suppress(OSError):
            known = self.find()
            for name in os.listdir(self.folder):
                if is_run_id(name) and name not in known:
                    _remove_empty(self.folder / name)
            self.folder.rmdir()  # unless there is more in it

    def read(self, run_id: str, work: Work = Work.NONE) -> Manifest:
        """Raises StorageError if it is missing or damaged."""
        path = self._path(run_id, work)
        try:
            found = read_json(path, _MAX_BYTES)
            files = tuple(_trash_file(**entry) for entry in found["files"])
            return Manifest(run_id, int(found["run"]), files)
        except (*DAMAGE, KeyError) as error:
            raise StorageError(
                f"cannot read {path} ({error}): the files of its run stay in {path.parent / run_id}"
            ) from error

    def create(self, manifest: Manifest) -> None:
        """Note which files will be moved, before they are. Raises OSError."""
        if not self.folder.exists():
            make_folder(self.folder, self._mode)
            sync_folders([self.folder])
        self._write(manifest, Work.APPLYING)

    def begin(self, run_id: str, work: Work) -> None:
        """Note what will be done with files in the trash. Raises OSError.

        Writes no file, so that the trash can be emptied though the disk is full.
        """
        marked = self._path(run_id, work)
        replace(os.fspath(self._path(run_id, Work.NONE)), os.fspath(marked))
        sync_folders([marked])

    def end(self, manifest: Manifest, work: Work, left: Iterable[TrashFile]) -> None:
        """Note that it is done; `left`: the files that are still in the trash. Raises OSError."""
        files, marked = tuple(left), self._path(manifest.run_id, work)
        at_rest = self._path(manifest.run_id, Work.NONE)
        if files == manifest.files:
            replace(os.fspath(marked), os.fspath(at_rest))
        else:
            if files:
                self._write(manifest._replace(files=files), Work.NONE)
            marked.unlink(missing_ok=True)
        sync_folders([marked])
        with contextlib.suppress(OSError):  # there is more in it
            self.folder.rmdir()

    def _write(self, manifest: Manifest, work: Work) -> None:
        entries = [file._asdict() | {"signature": [*file.signature]} for file in manifest.files]
        record = {"v": _FORMAT, **manifest._asdict(), "files": entries}
        write_json(self._path(manifest.run_id, work), record, self._mode)

    def _path(self, run_id: str, work: Work) -> Path:
        return self.folder / f"{run_id}{'.' if work else ''}{work}{_SUFFIX}"


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those in it, as far as there is no file in them."""
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(path)


def _trash_file(signature: Iterable[int], **texts: str) -> TrashFile:
    """Raises ValueError or TypeError for what a manifest cannot hold."""
    values: Mapping[str, Any] = {name: str(text) for name, text in texts.items()}
    file = TrashFile(signature=Signature(*map(int, signature)), **values)
    for parts in (file.path.split("/"), file.place.split("/")):
        if not {"", ".", ".."}.isdisjoint(parts):
            raise ValueError("it names a path outside the project")
    if TRASH not in file.place.split("/"):
        raise ValueError("it names a place outside the trash")
    return file
