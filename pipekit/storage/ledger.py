"""The ledger (SQLite): what content was consumed and published by which run, and the runs.

It knows content by fingerprint and signature; what a fingerprint means is the workers' business.
Losing it costs time, never data: everything becomes pending, nothing becomes deletable.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from pipekit.errors import StorageError
from pipekit.model.file import ABSENT, Consumption, ContentState, Published
from pipekit.model.run import PipelineState, PipelineStatus
from pipekit.model.stage import FileRecord
from pipekit.storage.schema import connect, set_aside


class Known(NamedTuple):
    """What `pending` compares a file with: signature text, settings digest, state, version."""

    signature: str
    settings: str
    state: str
    version: str


def signature_text(signature: Iterable[int] | None) -> str:
    """A signature as the ledger stores it; empty where there is none."""
    return "" if signature is None else " ".join(map(str, signature))


class Ledger:
    """One connection to the project's ledger; a context manager.

    A file that is no ledger (or is damaged) is set aside, not deleted; `set_aside` then names it.
    Raises StorageError when the ledger cannot be opened or written.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.set_aside: Path | None = None
        try:
            self._connection = connect(path, read_only)
        except sqlite3.DatabaseError as error:
            if read_only or isinstance(error, sqlite3.OperationalError):
                raise StorageError(f"cannot open the ledger {path}: {error}") from error
            self.set_aside = set_aside(path)
            self._connection = connect(path, read_only)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

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

    # --- content --------------------------------------------------------------------------

    def known(self, stage: str) -> dict[str, Known]:
        """What the stage has taken or refused, by path: just enough to tell what is pending."""
        rows = self._read(
            "SELECT path, signature, settings, state, version FROM content WHERE stage = ?",
            (stage,),
        )
        return {row[0]: Known(*row[1:]) for row in rows}

    def consumption(self, stage: str, path: str) -> Consumption | None:
        """What the stage did with a file, whole."""
        rows = self._read(f"{_CONSUMPTIONS} WHERE stage = ? AND path = ?", (stage, path))
        return _consumption(rows[0]) if rows else None

    def consumptions(self, stage: str, state: ContentState | None = None) -> dict[str, Consumption]:
        """All that the stage has taken or refused, by path."""
        rows = self._read(f"{_CONSUMPTIONS} WHERE stage = ?", (stage,))
        found = {row[0]: _consumption(row) for row in rows}
        return {path: c for path, c in found.items() if state is None or c.state is state}

    def stages(self) -> list[str]:
        """The names of all stages that have consumed or published anything."""
        rows = self._read("SELECT stage FROM content UNION SELECT stage FROM published", ())
        return [row[0] for row in rows]

    def published(self, stage: str) -> tuple[Published, ...]:
        """What the stage has published, in the order of the runs that did."""
        rows = self._read(
            "SELECT path, fingerprint, run, run_id, present, detail FROM published "
            "LEFT JOIN runs ON runs.number = published.run WHERE stage = ? ORDER BY run, path",
            (stage,),
        )
        return tuple(
            Published(
                path=path,
                fingerprint=fingerprint,
                run=run,
                run_id=run_id or "",
                present=bool(present),
                detail=json.loads(detail),
            )
            for path, fingerprint, run, run_id, present, detail in rows
        )

    def published_signatures(self, stage: str) -> dict[str, str]:
        """The signatures that the stage's published files had, by path."""
        rows = self._read("SELECT path, signature FROM published WHERE stage = ?", (stage,))
        return dict(rows)

    def outputs_of(self, stage: str, source: str) -> list[tuple[str, str]]:
        """Path and signature of each file that the stage made of a source."""
        return self._read(
            "SELECT path, signature FROM published JOIN lineage USING (stage) "
            "WHERE stage = ? AND source = ? AND output = path",
            (stage, source),
        )

    def commit(
        self,
        stage: str,
        version: str,
        run: int,
        records: Iterable[FileRecord],
        settings: Mapping[str, str],
        default_settings: str,
    ) -> None:
        """Remember what the tasks of a stage reported of files, in one transaction.

        `settings`: for each path the digest under which it was pending.
        """
        with self._writing() as connection:
            for record in records:
                if record.verb in ("consumed", "rejected"):
                    digest = settings.get(record.path, default_settings)
                    _remember(connection, stage, version, run, record, digest)
                elif record.verb in ("wrote", "unchanged"):
                    _publish(connection, stage, run, record)

    def mark_removed(self, path: str, present: bool = False) -> None:
        """A published file was taken away by the lifecycle (or given back)."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE published SET present = ? WHERE path = ?", (int(present), path)
            )

    # --- the connection ---------------------------------------------------------------------

    def _read(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"cannot read the ledger {self.path}: {error}") from error

    def _writing(self) -> _Writing:
        return _Writing(self._connection, self.path)


class _Writing:
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


_CONSUMPTIONS = (
    "SELECT path, state, fingerprint, settings, version, run, detail, reason FROM content"
)


def _consumption(row: tuple[Any, ...]) -> Consumption:
    path, state, fingerprint, settings, version, run, detail, reason = row
    return Consumption(
        path=path,
        state=ContentState(state),
        fingerprint=fingerprint,
        settings=settings,
        version=version,
        run=run,
        detail=json.loads(detail),
        reason=reason,
    )


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


def _remember(
    connection: sqlite3.Connection,
    stage: str,
    version: str,
    run: int,
    record: FileRecord,
    settings: str,
) -> None:
    if record.fingerprint == ABSENT:
        connection.execute("DELETE FROM content WHERE stage = ? AND path = ?", (stage, record.path))
        return
    state = ContentState.REJECTED if record.verb == "rejected" else ContentState.CONSUMED
    if state is ContentState.CONSUMED and not record.complete:
        state = ContentState.PART
    connection.execute(
        "INSERT OR REPLACE INTO content VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            stage,
            record.path,
            state,
            record.fingerprint,
            settings,
            version,
            signature_text(record.signature),
            run,
            json.dumps(dict(record.detail)),
            record.reason,
        ),
    )


def _publish(connection: sqlite3.Connection, stage: str, run: int, record: FileRecord) -> None:
    """A file left unchanged keeps the run that wrote it."""
    keep = record.verb == "unchanged"
    known = connection.execute(
        "SELECT run FROM published WHERE stage = ? AND path = ?", (stage, record.path)
    ).fetchone()
    connection.execute(
        "INSERT OR REPLACE INTO published VALUES (?, ?, ?, ?, ?, 1, ?)",
        (
            stage,
            record.path,
            record.fingerprint,
            signature_text(record.signature),
            known[0] if keep and known else run,
            json.dumps(dict(record.detail)),
        ),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO lineage VALUES (?, ?, ?)",
        [(stage, source, record.path) for source in record.sources or ()],
    )
