"""FileManager: finds the project's files by pattern and tells which are settled."""

from __future__ import annotations

import os
import posixpath
import re
import stat
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from pipekit.errors import UsageError
from pipekit.model.file import FileStat
from pipekit.storage.patterns import compiled

if sys.platform == "win32":
    from pipekit.storage.windows_names import ListedNames

Folders = dict[str, tuple[list[FileStat], list[str]]]
"""The files and the subfolders of each folder that was read."""

_POSIX = os.name == "posix"
_SURROGATES = re.compile("[\ud800-\udfff]")  # in names that are not valid UTF-8
_MAKE = tuple.__new__  # half the time of a NamedTuple's own, for each file


class FileManager:
    """The regular files below a project's root, and below `inputs`: absolute paths with `/`.

    `quiet_seconds`: how long a file must stay unchanged to be settled. `creation_times`:
    `st_ctime` is the time of creation, not of the last change (Windows).
    """

    def __init__(
        self,
        root: Path,
        quiet_seconds: float = 2.0,
        *,
        creation_times: bool = os.name == "nt",
        inputs: tuple[str, ...] = (),
    ) -> None:
        self.root = root
        self.inputs = inputs
        self._root = os.fspath(root)
        self.quiet_seconds = quiet_seconds
        self._creation_times = creation_times
        self.unnameable: set[str] = set()  # found and skipped: the ledger stores UTF-8 text
        self.missing: set[str] = set()  # folders that patterns start in, and that do not exist
        self.remote: set[str] = set()  # found and skipped: to open them would download them
        self.patterns: set[str] = set()  # that were asked for
        self.hidden: set[str] = set()  # files that are not to be found
        self._first_looks: dict[str, tuple[int, ...]] = {}
        self._as_listed = _names_below(self._root)

    def files(self, patterns: Iterable[str], folders: Folders | None = None) -> list[FileStat]:
        """Regular files that match any of the patterns, sorted by path, without duplicates.

        Patterns are relative to the root, with `/`, or absolute and below `inputs`. `*` and `?`
        match within a name, `**` matches any number of folders; names that start with a dot never
        match. Links to files are followed, links to folders are not. `folders` keeps what was read
        for further calls.

        Unreadable subfolders are skipped; if the folder that a pattern starts in is unreadable,
        this raises OSError. Raises UsageError for an invalid pattern, or one that leaves the root.
        """
        folders = {} if folders is None else folders
        parts = []
        for pattern in patterns:
            if _has_root(pattern.replace(os.sep, "/")):
                base, matches, deep = compiled(pattern)
                self._check_outside(pattern, base)
            else:
                base, matches, deep = compiled(self._as_listed(pattern))
            self.patterns.add(pattern)
            found = self._walk(base, deep, folders)
            if matches is not None:
                found = [file for file in found if matches.fullmatch(file.path)]
            if self.hidden:
                found = [file for file in found if file.path not in self.hidden]
            parts.append(found)
        if len(parts) == 1:
            return parts[0]
        return sorted({file[0]: file for part in parts for file in part}.values())

    def stat(self, path: str) -> FileStat | None:
        """A file as it is now; None if there is no regular file at this path."""
        try:
            status = os.stat(os.path.join(self._root, path))
        except (OSError, ValueError):  # ValueError: not a valid file name
            return None
        return _file_stat(path, status) if stat.S_ISREG(status.st_mode) else None

    def settled(self, file: FileStat, now: float | None = None) -> bool:
        """Whether the file has not changed for `quiet_seconds`.

        The change time is checked too, since copies may keep the original's modification time. If
        there is no change time (Windows), or if it lies in the future (another machine's clock),
        the file must have the same signature twice, `quiet_seconds` apart.
        """
        now = time.time() if now is None else now
        age = now - max(file.mtime_ns, file.ctime_ns) / 1e9
        if age >= -1 and not self._creation_times:
            return age >= self.quiet_seconds
        look = (*file.signature, int(now * 1e9))
        first = self._first_looks.setdefault(file.path, look)  # noted even if it is too young
        if first[:-1] != file.signature:
            first = self._first_looks[file.path] = look
        young = -1 <= age < self.quiet_seconds
        return not young and now - first[-1] / 1e9 >= self.quiet_seconds

    def seconds_until_settled(self, paths: Iterable[str], now: float | None = None) -> float:
        """Seconds until the youngest of the files is settled, at most `quiet_seconds`."""
        now = time.time() if now is None else now
        stats = [file for file in map(self.stat, paths) if file is not None]
        moments = [
            max(f.mtime_ns, f.ctime_ns, *self._first_looks.get(f.path, ())[-1:]) for f in stats
        ]
        youngest = max(moments, default=0) / 1e9
        return min(max(youngest + self.quiet_seconds - now, 0.0), self.quiet_seconds)

    def relative(self, path: str) -> str:
        """A path reported by a worker; relative to the root, with `/`, if it is below the root.

        On Windows, which opens files by names in any case, the names are as folders list them.
        """
        path = path.replace(os.sep, "/")  # Windows takes both, plans use only this one
        if posixpath.normpath(path) == path and not (path[:2] == ".." or _has_root(path)):
            return self._as_listed(path)  # the usual case, without a Path object
        absolute = os.path.normpath(os.path.join(self._root, path))
        try:
            return self._as_listed(Path(absolute).relative_to(self.root).as_posix())
        except ValueError:
            return absolute.replace(os.sep, "/")

    @property
    def inner(self) -> FileManager:
        """The files below the root alone."""
        return FileManager(self.root, self.quiet_seconds, creation_times=self._creation_times)

    def _check_outside(self, pattern: str, base: str) -> None:
        """Raise UsageError for an absolute pattern that is not for files of `inputs`."""
        root = self.root.as_posix()
        if is_below(base, root):
            raise UsageError(
                f"the pattern {pattern!r} is for files of the project: write it relative"
            )
        if not any(is_below(base, each) for each in self.inputs):
            raise UsageError(
                f"the pattern {pattern!r} leaves the project's folder; patterns are relative to it "
                "or for files below one of the folders in [paths] inputs"
            )
        if is_below(root, base):
            raise UsageError(f"the pattern {pattern!r} is for a folder that contains the project")

    def _walk(self, base: str, deep: bool, folders: Folders) -> list[FileStat]:
        """The files in a folder and, if `deep`, in all its subfolders, sorted by path."""
        found: list[FileStat] = []
        waiting = [base]
        while waiting:
            folder = waiting.pop()
            try:
                if folder not in folders:
                    folders[folder] = self._read(folder)
            except PermissionError:
                if folder == base:
                    raise
                continue
            except (FileNotFoundError, NotADirectoryError):  # it may just have been removed
                folders[folder] = [], []
                if folder == base:
                    self.missing.add(base)
            files, below = folders[folder]
            found += files
            if deep:
                waiting += sorted(below, reverse=True)  # then `found` is nearly sorted
        found.sort()
        return found

    def _read(self, folder: str) -> tuple[list[FileStat], list[str]]:
        """The files and subfolders of a folder."""
        with os.scandir(os.path.join(self._root, folder)) as entries:
            return self._sort_out(entries, f"{folder}/" if folder else "")

    def _sort_out(
        self, entries: Iterable[os.DirEntry[str]], prefix: str
    ) -> tuple[list[FileStat], list[str]]:
        """A folder's files and subfolders. Hot loop: its body runs once per file."""
        found: list[FileStat] = []
        below = []
        is_file = stat.S_ISREG
        for entry in entries:
            name = entry.name
            if name[0] == ".":
                continue
            if not name.isascii() and _SURROGATES.search(name):
                self.unnameable.add(prefix + name)
                continue
            if entry.is_dir(follow_symlinks=False):
                if _POSIX or not _is_junction(entry):
                    below.append(prefix + name)
                continue
            if not _POSIX and _is_remote(entry):
                self.remote.add(prefix + name)
                continue
            try:
                # On Windows directory entries have no inode number.
                status = entry.stat() if _POSIX else os.stat(entry.path)
            except OSError:  # just removed, or a dangling link
                continue
            if is_file(status.st_mode):
                found.append(_file_stat(prefix + name, status))
        return found, below


if sys.platform == "win32":
    # FILE_ATTRIBUTE_OFFLINE, _RECALL_ON_OPEN and _RECALL_ON_DATA_ACCESS
    _REMOTE = 0x1000 | 0x40000 | 0x400000

    def _is_junction(entry: os.DirEntry[str]) -> bool:
        """Whether a folder is a link to one elsewhere, which is not followed."""
        tag = entry.stat(follow_symlinks=False).st_reparse_tag
        return tag == stat.IO_REPARSE_TAG_MOUNT_POINT

    def _is_remote(entry: os.DirEntry[str]) -> bool:
        """Whether only a placeholder is here: of OneDrive, for example."""
        return bool(entry.stat(follow_symlinks=False).st_file_attributes & _REMOTE)

    def _names_below(root: str) -> Callable[[str], str]:
        return ListedNames(root)

else:

    def _is_junction(_entry: os.DirEntry[str]) -> bool:
        return False

    def _is_remote(_entry: os.DirEntry[str]) -> bool:
        return False

    def _names_below(_root: str) -> Callable[[str], str]:
        return str  # the path as it is


def is_below(path: str, folder: str) -> bool:
    """Whether a path is a folder or below it; both absolute, with `/`."""
    path, folder = os.path.normcase(path), os.path.normcase(folder)
    return path == folder or path.startswith(f"{folder.rstrip(os.sep)}{os.sep}")


def _has_root(path: str) -> bool:
    """Whether a path, with `/`, leads somewhere else than below the folder it is joined to."""
    return path.startswith("/") or bool(os.path.splitdrive(path)[0])


def _file_stat(path: str, status: os.stat_result) -> FileStat:
    return _MAKE(
        FileStat,
        (
            path,
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        ),
    )
