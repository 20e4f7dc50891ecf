"""The ledger's runs: who started when and how it ended; knows no content.

All that `status`, `history` and their like need, so that they import no more than this.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pipekit.errors import StorageError
from pipekit.model.run import PipelineState, Rejection
from pipekit.model.status import PipelineStatus
from pipekit.storage.schema import connect, set_aside

_Made = TypeVar("_Made")


class RunHistory:
    """One connection to the project's ledger, for its runs; a context manager.

    A file that is no ledger (or is damaged) is set aside, not deleted; `set_aside` then names it.
    Damage that is met later ends the block, and then the file is set aside as well. Raises
    StorageError when the ledger cannot be opened, read or written.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.set_aside: Path | None = None
        self._read_only = read_only
        try:
            self._connection = connect(path, read_only)
        except sqlite3.DatabaseError as error:
            if read_only or isinstance(error, sqlite3.OperationalError):
                raise StorageError(f"cannot open the ledger {path}: {error}") from error
            self.set_aside = set_aside(path)
            self._connection = connect(path, read_only)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()
        if isinstance(error, StorageError) and not self._read_only and _is_damage(error.__cause__):
            self.set_aside = set_aside(self.path)
            raise StorageError(
                f"{error}; it is now {self.set_aside.name}, and the next run takes everything as "
                "pending"
            ) from error

    # --- runs -----------------------------------------------------------------------------

    def begin_run(self, run_id: str, started: float) -> int:
        """Remember that a run has started; returns its number."""
        with self._writing() as connection:
            cursor = connection.execute(
                "INSERT INTO runs (run_id, started) VALUES (?, ?)", (run_id, started)
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def note_stage(self, run_id: str, stage: str, facts: Mapping[str, Any]) -> None:
        """Remember how a stage of a run that is still going ended."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE runs SET stages = json_set(stages, '$.' || ?, json(?)) WHERE run_id = ?",
                (stage, json.dumps(facts), run_id),
            )

    def end_run(self, run_id: str, status: PipelineStatus, exit_code: int, ended: float) -> None:
        """The run's commit point: report and last event are derived from this row."""
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
            "SELECT run_id, number, started, ended, status, exit_code, stages FROM runs "  # noqa: S608  # no value of a user's
            f"{where} ORDER BY number DESC LIMIT ?",
            (limit,),
        )
        return [_state(row) for row in rows]

    def run(self, run_id: str) -> PipelineState | None:
        """The run with this id, or with an id that starts so when only one does, or number."""
        rows = self._read(
            "SELECT run_id, number, started, ended, status, exit_code, stages FROM runs "
            "WHERE substr(run_id, 1, ?) = ? OR CAST(number AS TEXT) = ? LIMIT 2",
            (len(run_id), run_id, run_id),
        )
        return _state(rows[0]) if len(rows) == 1 else None

    def ended(self, run_ids: Iterable[str]) -> list[str]:
        """Those of the runs that the ledger knows and that have ended."""
        rows = self._read(
            "SELECT run_id FROM runs WHERE status IS NOT NULL "
            "AND run_id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(run_ids)),),
        )
        return [run_id for (run_id,) in rows]

    def ended_before(self, count: int, *, idle: bool, limit: int) -> list[str]:
        """The runs that ended before the last `count` of their kind, newest first, `limit` of them.

        There are two kinds: runs that were idle, and those that did something.
        """
        rows = self._read(
            "SELECT run_id FROM runs WHERE status IS NOT NULL AND (status = 'idle') = ? "
            "ORDER BY number DESC LIMIT ? OFFSET ?",
            (idle, limit, count),
        )
        return [run_id for (run_id,) in rows]

    # --- what a look at the project needs of content ----------------------------------------

    def stages(self) -> list[str]:
        """The names of all stages that have consumed or published anything."""
        rows = self._read("SELECT stage FROM content UNION SELECT stage FROM published", ())
        return [row[0] for row in rows]

    def rejections(self, stage: str) -> list[Rejection]:
        """The files that the stage has rejected as they stood, by path."""
        query = "SELECT path, reason, run FROM content WHERE stage = ? AND state = 'rejected'"
        return [Rejection(*row) for row in self._read(query, (stage,))]

    # --- the connection ---------------------------------------------------------------------

    def _read(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        return self._read_into(list, query, values)

    def _read_into(
        self, make: Callable[[Iterable[Any]], _Made], query: str, values: tuple[Any, ...]
    ) -> _Made:
        """What `make` makes of the rows; it is given one at a time, since there may be 100,000."""
        try:
            return make(self._connection.execute(query, values))
        except sqlite3.Error as error:
            raise StorageError(f"cannot read the ledger {self.path}: {error}") from error

    def _writing(self) -> Writing:
        return Writing(self._connection, self.path)


class Writing:
    """A transaction that turns SQLite's errors into ours."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def __enter__(self) -> sqlite3.Connection:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise StorageError(f"cannot write the ledger {self._path}: {error}") from error
        return self._connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._connection.execute("COMMIT" if kind is None else "ROLLBACK")
        except sqlite3.Error as problem:
            raise StorageError(f"cannot write the ledger {self._path}: {problem}") from problem
        if isinstance(error, sqlite3.Error):
            raise StorageError(f"cannot write the ledger {self._path}: {error}") from error


def _is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says that the file itself is spoilt, and not that it is locked or full."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # above are details of the error
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _state(row: tuple[Any, ...]) -> PipelineState:
    run_id, number, started, ended, status, exit_code, stages = row
    return PipelineState(
        run_id=run_id,
        number=number,
        started=started,
        ended=ended,
        status=None if status is None else PipelineStatus(status),
        exit_code=exit_code,
        stages=json.loads(stages),
    )
