"""Lists the files that the ledger knows, page by page."""

from __future__ import annotations

from typing import NamedTuple

from pipekit.storage.runs import RunHistory

PUBLISHED = "published"  # beside the states of content: consumed, part, rejected

_CONTENT = "SELECT path, stage, state, run, reason FROM content WHERE stage = ? AND path > ?"
_PUBLISHED = (
    "SELECT path, stage, iif(present, 'published', 'removed'), run, '' FROM published "
    "WHERE stage = ? AND path > ?"
)
_KNOWN = (
    "SELECT 1 FROM content WHERE stage = ? AND path = ?",
    "SELECT 1 FROM published WHERE stage = ? AND path = ?",
    "SELECT 1 FROM lineage WHERE stage = ? AND source = ? LIMIT 1",
)


class ListedFile(NamedTuple):
    """A file, and what a stage did with it last: `state`, in the run with this number."""

    path: str
    stage: str
    state: str
    run: int
    reason: str


class FileListing(RunHistory):
    """The part of the ledger that `content` and `published` have about files."""

    def listed(
        self, stage: str, *, state: str = "", text: str = "", after: str = "", limit: int = 200
    ) -> list[ListedFile]:
        """Files of a stage in the order of their paths, those after `after`.

        `state`: only with this one: of a ContentState, or `published`, or `removed`. `text`: only
        with this in the path, upper or lower case.
        """
        is_published = state in (PUBLISHED, "removed")
        query, values = (_PUBLISHED if is_published else _CONTENT), [stage, after]
        if is_published:
            query += f" AND present = {int(state == PUBLISHED)}"
        elif state:
            query, values = f"{query} AND state = ?", [*values, state]
        if text:
            self._connection.create_function("folded", 1, str.casefold, deterministic=True)
            query, values = f"{query} AND instr(folded(path), ?)", [*values, text.casefold()]
        rows = self._read(f"{query} ORDER BY path LIMIT ?", [*values, limit])
        return [ListedFile(*row) for row in rows]

    def knows(self, path: str) -> bool:
        """Whether a stage has consumed, rejected or published this file, or made one of it."""
        return any(self._read(query, (stage, path)) for stage in self.stages() for query in _KNOWN)
