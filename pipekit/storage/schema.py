"""The ledger's tables, and how a connection to them is opened; knows no query."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from pipekit.errors import StorageError

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


def connect(path: Path, read_only: bool) -> sqlite3.Connection:
    """A connection without implicit transactions, its tables made where there are none.

    Raises sqlite3.Error, or StorageError for a ledger of a newer pipekit.
    """
    if read_only:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=10, isolation_level=None)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
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
            # A commit lost in a power cut costs time, never data; the run's last one is synced.
            connection.execute("PRAGMA synchronous = NORMAL")
            if version == 0:
                connection.executescript(
                    f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
                )
    except BaseException:
        connection.close()
        raise
    return connection


def set_aside(path: Path) -> Path:
    """Rename a damaged ledger (and what SQLite keeps beside it); returns its new name."""
    aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + suffix))
    return aside
