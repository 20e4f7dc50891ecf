"""The ledger of runs: their rows, from the start of a run to its end.

What stages consumed and published is in `ledger`. This is all that commands such as `status` and
`history` need.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self, cast

from pipekit.errors import StorageError
from pipekit.model.run import PipelineState, Rejection
from pipekit.model.status import PipelineStatus, StageStatus
from pipekit.model.text import json_text
from pipekit.storage import schema
from pipekit.storage.database import (
    advice,
    connect,
    is_damage,
    is_unreadable,
    newer_version,
    set_aside,
)
from pipekit.storage.modes import why_denied
from pipekit.worker._files import PRIVATE

_LAST = 2**63 - 1  # no run has a greater number
_RUNS = "SELECT run_id, number, started, ended, status, exit_code, stages FROM runs"

# Of runs in which the stage had work: their rows, newest first.
_WORKED = """
SELECT number, coalesce(ended, started), json_extract(stages, '$.' || ?1 || '.duration'),
    json_extract(stages, '$.' || ?1 || '.metrics')
FROM runs
WHERE {} AND json_extract(stages, '$.' || ?1 || '.status') IN (?2, ?3)
ORDER BY number DESC LIMIT ?4"""

_FAILED = """
SELECT number FROM runs
WHERE {} AND json_extract(stages, '$.' || ?1 || '.status') = ?2 AND number > ?3
ORDER BY number LIMIT 1"""

_NEXT_STAGE = """
SELECT stage FROM (
    SELECT * FROM (SELECT stage FROM content WHERE stage > ? ORDER BY stage LIMIT 1)
    UNION ALL SELECT * FROM (SELECT stage FROM published WHERE stage > ? ORDER BY stage LIMIT 1))
ORDER BY stage LIMIT 1"""  # one look into the index for each stage, not for each row


class EndedRun(NamedTuple):
    """A run that has ended. `dated`: the time its age counts from."""

    run_id: str
    number: int
    started: float
    status: str
    dated: float


class StageRun(NamedTuple):
    """A run in which a stage had work; `metrics`: the sums over its tasks and units."""

    number: int
    ended: float
    duration: float
    metrics: Mapping[str, float]


class RunHistory:
    """A connection to the project's ledger, for its runs; a context manager.

    A damaged ledger is renamed, not deleted: `set_aside` is its new path, and a new ledger is
    started. If damage is found later, the file is renamed when the block ends. Raises StorageError
    if the ledger cannot be opened, read or written. `any_version`: read one of a newer pipekit too,
    as far as that goes.
    """

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        any_version: bool = False,
        mode: int = PRIVATE,
    ) -> None:
        self.path = path
        self.set_aside: Path | None = None
        self._read_only = read_only
        self._damage: StorageError | None = None
        try:
            self._connection = connect(path, read_only, mode, any_version)
        except sqlite3.DatabaseError as error:
            refused = isinstance(error, sqlite3.OperationalError) and not is_damage(error)
            if read_only or refused:
                why = f"{error}{why_denied(path)}{advice(error, path)}"
                raise StorageError(f"cannot open the ledger {path}: {why}") from error
            self.set_aside = set_aside(path)
            self._connection = connect(path, read_only, mode)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        self._connection.close()
        if isinstance(error, StorageError) and not self._read_only and is_damage(error.__cause__):
            self.set_aside = set_aside(self.path)
            raise StorageError(
                f"{error}; the file is damaged and was renamed to {self.set_aside.name}. The next "
                "run starts a new ledger and processes all files again"
            ) from error

    def raise_damage(self) -> None:
        """Raise the StorageError of damage that was read, though somebody has caught it."""
        if self._damage is not None:
            raise self._damage

    def begin_run(self, run_id: str, started: float, *, recorded: Iterable[int] = ()) -> int:
        """Record the start of a run; returns its number.

        `recorded`: the numbers of earlier runs whose last event and report have been found.
        """
        self.set_aside_index()
        with self._writing() as connection:
            number = self._insert(run_id, started)
            connection.execute(
                "UPDATE runs SET recorded = 1 WHERE number IN (SELECT value FROM json_each(?))",
                (json.dumps(list(recorded)),),
            )
        return number

    def restore_run(self, run_id: str, started: float, number: int) -> int:
        """Record an earlier run that the ledger does not know; returns its number.

        `number`: the one it had, 0 if that is not known.
        """
        with self._writing():
            taken = self._read("SELECT 1 FROM runs WHERE number = ?", (number,))
            return self._insert(run_id, started, None if taken or number < 1 else number)

    def note_stage(self, run_id: str, stage: str, entry: Mapping[str, Any]) -> None:
        """Record how a stage of an unfinished run ended; `entry` is JSON."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE runs SET stages = json_set(stages, '$.' || ?, json(?)) WHERE run_id = ?",
                (stage, json_text(entry), run_id),  # SQLite refuses NaN
            )

    def end_run(
        self,
        run_id: str,
        status: PipelineStatus,
        exit_code: int,
        ended: float,
        *,
        durable: bool = True,
    ) -> bool:
        """Record the end of a run: its commit point, from which report and last event follow.

        `durable`: wait for the disk. False if the run has an end already, or is not known.
        """
        if durable:
            self._connection.execute("PRAGMA synchronous = FULL")
        with self._writing() as connection:
            changed = connection.execute(
                "UPDATE runs SET status = ?, exit_code = ?, ended = ? "
                "WHERE run_id = ? AND status IS NULL",
                (status, exit_code, ended, run_id),
            )
        return changed.rowcount == 1

    def runs(
        self, limit: int = 20, *, worked: bool = False, before: int | None = None
    ) -> list[PipelineState]:
        """The latest runs, newest first; `worked`: without those that had nothing to do.

        `before`: only those with a smaller number.
        """
        where = f"{schema.WORKED} AND" if worked else ""
        text = f"{_RUNS} WHERE {where} number < ? ORDER BY number DESC LIMIT ?"
        return self._states(text, (_LAST if before is None else before, limit))

    def worked(self, stage: str, limit: int, *, successful: bool = False) -> list[StageRun]:
        """The latest runs, newest first, in which the stage was `success`, or also `partial`."""
        least = StageStatus.SUCCESS if successful else StageStatus.PARTIAL
        rows = self._read(_WORKED.format(schema.WORKED), (stage, StageStatus.SUCCESS, least, limit))
        return [
            StageRun(number, ended, duration or 0.0, json.loads(metrics or "{}"))
            for number, ended, duration, metrics in rows
        ]

    def failing_since(self, stage: str) -> int:
        """The first run in which the stage failed after its last success; 0 if there is none."""
        last = next((run.number for run in self.worked(stage, 1)), 0)
        rows = self._read(_FAILED.format(schema.WORKED), (stage, StageStatus.FAILURE, last))
        return rows[0][0] if rows else 0

    def first_start(self) -> float | None:
        """When the oldest run began."""
        rows = self._read("SELECT started FROM runs ORDER BY number LIMIT 1", ())
        return rows[0][0] if rows else None

    def unfinished(self) -> list[PipelineState]:
        """All runs without an end, or whose last event and report have not been found yet."""
        return self._states(f"{_RUNS} WHERE {schema.UNFINISHED} ORDER BY number", ())

    def run(self, run_id: str) -> PipelineState | None:
        """The run with this number, id or unique beginning of an id; None if there is none."""
        found = self._states(
            f"{_RUNS} WHERE run_id BETWEEN ? AND ? OR number = CAST(? AS INTEGER) "
            "AND CAST(number AS TEXT) = ? LIMIT 2",
            (run_id, f"{run_id}\U0010ffff", run_id, run_id),
        )
        return found[0] if len(found) == 1 else None

    def unknown(self, run_ids: Iterable[str]) -> list[str]:
        """Those of the runs that the ledger does not know."""
        rows = self._read(
            "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT run_id FROM runs)",
            (json.dumps(list(run_ids)),),
        )
        return [run_id for (run_id,) in rows]

    def ended(self, run_ids: Iterable[str]) -> list[EndedRun]:
        """Those of the runs that have ended, according to the ledger, newest first."""
        rows = self._read(
            "SELECT run_id, number, started, status, dated FROM runs WHERE status IS NOT NULL "
            "AND run_id IN (SELECT value FROM json_each(?)) ORDER BY number DESC",
            (json.dumps(list(run_ids)),),
        )
        return [EndedRun(*row) for row in rows]

    def now(self) -> float:
        """The time that the latest five runs have all reached: one wrong clock does not move it."""
        rows = self._read("SELECT started FROM runs ORDER BY number DESC LIMIT ?", (schema.AGREE,))
        return min((started for (started,) in rows), default=0.0)

    def certain_time(self) -> float:
        """As `now`, but 0 while there are fewer than five runs: no single clock is believed."""
        rows = self._read("SELECT started FROM runs ORDER BY number DESC LIMIT ?", (schema.AGREE,))
        return min(started for (started,) in rows) if len(rows) == schema.AGREE else 0.0

    def sync(self) -> None:
        """Bring all that was recorded so far to the disk."""
        self._read("PRAGMA wal_checkpoint(PASSIVE)", ())

    def stages(self) -> list[str]:
        """The stages that have consumed or published anything."""
        found: list[str] = []
        while rows := self._read(_NEXT_STAGE, found[-1:] * 2 or ["", ""]):
            found.append(rows[0][0])
        return found

    def rejections(self, stage: str) -> list[Rejection]:
        """The files that the stage has rejected, by path."""
        rejected = "state = 'rejected'"
        index = self._index("content_rejected", f"content (stage, path) WHERE {rejected}")
        query = "SELECT path, reason, run FROM content {} WHERE stage = ? AND {}"
        rows = self._read(query.format(index, rejected), (stage,))
        return [Rejection(*row) for row in rows]

    def set_aside_index(self) -> str:
        """SQL that makes a query use the index of runs that set rows aside; see `_index`."""
        return self._index("runs_set_aside", f"runs (number) WHERE {schema.SET_ASIDE}")

    def _index(self, name: str, content: str) -> str:
        """SQL that makes a query use this index, which is created if the ledger has none.

        Empty if there is none and the ledger was opened for reading: then all rows are looked at.
        """
        try:
            self._connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {content}")
        except sqlite3.Error:
            return ""
        return f"INDEXED BY {name}"  # SQLite would take the primary key for the better one

    def _insert(self, run_id: str, started: float, number: int | None = None) -> int:
        """A new row, within a transaction."""
        before = self._read(
            "SELECT dated FROM runs WHERE number < coalesce(?, number + 1) "
            "ORDER BY number DESC LIMIT ?",
            (number, schema.AGREE),
        )
        cursor = self._connection.execute(
            "INSERT INTO runs (number, run_id, started, dated) VALUES (?, ?, ?, ?)",
            (number, run_id, started, schema.dated(started, [moment for (moment,) in before])),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _states(self, query: str, values: tuple[Any, ...]) -> list[PipelineState]:
        return [_state(row) for row in self._read(query, values)]

    def _read(self, query: str, values: Sequence[Any]) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except UnicodeEncodeError:  # of a name that is not UTF-8, which no row can have
            return []
        except sqlite3.Error as error:
            unreadable = is_unreadable(error)
            newer = "" if unreadable else newer_version(self._connection, self.path)
            text = newer or f"cannot read the ledger {self.path}: {error}{self._advice(error)}"
            failure = StorageError(text)
            if is_damage(error) and not newer:
                self._damage = failure
            raise failure from error

    def _advice(self, error: sqlite3.Error) -> str:
        ours = is_damage(error) and not self._read_only  # we rename it ourselves, and say so
        return "" if ours else advice(error, self.path)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction; SQLite's errors become StorageErrors."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite has done it already, for a full disk
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):  # what is still to be written must not wait as long again
                self._connection.execute("PRAGMA busy_timeout = 200")
            text = f"cannot write the ledger {self.path}: {error}{self._advice(error)}"
            raise StorageError(text) from error


def _state(row: tuple[Any, ...]) -> PipelineState:
    run_id, number, started, ended, status, exit_code, stages = row
    entries = {name: entry for name, entry in json.loads(stages).items() if isinstance(entry, dict)}
    return PipelineState(run_id, number, started, ended, _status(status), exit_code, entries)


def _status(text: str | None) -> PipelineStatus | None:
    """The status of a run; one that only another version has is a text that is equal to none."""
    try:
        return None if text is None else PipelineStatus(text)
    except ValueError:
        return cast("PipelineStatus", text)
