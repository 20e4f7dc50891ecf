"""Merges a key's new rows with what is published, and writes the parts that changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import attrs
import numpy as np

from pipekit.worker import Publication
from pipekit_translator import layout
from pipekit_translator.dialects import VolumeType
from pipekit_translator.layout import Months, Series
from pipekit_translator.settings import Quality
from pipekit_translator.work.assemble.buffer import Chunk, windows
from pipekit_translator.work.publish import parquet
from pipekit_translator.work.publish.existing import Existing
from pipekit_translator.work.publish.quality import Statistics
from pipekit_translator.work.publish.volume import check_volume
from pipekit_translator.work.table import Flags, Ints, Ranked, Table, difference, merge
from pipekit_translator.work.zones import Zone

_PUBLISHED = -1  # the rank of published rows


@attrs.define(kw_only=True)
class PartResult:
    """The result of publishing a part.

    `added`, `changed`, `removed`: rows compared with the published ones. `duplicates`: new rows
    that other new ones replaced. `conflicts`: those of them with other values; `restated`:
    published rows that new ones with other values replaced. `statistics`: of the new rows.
    `placed`: done when the file is in its place; None if the published file is kept. `contracts`:
    by day, the one that it was taken from, by the `rule` of `roll`.
    """

    publication: Publication
    part: str
    statistics: Statistics
    placed: Future[None] | None = None
    rows: int = 0
    first: str = ""
    last: str = ""
    added: int = 0
    changed: int = 0
    removed: int = 0
    duplicates: int = 0
    conflicts: int = 0
    restated: int = 0
    contracts: dict[str, str] = attrs.field(factory=dict)
    rule: str = ""

    def detail(self) -> dict[str, Any]:
        """What is reported of its rows, and of the contracts that they were taken from."""
        contracts = {"contracts": self.contracts, "roll": self.rule} if self.contracts else {}
        return {"first": self.first, "last": self.last, "rows": self.rows, **contracts}

    @property
    def differs(self) -> bool:
        """Whether the part has other rows than the published file."""
        return bool(self.added or self.changed or self.removed)


def in_days(days: Ints, months: Months) -> Flags:
    """Which local dates are among these days."""
    wanted = np.array([day for _, day in layout.dates({"": months})], "M8[D]")
    return np.isin(days, wanted.astype(np.int64))


def of_days(chunk: Chunk, zone: Zone, months: Months, *, inside: bool) -> Chunk:
    """The rows of a chunk that lie inside these days, or outside."""

    def load() -> Table:
        table = chunk.load()
        return table.at(in_days(zone.days(table.time), months) == inside)

    return chunk._replace(load=load)


@attrs.frozen(kw_only=True)
class Publisher:
    """Publishes the parts of one key in the folder `processed`; `disks` place finished files.

    `volume`: the type of the new rows' volume. `existing`: what is known of the published files.
    """

    processed: str
    key: str
    zone: Zone
    rules: Quality
    disks: ThreadPoolExecutor
    existing: Existing
    volume: VolumeType = "int"

    @property
    def series(self) -> Series:
        """The series of `key`."""
        return layout.of_key(self.key)[1]

    def publish(
        self,
        part: str,
        new: list[tuple[int, Chunk]],
        rebuilt: Months,
        stated: Mapping[str, str] | None = None,
    ) -> PartResult | None:
        """Merge a part's new rows, ranked from 0, into the published ones; None without either.

        A new row wins over a published one. `rebuilt`: days whose published rows are ignored.
        `stated`: further metadata, which is compared as well. Raises OSError, UnusableError.
        """
        path = layout.path(self.processed, self.key, part)
        altered = path in self.existing.altered
        published = self.existing.read(self.key, part, self.zone, any_new=bool(new or rebuilt))
        if published is None and not new:
            return None
        if new and published and published.chunks:
            check_volume(path, self.key, published.volume, self.volume)
        statistics = Statistics(self.key, Zone(self.zone.name), self.rules)
        result = PartResult(publication=Publication(path), part=part, statistics=statistics)
        known = [(_PUBLISHED, chunk) for chunk in published.chunks] if published else []
        within = layout.days_of(part) if altered else None
        tables = self._merged([*known, *new], rebuilt, result, within)
        self._write(result, tables, stated or {})
        statistics.end()
        if published and altered and result.differs:
            self.existing.tell_changed(path, result)
        same = published is not None and stated in (None, published.stated)
        if published and same and not result.differs and not self.existing.is_doubtful(path):
            result.publication.discard()
            result.publication.changed = False
            result.publication.fingerprint = published.fingerprint
        else:
            result.placed = self.disks.submit(result.publication.place)
        return result

    def _write(
        self, result: PartResult, tables: Iterator[Table], stated: Mapping[str, str]
    ) -> None:
        try:
            begun = result.publication.begin()
            with parquet.Writer(begun, self.key, self.zone, stated) as writer:
                for table in tables:
                    writer.add(table)
        except BaseException:
            result.publication.discard()
            raise

    def _merged(
        self,
        chunks: list[tuple[int, Chunk]],
        rebuilt: Months,
        result: PartResult,
        within: Months | None,
    ) -> Iterator[Table]:
        """The new content of the part, span by span; adds its numbers to `result`.

        `within`: days outside which published rows are ignored.
        """
        for parts in windows(chunks):
            known = [part for part in parts if part.rank == _PUBLISHED]
            fresh = merge([part for part in parts if part.rank != _PUBLISHED], self.series)
            result.duplicates += fresh.duplicates
            result.conflicts += fresh.conflicts
            result.statistics.add(fresh.table)
            before = merge(known, self.series).table
            days = self.zone.days(before.time)
            keep = ~in_days(days, rebuilt)
            kept = before.at(keep if within is None else keep & in_days(days, within))
            both = merge([Ranked(_PUBLISHED, kept), Ranked(0, fresh.table)], self.series)
            result.restated += both.conflicts
            self._count(result, before, both.table)
            if both.table.size:
                yield both.table

    def _count(self, result: PartResult, before: Table, after: Table) -> None:
        added, changed, removed = difference(before, after)
        result.added += added
        result.changed += changed
        result.removed += removed
        result.rows += after.size
        if after.size:
            result.first = result.first or self._iso(after.time[0])
            result.last = self._iso(after.time[-1])

    def _iso(self, time: np.int64) -> str:
        return f"{np.datetime64(int(time) // self.zone.unit, 's')}Z"
