"""A key's new rows into its parts: merge with what is published, write what changed.

Knows neither raw files' content nor the report; the caller says what came of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Semaphore
from typing import Any

import attrs
import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan

from pipekit_translator import layout, store
from pipekit_translator.hold import Chunk, windows
from pipekit_translator.layout import Months
from pipekit_translator.quality import Seen
from pipekit_translator.table import Flags, Ints, Ranked, Table, difference, merge
from pipekit_translator.zones import Zone

_WAITING = 4  # threads that wait for disks
_BEFORE = -1  # the rank of what is published

Days = dict[str, dict[str, int]]


@attrs.define(kw_only=True)
class Outcome:
    """What came of a part. `added`, `changed`, `removed`: rows against the published ones.

    `duplicates`: new rows that other new ones displaced; `conflicts`: those of them, and of the
    published ones, that were displaced by other values. `seen`: the new rows.
    """

    path: str
    part: str
    seen: Seen
    fingerprint: str = ""
    written: bool = False
    rows: int = 0
    first: str = ""
    last: str = ""
    added: int = 0
    changed: int = 0
    removed: int = 0
    duplicates: int = 0
    conflicts: int = 0


def in_days(days: Ints, months: Months) -> Flags:
    """Which of the local dates are among these."""
    wanted = [
        int(np.datetime64(f"{month}-{day:02}", "D").astype(np.int64))
        for month, bits in months.items()
        for day in range(1, 32)
        if bits >> day & 1
    ]
    return np.isin(days, np.array(wanted, np.int64))


def of_days(chunk: Chunk, zone: Zone, months: Months, *, inside: bool) -> Chunk:
    """Those rows of a chunk that lie in these days, or the others."""

    def load() -> Table:
        table = chunk.load()
        return table.at(in_days(zone.days(table.time), months) == inside)

    return chunk._replace(load=load)


class Disks:
    """Puts closed files in their places, while the threads that made them go on.

    Each waits for the disk some milliseconds; so few at a time that nobody runs out of files.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_WAITING)
        self._free = Semaphore(_WAITING * 4)

    def publish(self, writer: store.Writer) -> Future[str]:
        """The file's fingerprint, once it is in its place."""
        self._free.acquire()
        placed = self._threads.submit(writer.publish)
        placed.add_done_callback(lambda _: self._free.release())
        return placed


class Publisher:
    """Writes the parts of one key below `processed`. `rules`: of the quality report."""

    def __init__(self, processed: str, key: str, zone: Zone, rules: dict[str, Any]) -> None:
        self._processed = processed
        self._key = key
        self._series = layout.of_key(key)[1]
        self._zone = zone
        self._rules = rules

    def prepare(
        self, part: str, new: list[tuple[int, Chunk]], rebuilt: Months
    ) -> tuple[Outcome | None, store.Writer | None]:
        """Merge a part's new rows, ranked from 0, into what is published of it.

        A new row wins over a published one. `rebuilt`: days whose published rows do not count. The
        closed file is yet to be published; None where there is none to be. No outcome where there
        is nothing at all. Raises OSError, UnusableError.
        """
        path = layout.path(self._processed, self._key, part)
        published = store.read(path, self._series, self._zone)
        if published is None and not new:
            return None, None
        outcome = Outcome(path=path, part=part, seen=self._seen())
        before = [] if published is None else published.chunks
        chunks = [*((_BEFORE, chunk) for chunk in before), *new]
        if published is not None:
            for _ in self._merged(chunks, rebuilt, outcome):
                pass
            if not (outcome.added or outcome.changed or outcome.removed):
                outcome.fingerprint = published.fingerprint
                return outcome, None
            outcome = Outcome(path=path, part=part, seen=self._seen())
        writer = store.Writer(path, self._key, self._zone)
        for table in self._merged(chunks, rebuilt, outcome):
            writer.add(table)
        writer.close()
        outcome.written = True
        return outcome, writer

    def _seen(self) -> Seen:
        return Seen(self._key, Zone(self._zone.name), self._rules)

    def _merged(
        self, chunks: list[tuple[int, Chunk]], rebuilt: Months, outcome: Outcome
    ) -> Iterator[Table]:
        """The part's rows to be, stretch by stretch; `outcome` keeps the numbers."""
        for parts in windows(chunks):
            known = [part for part in parts if part.rank == _BEFORE]
            fresh = merge([part for part in parts if part.rank != _BEFORE], self._series)
            outcome.duplicates += fresh.duplicates
            outcome.conflicts += fresh.conflicts
            outcome.seen.add(fresh.table)
            after = fresh.table
            if known:
                before = merge(known, self._series).table
                kept = before if not rebuilt else self._without(before, rebuilt)
                both = merge([Ranked(_BEFORE, kept), Ranked(0, fresh.table)], self._series)
                outcome.conflicts += both.conflicts
                after = both.table
                changes = difference(before, after)
            else:
                changes = after.size, 0, 0
            self._count(outcome, after, changes)
            if after.size:
                yield after

    def _count(self, outcome: Outcome, after: Table, changes: tuple[int, int, int]) -> None:
        added, changed, removed = changes
        outcome.added += added
        outcome.changed += changed
        outcome.removed += removed
        outcome.rows += after.size
        if after.size:
            outcome.first = outcome.first or self._iso(after.time[0])
            outcome.last = self._iso(after.time[-1])

    def _without(self, table: Table, rebuilt: Months) -> Table:
        return table.at(~in_days(self._zone.days(table.time), rebuilt))

    def _iso(self, time: np.int64) -> str:
        return f"{np.datetime64(int(time) // self._zone.unit, 's')}Z"


_STAMP = re.compile(r"(?<!\d)(\d{8})_(\d{6})(?!\d)")


def exported(path: str, priority: int, changed_ns: int) -> tuple[int, float, int, str]:
    """The rank of an export: of two with the same row, the higher one's stands.

    By the stamp in its name, else its modification time, else its name (spec: data, §1.3 rule 2).
    """
    found = _STAMP.search(path.rpartition("/")[2])
    stamp = _stamp_seconds(*found.groups()) if found else None
    return (priority, changed_ns / 1e9 if stamp is None else stamp, changed_ns, path)


def _stamp_seconds(date: str, time: str) -> float | None:
    try:
        iso = f"{date[:4]}-{date[4:6]}-{date[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}"
        return float(np.datetime64(iso, "s").astype(np.int64))
    except ValueError:
        return None
