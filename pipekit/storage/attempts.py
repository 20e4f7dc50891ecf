"""Attempts at tasks on other machines: numbered before they are submitted, settled at their end.

A part of the ledger of its own, which only runs with such tasks import.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pipekit.storage.runs import RunHistory

_OPEN = (
    "SELECT attempt, run_id, stage, task, executor, lease, grace FROM attempts "
    "WHERE run_id = ? AND settled = 0 ORDER BY attempt"
)
_LATEST = "SELECT max(attempt) FROM attempts WHERE run_id = ? AND stage = ? AND task = ?"


class Attempt(NamedTuple):
    """An attempt at a task. `lease`, `grace`: seconds, see the table `attempts`."""

    number: int
    run_id: str
    stage: str
    task: str
    executor: str
    lease: float
    grace: float


class Attempts:
    """The attempts that a ledger knows. Raises StorageError if it cannot be read or written."""

    def __init__(self, ledger: RunHistory) -> None:
        self._ledger = ledger

    def begin(self, wanted: Sequence[Attempt]) -> list[Attempt]:
        """Number these attempts, on disk when this returns; their `number` is ignored."""
        made = []
        self._ledger._connection.execute("PRAGMA synchronous = FULL")
        with self._ledger._writing() as connection:
            for each in wanted:
                cursor = connection.execute(
                    "INSERT INTO attempts (run_id, stage, task, executor, lease, grace) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    each[1:],
                )
                assert cursor.lastrowid is not None
                made.append(each._replace(number=cursor.lastrowid))
        self._ledger._connection.execute("PRAGMA synchronous = NORMAL")
        return made

    def settle(self, numbers: Iterable[int]) -> None:
        """Note that nothing can be running any more for these."""
        with self._ledger._writing() as connection:
            connection.execute(
                "UPDATE attempts SET settled = 1 WHERE attempt IN (SELECT value FROM json_each(?))",
                (json.dumps(list(numbers)),),
            )

    def unsettled(self, run_id: str) -> list[Attempt]:
        """The attempts of a run for which something may still be running; none in an old ledger."""
        if not self._ledger._read("SELECT 1 FROM sqlite_master WHERE name = 'attempts'", ()):
            return []
        return [Attempt(*row) for row in self._ledger._read(_OPEN, (run_id,))]

    def is_latest(self, attempt: Attempt) -> bool:
        """Whether there is no later attempt at the same task of the same run."""
        rows = self._ledger._read(_LATEST, (attempt.run_id, attempt.stage, attempt.task))
        return bool(rows) and rows[0][0] == attempt.number
