"""What went wrong with data and should be looked at: rows set aside, and files that became shorter.

Rejected files are in `runs`, refused runs in `refusals`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from pipekit.storage import schema
from pipekit.storage.failing import FailingWork

_SHRUNK = "SELECT stage, path, signature, size, before, run FROM shrunk {} ORDER BY path, stage"

# Of runs in which a stage set rows aside, the oldest first.
_SET_ASIDE = """
SELECT number, run_id, key, json_extract(value, '$.metrics.rows_set_aside')
FROM runs {}, json_each(CASE WHEN json_valid(stages) THEN stages ELSE '{{}}' END)
WHERE {} AND number > ?
    AND json_extract(value, '$.metrics.rows_set_aside') > 0
ORDER BY number"""


class SetAside(NamedTuple):
    """Rows that a stage set aside in a run."""

    run: int
    run_id: str
    stage: str
    rows: int


class Shrunk(NamedTuple):
    """A file of `size` bytes that had `before` when the stage had consumed it; noticed in `run`."""

    stage: str
    path: str
    signature: str
    size: int
    before: int
    run: int

    def __str__(self) -> str:
        what = "is empty" if not self.size else f"has {self.size:,} bytes"
        return f"it {what}, but had {self.before:,} when {self.stage} consumed it before"


class Troubles(FailingWork):
    """The part of the ledger about them; one of an older pipekit knows of no shrunken files."""

    def rows_set_aside(self, after: int = 0) -> list[SetAside]:
        """Rows set aside in runs after this one."""
        rows = self._read(_SET_ASIDE.format(self.set_aside_index(), schema.SET_ASIDE), (after,))
        return [SetAside(run, run_id, stage, int(count)) for run, run_id, stage, count in rows]

    def shrunk(self, stage: str | None = None) -> list[Shrunk]:
        """The files that became empty or shorter, of one stage or of all."""
        if not self._read("SELECT 1 FROM sqlite_master WHERE name = 'shrunk'", ()):
            return []
        if stage is None:
            return [Shrunk(*row) for row in self._read(_SHRUNK.format(""), ())]
        rows = self._read(_SHRUNK.format("WHERE stage = ?"), (stage,))
        return [Shrunk(*row) for row in rows]

    def note_shrunk(self, stage: str, found: Iterable[Shrunk], gone: Collection[str]) -> None:
        """Remember files that became shorter, and forget those that no longer are."""
        rows, paths = list(found), [(stage, path) for path in gone]
        if not rows and not paths:
            return
        with self._writing() as connection:
            connection.executemany("DELETE FROM shrunk WHERE stage = ? AND path = ?", paths)
            connection.executemany("INSERT OR REPLACE INTO shrunk VALUES (?, ?, ?, ?, ?, ?)", rows)

    def is_published(self, path: str) -> bool:
        """Whether a stage has published this file."""
        query = "SELECT 1 FROM published WHERE stage = ? AND path = ?"
        return any(self._read(query, (stage, path)) for stage in self.stages())
