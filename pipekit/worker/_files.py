"""Files that belong to a run: opened without following a link, and private to their owner."""

from __future__ import annotations

import errno
import os
import stat

PRIVATE = 0o600  # the mode of a run's files, unless `[paths] shared = true`
_SAFE = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO must not make the opener wait; files ignore it
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_REFUSALS = {
    errno.ELOOP: "it is a symbolic link, which is not followed here",
    errno.ENXIO: "it is not a regular file",
}


def open_own(path: str | os.PathLike[str], flags: int, mode: int = PRIVATE) -> int:
    """Open a regular file of a run, and nothing else; returns the descriptor.

    Somebody else may be able to write to its folder, so a link is not followed, and nothing waits
    for a FIFO. Raises OSError.
    """
    if not hasattr(os, "O_NOFOLLOW") and os.path.islink(path):
        raise OSError(errno.ELOOP, _REFUSALS[errno.ELOOP], os.fspath(path))
    try:
        descriptor = os.open(path, flags | _SAFE, mode)
    except OSError as error:
        if error.errno in _REFUSALS:
            refused = OSError(error.errno, _REFUSALS[error.errno], os.fspath(path))
            raise refused from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, _REFUSALS[errno.ENXIO], os.fspath(path))
    return descriptor


def make_folder(path: str | os.PathLike[str], mode: int = PRIVATE) -> None:
    """Create a folder, and those above it that are missing, for files of this mode.

    Who may read the files may also search the folders. Raises OSError.
    """
    try:
        os.mkdir(path, folder_mode(mode))
    except FileNotFoundError:
        parent = os.path.dirname(os.fspath(path))
        if parent in ("", os.fspath(path)):  # the working directory itself was removed
            raise
        make_folder(parent, mode)
        make_folder(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def folder_mode(mode: int) -> int:
    """The mode of the folder for files of this mode: 0600 gives 0700, 0666 gives 0777."""
    return mode | (mode & 0o444) >> 2
