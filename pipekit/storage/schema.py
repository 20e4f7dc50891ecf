"""The tables and indexes of the ledger (docs/reference/ledger.md); gives them to an older one."""

from __future__ import annotations

import sqlite3

VERSION = 4
AGREE = 5  # so many runs in a row must agree before a time counts

_TABLES = """
CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL UNIQUE,
    started REAL NOT NULL, ended REAL, status TEXT, exit_code INTEGER,
    stages TEXT NOT NULL DEFAULT '{}',
    recorded INTEGER NOT NULL DEFAULT 0, dated REAL NOT NULL);
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
# A query uses such an index only if it has the same words after WHERE.
UNFINISHED = "(status IS NULL OR recorded = 0)"
WORKED = "status IS NOT 'idle'"
SET_ASIDE = "instr(stages, 'rows_set_aside')"
_INDEXES = f"""
CREATE INDEX runs_unfinished ON runs (number) WHERE {UNFINISHED};
CREATE INDEX runs_worked ON runs (number) WHERE {WORKED};
"""
_FROM_1 = """
ALTER TABLE runs ADD COLUMN recorded INTEGER NOT NULL DEFAULT 1;
ALTER TABLE runs ADD COLUMN dated REAL NOT NULL DEFAULT 0;
INSERT OR REPLACE INTO runs
        (number, run_id, started, ended, status, exit_code, stages, recorded, dated)
    SELECT number, run_id, started, ended, status, exit_code, stages,
        number < (SELECT max(number) FROM runs),
        max(started, coalesce(min(started) OVER before, started))
    FROM runs WINDOW before AS (ORDER BY number ROWS BETWEEN 5 PRECEDING AND 1 PRECEDING);
"""
_FROM_2 = """
CREATE TABLE failing (
    stage TEXT NOT NULL, task TEXT NOT NULL, path TEXT NOT NULL, signature TEXT NOT NULL,
    settings TEXT NOT NULL, version TEXT NOT NULL, failures INTEGER NOT NULL, run INTEGER NOT NULL,
    due INTEGER NOT NULL, what TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (stage, task, path)) WITHOUT ROWID;
CREATE TABLE shrunk (
    stage TEXT NOT NULL, path TEXT NOT NULL, signature TEXT NOT NULL, size INTEGER NOT NULL,
    before INTEGER NOT NULL, run INTEGER NOT NULL, PRIMARY KEY (stage, path)) WITHOUT ROWID;
"""
_FROM_3 = """
CREATE TABLE state (
    stage TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, run INTEGER NOT NULL,
    PRIMARY KEY (stage, key)) WITHOUT ROWID;
CREATE TABLE attempts (
    attempt INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, stage TEXT NOT NULL,
    task TEXT NOT NULL, executor TEXT NOT NULL, lease REAL NOT NULL, grace REAL NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0);
CREATE INDEX attempts_open ON attempts (run_id) WHERE settled = 0;
"""
_STEPS = {  # from a new ledger, or one of an earlier version
    0: f"{_TABLES} {_INDEXES} {_FROM_2} {_FROM_3}",
    1: f"{_FROM_1} {_INDEXES} {_FROM_2} {_FROM_3}",
    2: f"{_FROM_2} {_FROM_3}",
    3: _FROM_3,
}


def prepare(connection: sqlite3.Connection, version: int) -> None:
    """Give a new ledger (`version` 0) or one of an earlier version its tables and indexes."""
    steps = _STEPS.get(version)
    if steps is not None:
        connection.executescript(
            f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {VERSION}; COMMIT;"
        )


def dated(started: float, before: list[float]) -> float:
    """The time that a run counts from: its start, unless its clock was behind.

    `before`: the times that the AGREE runs before it count from. None of them was later.
    """
    return max([started, *([min(before)] if before else [])])
