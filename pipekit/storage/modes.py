"""The modes of pipekit's own files: private to the user who runs it, or shared by a group."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from pipekit.model.run import Paths
from pipekit.worker._files import folder_mode

_STATE_FILES = ("lock", "lock.json", "state.db", "state.db-wal", "state.db-shm")
_OTHERS = 0o077


def adjust_modes(paths: Paths) -> None:
    """Let the files and folders that all runs use follow `[paths] shared`, as far as we own them.

    Others, such as the logs of earlier runs, keep the mode they were created with. The logs folder
    may hold files of other programs, so it is never closed to others, only opened. Never raises.
    """
    folders = [paths.state, paths.events, paths.runs, *([paths.logs] if paths.shared else [])]
    files = [paths.state / name for name in _STATE_FILES]
    for path in (*folders, *files):
        with contextlib.suppress(OSError):  # it does not exist yet, or is on another system
            _adjust(path, paths)


def make_private(folder: Path) -> None:
    """Close a folder of a run, with all that programs left in it, to others. Never raises."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                make_private(Path(entry.path))
            status = entry.stat(follow_symlinks=False)
            if status.st_mode & _OTHERS and not entry.is_symlink():
                os.chmod(entry.path, stat.S_IMODE(status.st_mode) & ~_OTHERS)


def _adjust(path: Path, paths: Paths) -> None:
    status = os.lstat(path)
    is_private = not status.st_mode & _OTHERS
    if is_private is not paths.shared or stat.S_ISLNK(status.st_mode) or status.st_uid != _user():
        return
    mode = folder_mode(paths.file_mode) if stat.S_ISDIR(status.st_mode) else paths.file_mode
    if paths.shared:
        mode &= ~_umask()
    os.chmod(path, mode | (stat.S_IMODE(status.st_mode) & ~0o777))


def why_denied(path: Path) -> str:
    """What to do about a file of a run that somebody else owns; empty if it is our own.

    The file, or the nearest folder above it that can be looked at, says whose it is.
    """
    for place in (path, *path.parents):
        with contextlib.suppress(OSError):
            owner = os.stat(place).st_uid
            break
    else:
        return ""
    if owner == _user():
        return ""
    return (
        f" (it belongs to {_name(owner)}, and the files of runs are private: run pipekit as that "
        "user, or let your group in with `shared = true` in [paths] and a run by that user)"
    )


def _user() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0  # Windows: all files have owner 0


def _name(user: int) -> str:
    try:
        import pwd

        return pwd.getpwuid(user).pw_name
    except (ImportError, KeyError):
        return f"user {user}"


def _umask() -> int:
    """The umask of this process, which can only be read by setting it."""
    umask = os.umask(_OTHERS)
    os.umask(umask)
    return umask
