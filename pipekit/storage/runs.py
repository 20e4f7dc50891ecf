"""The ledger's database: its tables, the connection, and the runs.

What stages consumed and published is in `ledger`. This is all that commands such as `status` and
`history` need.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from pipekit.errors import StorageError
from pipekit.model.run import PipelineState, Rejection
from pipekit.model.status import PipelineStatus
from pipekit.storage.modes import why_denied
from pipekit.worker._files import PRIVATE, make_folder, open_own

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL UNIQUE,
    started REAL NOT NULL, ended REAL, status TEXT, exit_code INTEGER,
    stages TEXT NOT NULL DEFAULT '{}');
CREATE TABLE content (
    stage TEXT NOT NULL, path TEXT NOT NULL, state TEXT NOT NULL, fingerprint TEXT NOT NULL,
    settings TEXT NOT NULL, version TEXT NOT NULL, signature TEXT NOT NULL, run INTEGER NOT NULL,
    detail TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (stage, path)) WITHOUT ROWID;
CREATE TABLE published (
    stage TEXT NOT NULL, path TEXT NOT NULL, fingerprint TEXT NOT NULL, signature TEXT NOT NULL,
    run INTEGER NOT NULL, present INTEGER NOT NULL DEFAULT 1, detail TEXT NOT NULL,
    PRIMARY KEY (stage, path)) WITHOUT ROWID;
CREATE TABLE lineage (
    stage TEXT NOT NULL, source TEXT NOT NULL, output TEXT NOT NULL,
    PRIMARY KEY (stage, source, output)) WITHOUT ROWID;
"""
_RUNS = "SELECT run_id, number, started, ended, status, exit_code, stages FROM runs"


class RunHistory:
    """A connection to the project's ledger, for its runs; a context manager.

    A damaged ledger is renamed, not deleted: `set_aside` is its new path, and a new ledger is
    started. If damage is found later, the file is renamed when the block ends. Raises StorageError
    if the ledger cannot be opened, read or written.
    """

    def __init__(self, path: Path, *, read_only: bool = False, mode: int = PRIVATE) -> None:
        self.path = path
        self.set_aside: Path | None = None
        self._read_only = read_only
        try:
            self._connection = connect(path, read_only, mode)
        except sqlite3.DatabaseError as error:
            if read_only or isinstance(error, sqlite3.OperationalError):
                text = f"cannot open the ledger {path}: {error}{why_denied(path)}"
                raise StorageError(text) from error
            self.set_aside = set_aside(path)
            self._connection = connect(path, read_only, mode)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        self._connection.close()
        if isinstance(error, StorageError) and not self._read_only and _is_damage(error.__cause__):
            self.set_aside = set_aside(self.path)
            raise StorageError(
                f"{error}; the file is damaged and was renamed to {self.set_aside.name}. The next "
                "run starts a new ledger and processes all files again"
            ) from error

    def begin_run(self, run_id: str, started: float) -> int:
        """Record the start of a run; returns its number."""
        with self._writing() as connection:
            cursor = connection.execute(
                "INSERT INTO runs (run_id, started) VALUES (?, ?)", (run_id, started)
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def note_stage(self, run_id: str, stage: str, entry: Mapping[str, Any]) -> None:
        """Record how a stage of an unfinished run ended; `entry` is JSON."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE runs SET stages = json_set(stages, '$.' || ?, json(?)) WHERE run_id = ?",
                (stage, json.dumps(entry), run_id),
            )

    def end_run(self, run_id: str, status: PipelineStatus, exit_code: int, ended: float) -> None:
        """Record the end of a run: its commit point, from which report and last event follow."""
        self._connection.execute("PRAGMA synchronous = FULL")
        with self._writing() as connection:
            connection.execute(
                "UPDATE runs SET status = ?, exit_code = ?, ended = ? WHERE run_id = ?",
                (status, exit_code, ended, run_id),
            )

    def runs(self, limit: int = 20, *, unfinished: bool = False) -> list[PipelineState]:
        """The latest runs, newest first."""
        where = "WHERE status IS NULL" if unfinished else ""
        rows = self._read(
            f"{_RUNS} {where} ORDER BY number DESC LIMIT ?",
            (limit,),
        )
        return [_state(row) for row in rows]

    def run(self, run_id: str) -> PipelineState | None:
        """The run with this number, id or unique beginning of an id; None if there is none."""
        rows = self._read(
            f"{_RUNS} WHERE substr(run_id, 1, ?) = ? OR CAST(number AS TEXT) = ? LIMIT 2",
            (len(run_id), run_id, run_id),
        )
        return _state(rows[0]) if len(rows) == 1 else None

    def ended(self, run_ids: Iterable[str]) -> dict[str, str]:
        """The status of each of these runs that has ended, according to the ledger."""
        rows = self._read(
            "SELECT run_id, status FROM runs WHERE status IS NOT NULL "
            "AND run_id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(run_ids)),),
        )
        return dict(rows)

    def stages(self) -> list[str]:
        """The stages that have consumed or published anything."""
        rows = self._read("SELECT stage FROM content UNION SELECT stage FROM published", ())
        return [row[0] for row in rows]

    def rejections(self, stage: str) -> list[Rejection]:
        """The files that the stage has rejected, by path."""
        query = "SELECT path, reason, run FROM content WHERE stage = ? AND state = 'rejected'"
        return [Rejection(*row) for row in self._read(query, (stage,))]

    def _read(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"cannot read the ledger {self.path}: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction; SQLite's errors become StorageErrors."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StorageError(f"cannot write the ledger {self.path}: {error}") from error


def _is_damage(error: BaseException | None) -> bool:
    """Whether SQLite reports a damaged file, and not one that is locked or on a full disk."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the lower byte is the primary code
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _state(row: tuple[Any, ...]) -> PipelineState:
    run_id, number, started, ended, status, exit_code, stages = row
    known = None if status is None else PipelineStatus(status)
    return PipelineState(run_id, number, started, ended, known, exit_code, json.loads(stages))


def ledger_exists(path: Path) -> bool:
    """Whether there is a ledger. Raises StorageError if this user may not look."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        text = f"cannot open the ledger {path}: {error.strerror}{why_denied(path)}"
        raise StorageError(text) from error
    return True


def connect(path: Path, read_only: bool, mode: int = PRIVATE) -> sqlite3.Connection:
    """Open the ledger, without implicit transactions; a new file gets its tables and `mode`.

    SQLite gives the files beside it the same mode. Raises sqlite3.Error, or StorageError for a
    ledger of a newer pipekit, and for a symbolic link.
    """
    if read_only:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=10, isolation_level=None)
    else:
        _create(path, mode)
        connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise StorageError(
                f"the ledger {path} was written by a newer pipekit (schema {version}, this one "
                f"reads {SCHEMA_VERSION}): upgrade pipekit"
            )
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            # A commit lost to a power failure costs time, not data; a run's last one is synced.
            connection.execute("PRAGMA synchronous = NORMAL")
            if version == 0:
                connection.executescript(
                    f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
                )
    except BaseException:
        connection.close()
        raise
    return connection


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
    except OSError as error:
        text = f"cannot open the ledger {path}: {error.strerror}{why_denied(path)}"
        raise StorageError(text) from error


def set_aside(path: Path) -> Path:
    """Rename a damaged ledger and SQLite's files beside it; returns the new path."""
    aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + suffix))
    return aside
