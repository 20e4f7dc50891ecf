"""The ledger (SQLite): which run of which stage consumed or published which content.

Losing it costs time, not data: all files become pending, and none may be deleted.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pipekit.model.file import Consumption, ContentState, Published
from pipekit.storage.database import ledger_exists
from pipekit.storage.ledger_rows import (
    CONSUMPTIONS,
    PUBLISHED,
    consumption_of,
    forget_content,
    published_of,
    remember_content,
    remember_published,
)
from pipekit.storage.remembered import Remembered, remember
from pipekit.worker import Signature, Verb

if TYPE_CHECKING:
    from pipekit.model.records import FileRecord


_FEW, _MANY = 1_000, 10_000  # rows


class Entry(NamedTuple):
    """The part of a Consumption that tells whether a file is pending.

    `signature`: see `signature_text`.
    """

    state: str
    settings_digest: str
    signature: str


class Link(NamedTuple):
    """A stage made `output` from `source`; both are paths."""

    stage: str
    source: str
    output: str


def signature_text(signature: Iterable[int] | None) -> str:
    """A file's signature as the ledger stores it; empty if there is none."""
    return "" if signature is None else " ".join(map(str, signature))


def signature_size(text: str) -> int:
    """The size in a signature as the ledger stores it; 0 if there is none."""
    parts = text.split()
    return int(parts[2]) if len(parts) == len(Signature._fields) else 0


class Ledger(Remembered):
    """The whole ledger: the runs, and the content that stages consumed and published."""

    def entries(self, stage: str, paths: Sequence[str]) -> dict[str, Entry]:
        """Those of the files that the stage has consumed or rejected, by path, without details.

        Others may be among them. What is read is bounded by the number of paths.
        """
        rows = self._content("state, settings, signature", (), stage, paths)
        return {path: Entry(*entry) for path, *entry in rows}

    def signatures(self, stage: str, settings: str, paths: Sequence[str]) -> dict[str, str | None]:
        """As `entries`, but of those that were consumed with these settings, the signature alone.

        None for others. A plan asks this of every file, up to 100,000 of them, and almost none
        have changed: it takes half the time.
        """
        same = f"iif(state = '{ContentState.CONSUMED}' AND settings = ?, signature, NULL)"
        return dict(self._content(same, (settings,), stage, paths))

    def _content(
        self, columns: str, given: tuple[str, ...], stage: str, paths: Sequence[str]
    ) -> list[Any]:
        """Path and columns of the files that the stage has consumed or rejected; see `entries`."""
        if not paths:
            return []
        most, select = 2 * len(paths) + _FEW, f"SELECT path, {columns} FROM"  # ours
        rows = self._read(
            f"{select} content WHERE stage = ? AND path BETWEEN ? AND ? ORDER BY path LIMIT ?",
            (*given, stage, min(paths), max(paths), most),
        )
        if len(rows) == most:  # the ledger knows many files that are not asked for
            paths = [path for path in paths if path > rows[-1][0]]
            for at in range(0, len(paths), _MANY):
                rows += self._read(
                    f"{select} json_each(?) AS asked "
                    "CROSS JOIN content ON stage = ? AND path = asked.value",
                    (*given, json.dumps(paths[at : at + _MANY]), stage),
                )
        return rows

    def paths(self, stage: str) -> Iterator[str]:
        """The paths that the stage has consumed or rejected, in order, a part at a time."""
        last = ""
        while rows := self._read(
            "SELECT path FROM content WHERE stage = ? AND path > ? ORDER BY path LIMIT ?",
            (stage, last, _MANY),
        ):
            yield from (path for (path,) in rows)
            last = rows[-1][0]

    def count(self, stage: str, most: int = -1) -> int:
        """The number of files that the stage has consumed or rejected; counts `most` at most."""
        rows = self._read(
            "SELECT count(*) FROM (SELECT 1 FROM content WHERE stage = ? LIMIT ?)", (stage, most)
        )
        return int(rows[0][0])

    def consumption(self, stage: str, path: str) -> Consumption | None:
        """What the stage did with one file."""
        rows = self._read(f"{CONSUMPTIONS} WHERE stage = ? AND path = ?", (stage, path))
        return consumption_of(rows[0]) if rows else None

    def consumptions(self, stage: str, noted: str = "") -> dict[str, Consumption]:
        """What the stage consumed or rejected, by path; `noted`: only with this key in `detail`."""
        if not noted:
            rows = self._read(f"{CONSUMPTIONS} WHERE stage = ?", (stage,))
        elif noted.isascii() and noted.isidentifier():
            where = f"""instr(detail, '"{noted}":')"""  # an index needs it word for word
            index = self._index(f"content_noted_{noted}", f"content (stage, path) WHERE {where}")
            rows = self._read(f"{CONSUMPTIONS} {index} WHERE stage = ? AND {where}", (stage,))
        else:
            key = f"{json.dumps(noted)}:"
            where = "stage = ? AND instr(detail, ?)"
            rows = self._read(f"{CONSUMPTIONS} WHERE {where}", (stage, key))
        return {
            each.path: each
            for each in map(consumption_of, rows)
            if not noted or noted in each.detail
        }

    def details(self, stage: str, keys: Sequence[str]) -> list[tuple[str, ...]]:
        """The different values of these keys in `detail`, where all of them are texts."""
        terms, index = self._terms(keys)
        found: list[tuple[str, ...]] = [()]
        for at, term in enumerate(terms):
            where = " AND ".join(f"{each} = ?" for each in ("stage", *terms[:at]))
            select = f"SELECT {term} FROM content {index} "  # noqa: S608  # see _terms
            query = f"{select} WHERE {where} AND {term} > ? ORDER BY 1 LIMIT 1"
            further = []
            for values in found:  # one look into the index for each value, not for each row
                last = ""
                while rows := self._read(query, (stage, *values, last)):
                    ((last,),) = rows
                    further.append((*values, last))
            found = further
        return found

    def having(self, stage: str, details: Mapping[str, str], most: int) -> dict[str, Consumption]:
        """What the stage consumed or rejected with these values in `detail`, by path.

        At most `most` files.
        """
        terms, index = self._terms(list(details))
        where = " AND ".join(f"{each} = ?" for each in ("stage", *terms))
        query = f"{CONSUMPTIONS} {index} WHERE {where} LIMIT ?"
        rows = self._read(query, (stage, *details.values(), most))
        return {each.path: each for each in map(consumption_of, rows)}

    def _terms(self, keys: Sequence[str]) -> tuple[list[str], str]:
        """SQL for the values of these keys in `detail`, and for the use of an index of them."""
        if not all(key.isascii() and key.isidentifier() for key in keys):
            raise ValueError(f"{', '.join(map(repr, keys))}: use a-z, 0-9 and _ for such keys")
        value = "CASE WHEN json_valid(detail) THEN json_extract(detail, '$.{}') END"
        terms = [value.format(key) for key in keys]
        name, columns = f"content_details_{'_'.join(keys)}", ", ".join(("stage", *terms))
        return terms, self._index(name, f"content ({columns})")

    def published(self, stage: str) -> tuple[Published, ...]:
        """The files that the stage published, in the order of the runs that did."""
        rows = self._read(f"{PUBLISHED} WHERE stage = ? ORDER BY run, path", (stage,))
        return tuple(map(published_of, rows))

    def publications(self, stage: str, paths: Iterable[str]) -> dict[str, Published]:
        """Those of the files that the stage published, by path."""
        asked = json.dumps(list(paths))
        rows = self._read(f"{PUBLISHED} WHERE stage = ? AND path {_ASKED}", (stage, asked))
        return {each.path: each for each in map(published_of, rows)}

    def standing(self, stage: str) -> list[tuple[str, str, int]]:
        """Path and signature of each file that the stage published, and whether it is to be there.

        By path, without details: a plan asks this in every run.
        """
        query = "SELECT path, signature, present FROM published WHERE stage = ? ORDER BY path"
        return self._read(query, (stage,))

    def published_signatures(self, stage: str) -> dict[str, str]:
        """The signature of each file that the stage published, as text, by path."""
        rows = self._read("SELECT path, signature FROM published WHERE stage = ?", (stage,))
        return dict(rows)

    def published_signature(self, stage: str, path: str) -> str:
        """The signature of a file that the stage published, as text; empty if it did not."""
        query = "SELECT signature FROM published WHERE stage = ? AND path = ?"
        rows = self._read(query, (stage, path))
        return str(rows[0][0]) if rows else ""

    def outputs_of(self, stage: str, source: str) -> list[tuple[str, str]]:
        """Path and signature of each file that the stage published from a source."""
        return self._read(
            "SELECT path, signature FROM published JOIN lineage USING (stage) "
            "WHERE stage = ? AND source = ? AND output = path",
            (stage, source),
        )

    def links(self, paths: Collection[str], *, back: bool = False) -> list[Link]:
        """What was made of these files; `back`: what they were made of.

        To look back takes as long as the ledger has links.
        """
        asked = json.dumps(list(paths))
        if back:
            rows = self._read(f"{_LINKS} WHERE output {_ASKED} ORDER BY 1, 3, 2", (asked,))
            return [Link(*row) for row in rows]
        query = f"{_LINKS} WHERE stage = ? AND source {_ASKED}"
        return [Link(*row) for stage in self.stages() for row in self._read(query, (stage, asked))]

    def commit(
        self,
        stage: str,
        version: str,
        run_number: int,
        records: Iterable[FileRecord],
        settings_digests: Mapping[str, str],
        default_digest: str,
        state: Mapping[str, Any] = MappingProxyType({}),
        *,
        forget: Collection[str] = (),
    ) -> None:
        """Record what the tasks of a stage reported about files, in one transaction.

        `settings_digests`: of the settings that each input was pending with, by path;
        `default_digest`: for all other paths. `state`: what the stage remembers. `forget`: files of
        which nothing older is kept, once they are consumed.
        """
        records = list(records) if forget else records
        with self._writing() as connection:
            for record in records if forget else ():
                if record.verb == Verb.CONSUMED and record.path in forget:
                    forget_content(connection, stage, record.path)
            remember(connection, stage, run_number, state)
            for record in records:
                if record.verb in (Verb.CONSUMED, Verb.REJECTED):
                    digest = settings_digests.get(record.path, default_digest)
                    remember_content(connection, stage, version, run_number, record, digest)
                elif record.verb in (Verb.WROTE, Verb.UNCHANGED):
                    remember_published(connection, stage, run_number, record)

    def mark_removed(self, paths: Sequence[str]) -> None:
        """Record that the lifecycle has removed these files, if a stage published them."""
        rows = [(stage, path) for stage in self.stages() for path in paths]
        with self._writing() as connection:
            connection.executemany(
                "UPDATE published SET present = 0 WHERE stage = ? AND path = ?", rows
            )

    def mark_restored(self, files: Sequence[tuple[str, Signature, Signature]]) -> None:
        """Record that these files are back, unchanged: path, old and new signature."""
        self.mark_same(
            [(path, signature_text(old), signature_text(new)) for path, old, new in files]
        )

    def mark_same(self, files: Sequence[tuple[str, str, str]]) -> None:
        """Record that known content has a new signature: path, old and new signature, as text."""
        rows = [(new, stage, path, old) for stage in self.stages() for path, old, new in files]
        with self._writing() as connection:
            for assigned in ("published SET present = 1,", "content SET"):
                connection.executemany(
                    f"UPDATE {assigned} signature = ? "
                    "WHERE stage = ? AND path = ? AND signature = ?",
                    rows,
                )


_ASKED = "IN (SELECT value FROM json_each(?))"
_LINKS = "SELECT stage, source, output FROM lineage"


def open_to_read(path: Path) -> Ledger:
    """The ledger, to read only; an empty one if there is none yet. Raises StorageError."""
    there = ledger_exists(path)
    return Ledger(path if there else Path(":memory:"), read_only=there)
