"""The rows of the ledger: what a record of a file changes in them, and what they stand for."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

from pipekit.model.file import Consumption, ContentState, Published
from pipekit.worker import ABSENT, Verb

if TYPE_CHECKING:
    from pipekit.model.records import FileRecord

PUBLISHED = (
    "SELECT path, fingerprint, run, run_id, present, detail FROM published "
    "LEFT JOIN runs ON runs.number = published.run"
)
CONSUMPTIONS = (
    "SELECT path, state, fingerprint, settings, version, run, detail, reason FROM content"
)


def published_of(row: tuple[Any, ...]) -> Published:
    """What a row of PUBLISHED stands for."""
    path, fingerprint, run, run_id, present, detail = row
    return Published(
        path=path,
        fingerprint=fingerprint,
        run_number=run,
        run_id=run_id or "",
        present=bool(present),
        detail=json.loads(detail),
    )


def consumption_of(row: tuple[Any, ...]) -> Consumption:
    """What a row of CONSUMPTIONS stands for."""
    path, state, fingerprint, settings, version, run, detail, reason = row
    return Consumption(
        path=path,
        state=ContentState(state),
        fingerprint=fingerprint,
        settings_digest=settings,
        version=version,
        run_number=run,
        detail=json.loads(detail),
        reason=reason,
    )


def remember_content(
    connection: sqlite3.Connection,
    stage: str,
    version: str,
    run_number: int,
    record: FileRecord,
    settings_digest: str,
) -> None:
    """Record a file that was consumed or rejected, with the settings that it was pending with."""
    if record.fingerprint == ABSENT:
        connection.execute("DELETE FROM content WHERE stage = ? AND path = ?", (stage, record.path))
        return
    state = ContentState.REJECTED if record.verb == Verb.REJECTED else ContentState.CONSUMED
    if state is ContentState.CONSUMED and not record.complete:
        state = ContentState.PART
    connection.execute(
        "INSERT OR REPLACE INTO content VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            stage,
            record.path,
            state,
            record.fingerprint,
            settings_digest,
            version,
            record.signature,
            run_number,
            record.detail,
            record.reason,
        ),
    )


def forget_content(connection: sqlite3.Connection, stage: str, path: str) -> None:
    """Remove what was made of a file, and that it became shorter."""
    connection.execute("DELETE FROM lineage WHERE stage = ? AND source = ?", (stage, path))
    connection.execute("DELETE FROM shrunk WHERE stage = ? AND path = ?", (stage, path))


def remember_published(
    connection: sqlite3.Connection, stage: str, run_number: int, record: FileRecord
) -> None:
    """Record a published file; one that was left unchanged keeps the run that wrote it."""
    keep = record.verb == Verb.UNCHANGED
    known = connection.execute(
        "SELECT run FROM published WHERE stage = ? AND path = ?", (stage, record.path)
    ).fetchone()
    connection.execute(
        "INSERT OR REPLACE INTO published VALUES (?, ?, ?, ?, ?, 1, ?)",
        (
            stage,
            record.path,
            record.fingerprint,
            record.signature,
            known[0] if keep and known else run_number,
            record.detail,
        ),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO lineage VALUES (?, ?, ?)",
        [(stage, source, record.path) for source in record.sources or ()],
    )
