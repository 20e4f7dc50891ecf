"""The ledger (SQLite): what content was consumed and published by which run, and the runs.

It knows content by fingerprint and signature; what a fingerprint means is the workers' business.
Losing it costs time, never data: everything becomes pending, nothing becomes deletable.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pipekit.model.file import ABSENT, Consumption, ContentState, Published
from pipekit.storage.runs import RunHistory

if TYPE_CHECKING:
    from pipekit.model.task import FileRecord


class Known(NamedTuple):
    """What the ledger says of a file without its details: state, settings digest, signature text.

    Read and compared as one text, since nearly all of 100,000 are as they were: for a file consumed
    with the settings that were asked for its signature alone, which begins with a digit.
    """

    state: str
    settings: str
    signature: str

    @classmethod
    def of(cls, text: str, settings: str = "") -> Known:
        """Of the text that `Ledger.known` gives."""
        if text[:1].isdecimal():
            return cls(ContentState.CONSUMED, settings, text)
        return cls(*text.split(" ", 2))


def signature_text(signature: Iterable[int] | None) -> str:
    """A signature as the ledger stores it; empty where there is none."""
    return "" if signature is None else " ".join(map(str, signature))


class Ledger(RunHistory):
    """The whole ledger: the runs, and what content their stages have taken and published."""

    def known(self, stage: str, settings: str = "") -> dict[str, str]:
        """What the stage has taken or refused, by path: each the text of a `Known`."""
        return self._read_into(
            dict,
            "SELECT path, CASE WHEN state = 'consumed' AND settings = ? AND signature > '' "
            "THEN signature ELSE state || ' ' || settings || ' ' || signature END "
            "FROM content WHERE stage = ?",
            (settings, stage),
        )

    def consumption(self, stage: str, path: str) -> Consumption | None:
        """What the stage did with a file, whole."""
        rows = self._read(f"{_CONSUMPTIONS} WHERE stage = ? AND path = ?", (stage, path))
        return _consumption(rows[0], json.loads(rows[0][6])) if rows else None

    def consumptions(self, stage: str, noted: str = "") -> dict[str, Consumption]:
        """All that the stage has taken or refused, by path; or what has `noted` in its detail."""
        rows = self._read(
            f"{_CONSUMPTIONS} WHERE stage = ? AND instr(detail, ?)",
            (stage, f"{json.dumps(noted)}:" if noted else "{"),
        )
        details = _details([row[6] for row in rows])
        return {
            row[0]: _consumption(row, detail)
            for row, detail in zip(rows, details, strict=True)
            if not noted or noted in detail
        }

    def published(self, stage: str) -> tuple[Published, ...]:
        """What the stage has published, in the order of the runs that did."""
        rows = self._read(
            "SELECT path, fingerprint, run, run_id, present, detail FROM published "
            "LEFT JOIN runs ON runs.number = published.run WHERE stage = ? ORDER BY run, path",
            (stage,),
        )
        details = _details([row[5] for row in rows])
        return tuple(
            Published(
                path=path,
                fingerprint=fingerprint,
                run=run,
                run_id=run_id or "",
                present=bool(present),
                detail=detail,
            )
            for (path, fingerprint, run, run_id, present, _), detail in zip(
                rows, details, strict=True
            )
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


_STATES = {state.value: state for state in ContentState}
_CONSUMPTIONS = (
    "SELECT path, state, fingerprint, settings, version, run, detail, reason FROM content"
)


def _details(texts: list[str]) -> list[dict[str, Any]]:
    """JSON texts, read at once: a third of the time of one by one."""
    details: list[dict[str, Any]] = json.loads(f"[{','.join(texts)}]")
    return details


def _consumption(row: tuple[Any, ...], detail: dict[str, Any]) -> Consumption:
    path, state, fingerprint, settings, version, run, _, reason = row
    return Consumption(
        path=path,
        state=_STATES[state],
        fingerprint=fingerprint,
        settings=settings,
        version=version,
        run=run,
        detail=detail,
        reason=reason,
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
