"""What stages remember from run to run, such as how far a fetch has got: `report.state`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from pipekit.storage.troubles import Troubles


class Remembered(Troubles):
    """The part of the ledger about it; one of an older pipekit remembers nothing."""

    def state(self, stage: str) -> dict[str, Any]:
        """What the stage has remembered, by key."""
        if not self._read("SELECT 1 FROM sqlite_master WHERE name = 'state'", ()):
            return {}
        rows = self._read("SELECT key, value FROM state WHERE stage = ? ORDER BY key", (stage,))
        return {key: json.loads(value) for key, value in rows}


def remember(
    connection: sqlite3.Connection, stage: str, run_number: int, state: Mapping[str, Any]
) -> None:
    """Remember these values of a stage; None forgets a key."""
    for key, value in state.items():
        if value is None:
            connection.execute("DELETE FROM state WHERE stage = ? AND key = ?", (stage, key))
        else:
            row = (stage, key, json.dumps(value), run_number)
            connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?)", row)
