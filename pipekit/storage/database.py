"""The ledger's file: opening it, what SQLite's errors mean, and setting a damaged one aside."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from contextlib import suppress
from pathlib import Path

from pipekit.errors import StorageError
from pipekit.storage import schema
from pipekit.storage.modes import why_denied
from pipekit.worker._files import PRIVATE, make_folder, open_own
from pipekit.worker._replace import replace

_LEAST_ROOM = 64 * 1024  # bytes
_UNREADABLE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)  # codes of a damaged file
_OTHER_TABLES = (
    *("no such table", "no such column", "has no column"),
    *("already exists", "duplicate column"),
)


def ledger_exists(path: Path) -> bool:
    """Whether there is a ledger. Raises StorageError if this user may not look.

    An empty file is none: the first run was killed when it had just been created.
    """
    try:
        return _check_regular(path).st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        text = f"cannot open the ledger {path}: {error.strerror}{why_denied(path)}"
        raise StorageError(text) from error


def connect(
    path: Path, read_only: bool, mode: int = PRIVATE, any_version: bool = False
) -> sqlite3.Connection:
    """Open the ledger, without implicit transactions; a new file gets its tables and `mode`.

    SQLite gives the files beside it the same mode. Raises sqlite3.Error, or StorageError for a
    ledger of a newer pipekit, and for a symbolic link.
    """
    if read_only:
        connection = _connect_read_only(path)
    else:
        _create(path, mode)
        connection = sqlite3.connect(
            path,
            timeout=10,
            isolation_level=None,
            check_same_thread=False,  # a plan runs in its own thread, while ours waits
        )
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        newer = newer_version(connection, path)
        if newer and not any_version:
            raise StorageError(newer)
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            # A commit lost to a power failure costs time, not data; a run's last one is synced.
            connection.execute("PRAGMA synchronous = NORMAL")
            schema.prepare(connection, version)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_read_only(path: Path) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(
        uri, uri=True, timeout=10, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA user_version")
    except sqlite3.OperationalError:
        connection.close()
        with suppress(FileNotFoundError):
            if path.with_name(f"{path.name}-wal").stat().st_size:
                raise
        # The folder cannot be written to, or the disk is full, and SQLite wants to create `-shm`;
        # but while `-wal` is empty nobody is writing, and the file alone is the whole ledger.
        connection = sqlite3.connect(
            f"{uri}&immutable=1", uri=True, isolation_level=None, check_same_thread=False
        )
    except BaseException:
        connection.close()
        raise
    return connection


def newer_version(connection: sqlite3.Connection, path: Path) -> str:
    """A sentence if the ledger is of a newer pipekit, else nothing."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version <= schema.VERSION:
        return ""
    return (
        f"the ledger {path} was written by a newer pipekit (schema {version}, this one reads "
        f"{schema.VERSION}): upgrade pipekit"
    )


def _create(path: Path, mode: int) -> None:
    """Create the file, if it is missing; what others may have put in its place is refused.

    It is not opened if it is there: closing it would release SQLite's locks on it.
    """
    if path == Path(":memory:"):
        return
    try:
        make_folder(path.parent, mode)
        if not os.path.lexists(path):
            os.close(open_own(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode))
        elif path.is_symlink():
            raise OSError(errno.ELOOP, "it is a symbolic link, which is not followed here")
        else:
            _check_regular(path)
    except OSError as error:
        text = f"cannot open the ledger {path}: {error.strerror}{why_denied(path)}"
        raise StorageError(text) from error


def _check_regular(path: Path) -> os.stat_result:
    """Raise OSError for what SQLite would wait for or read without end: a FIFO, a device."""
    there = os.stat(path)
    if not stat.S_ISREG(there.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    return there


def set_aside(path: Path) -> Path:
    """Rename a damaged ledger and SQLite's files beside it; returns the new path."""
    aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
    replace(os.fspath(path), os.fspath(aside))
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            replace(os.fspath(companion), f"{aside}{suffix}")
    return aside


def advice(error: BaseException, path: Path) -> str:
    """What to do about an error, or what becomes of a damaged ledger; empty for other errors."""
    if is_damage(error):
        return "; the next run renames it, starts a new one and processes all files again"
    if _code(error) == sqlite3.SQLITE_BUSY:
        return " by another program: close that, and try again"
    if _code(error) in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL) and _is_full(path.parent):
        return ": the disk is full; make room, and try again"
    return ""


def _is_full(folder: Path) -> bool:
    """Whether there is no room for SQLite's files of an opened ledger."""
    import shutil  # rarely needed

    try:
        return shutil.disk_usage(folder).free < _LEAST_ROOM
    except OSError:
        return False


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite reports a damaged file, or one whose tables are not those of its version.

    Not one that is locked, or on a full disk.
    """
    if _code(error) == sqlite3.SQLITE_ERROR:
        return any(words in str(error) for words in _OTHER_TABLES)
    return is_unreadable(error)


def is_unreadable(error: BaseException | None) -> bool:
    """Whether SQLite reports that the file is no database, or that its pages are damaged."""
    return _code(error) in _UNREADABLE


def _code(error: BaseException | None) -> int:
    """The primary code of SQLite's error: the lower byte; 0 for other errors."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
