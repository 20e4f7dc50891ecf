"""Merge run files into the months of one stream: what lives on, what changed, what is published.

Knows how to do it for one stream at a time; which run files there are is told, and nothing is
reported from here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np  # noqa: TID253  # a worker's module: no plan imports it
from attrs import define, field
from numpy.typing import NDArray  # noqa: TID253  # as above

from pipekit.worker import hasher
from pipekit_merger import months as folder_of_months
from pipekit_merger.cells import BASE, Cells, Layer, irreplaceable, paint
from pipekit_merger.scope import Group, day_text
from pipekit_merger.table import (
    Ints,
    Rows,
    decode,
    encode,
    integers,
    joined,
    months_of,
    one,
    rows_of,
    sort_key,
    take,
)

MONTHS = 12 * 10_000  # more than there are until the year 9999


class MergeError(Exception):
    """Months of a stream that could not be merged, each with its reason and what to do."""


class Fate(IntEnum):
    """What became of a row: of a published one, or of one in a run file."""

    REPLACED = 0  # by another row of the same key, which has a fate of its own
    UNCHANGED = 1
    UPDATED = 2
    NEW = 3
    REMOVED = 4


class Base(NamedTuple):
    """A month as it is published now; without `data` there is none."""

    table: Any = None
    zone: str = ""
    data: bytes | None = None
    damaged: bool = False


class Month(NamedTuple):
    """A month as it is after the merge: its file, whether that was written, what it came of.

    `detail`: its series, number of rows, first and last date.
    """

    path: str
    fingerprint: str
    written: bool
    sources: tuple[str, ...]
    detail: dict[str, Any]


@define
class StreamMerge:
    """The merge of one stream, and afterwards what came of it.

    `layers`: the run files of its instrument, in order; `table`: their rows of this stream, with
    the number of each row's layer in `numbers`. `existing`: months with a file; `lost`: months
    published once whose file is gone. `disk`: threads that wait for it.

    `months`: those to be merged, `touching`: the layers whose scopes meet a month, in order.
    `done`: those that were merged. `kept`: how many rows a rebuild found in no run file.
    """

    stream: str
    layers: Sequence[Layer]
    table: Any
    numbers: Ints
    existing: frozenset[int]
    lost: frozenset[int]
    folder: str
    rebuild: bool
    disk: Executor
    months: frozenset[int] = field(init=False)
    touching: dict[int, list[Layer]] = field(init=False)
    done: set[int] = field(factory=set)
    published: list[Month] = field(factory=list)
    failed: dict[int, str] = field(factory=dict)
    counts: Ints = field(factory=lambda: np.zeros(len(Fate), np.int64))
    warnings: list[str] = field(factory=list)
    kept: int = 0

    def __attrs_post_init__(self) -> None:
        days = integers(one(self.table.column("date")))
        pairs = [
            divmod(code, MONTHS)
            for code in np.unique(self.numbers * MONTHS + months_of(days)).tolist()
        ]
        taking = {layer.number: layer for layer in self.layers}
        there = self.existing | self.lost
        there |= {m for number, m in pairs if taking[number].takes(self.group(m))}
        self.touching = defaultdict(list)
        for layer in self.layers:
            for month in layer.scope.months(there):
                self.touching[month].append(layer)
        self.months = frozenset(month for month in there if self._taken(month))

    def group(self, month: int) -> Group:
        """The group of one of its months."""
        return Group(self.stream, month)

    def _taken(self, month: int) -> list[Layer]:
        return [layer for layer in self.touching[month] if layer.takes(self.group(month))]

    def run(self) -> None:
        """Merge and publish every month that can be. Raises MergeError when some could not."""
        bases = {month: self._base(month) for month in sorted(self.months)}
        good = {month: base for month, base in bases.items() if base is not None}
        tables = [base.table for base in good.values() if base.table is not None]
        table = joined([*tables, self.table])
        owner = np.full(table.num_rows, BASE, np.int64)
        owner[len(owner) - len(self.numbers) :] = self.numbers
        rows = rows_of(table)
        cells = Cells(rows)
        paint(cells, self.layers, self.stream)
        alive = cells.owners() == owner
        self._publish(good, table, rows, owner, alive)
        written = [month.path for month in self.published if month.written]
        folder_of_months.sync_folders(written, self.folder, self.disk)
        if self.failed:
            raise MergeError("; ".join(self.failed[month] for month in sorted(self.failed)))

    def _publish(
        self,
        bases: dict[int, Base],
        table: Any,
        rows: Rows,
        owner: Ints,
        alive: NDArray[np.bool_],
    ) -> None:
        month, key = months_of(rows["date"]), sort_key(rows)
        fate, kept = fates(rows, owner, alive), alive & (owner == BASE)
        living = np.flatnonzero(alive)
        living = living[np.lexsort((key[living], month[living]))]
        starts = np.searchsorted(month[living], sorted(bases))
        ends = np.searchsorted(month[living], sorted(bases), side="right")
        ordered = take(table, living)
        begun = []
        for number, start, end in zip(sorted(bases), starts.tolist(), ends.tolist(), strict=True):
            inside = month == number
            counts = np.bincount(fate[inside], minlength=len(Fate))
            made = self._month(number, bases[number], ordered[start:end], counts)
            begun.append((number, *made, counts, int(kept[inside].sum())))
        for number, made_month, publishing, counts, rows_kept in begun:
            try:
                publishing.result()
            except OSError as error:
                path = self._path(number)
                self.failed[number] = f"{path} cannot be written ({error.strerror or error})"
            else:
                self.done.add(number)
                self.published.append(made_month)
                self.counts += counts
                self.kept += rows_kept

    def _month(
        self, month: int, base: Base, table: Any, counts: Ints
    ) -> tuple[Month, Future[None]]:
        """A month as it will be, and its publishing, which has begun."""
        zone, sources = self._origin(month, base)
        changes = counts[[Fate.NEW, Fate.UPDATED, Fate.REMOVED]].any()
        data: Any = base.data
        if self.rebuild or changes or zone != base.zone:
            data = encode(table, zone)
        written = base.data is None or data != base.data
        detail = {"series": self.stream, "rows": table.num_rows}
        if table.num_rows:
            days = integers(one(table.column("date")))
            detail |= {"first": day_text(int(days.min())), "last": day_text(int(days.max()))}
        path = self._path(month)
        made = Month(path, hasher(data).hexdigest(), written, sources, detail)
        return made, self.disk.submit(self._publish_month, path, base, data if written else None)

    def _publish_month(self, path: str, base: Base, data: Any) -> None:
        if data is None:
            return
        if base.damaged:
            aside = folder_of_months.set_aside(path)
            self.warnings.append(f"{path} could not be read; it was kept as {aside}")
        folder_of_months.publish(path, data)

    def _origin(self, month: int, base: Base) -> tuple[str, tuple[str, ...]]:
        """The zone that a month's times are shown in (its last run file's), and its run files."""
        taken, last = self._taken(month), self.touching[month][-1]
        zone = last.zone if last is taken[-1] or not base.zone else base.zone
        return zone or taken[-1].zone, tuple(layer.path for layer in taken)

    def _path(self, month: int) -> str:
        return f"{self.folder}/{self.group(month).path}"

    def _base(self, month: int) -> Base | None:
        """The published month; None, and noted as failed, when it cannot be gone on from."""
        path = self._path(month)
        if month not in self.existing:
            if month not in self.lost or not irreplaceable(self.layers, self.group(month)):
                return Base()
            self.failed[month] = (
                f"{path} was published and is gone, and the run files at hand do not hold all of "
                "it: put it back, or analyse anew with `pipekit run --rebuild`"
            )
            return None
        try:
            return self._read(path, month)
        except (OSError, ValueError) as error:
            reason = f"{path}: {error}" if isinstance(error, ValueError) else str(error)
            if not self.rebuild:
                self.failed[month] = (
                    f"{reason}; it was left as it is and its run files wait: put back a good copy, "
                    "or make it anew with `pipekit run --rebuild`"
                )
            elif irreplaceable(self.layers, self.group(month)):
                self.failed[month] = (
                    f"{reason}; the run files at hand do not hold all of it: put back a good copy, "
                    "or analyse anew with `pipekit run --rebuild`"
                )
            else:
                return Base(damaged=True)
            return None

    def _read(self, path: str, month: int) -> Base:
        with open(path, "rb") as file:
            data = file.read()
        raw, zone, _ = decode(data)
        table = joined([raw])
        streams = one(table.column("stream")).dictionary.to_pylist()
        found = months_of(integers(one(table.column("date"))))
        if set(streams) - {self.stream} or (found != month).any():
            raise ValueError("it holds rows that are not of its stream and month")
        return Base(table, zone, data)


def fates(rows: Rows, owner: Ints, alive: NDArray[np.bool_]) -> NDArray[np.int8]:
    """What becomes of each row, given which layer each row is of and which rows live on."""
    key = sort_key(rows)
    base = np.flatnonzero(owner == BASE)
    fresh = np.flatnonzero(alive & (owner != BASE))
    fate = np.full(len(owner), Fate.REPLACED, np.int8)
    fate[base] = np.where(alive[base], Fate.UNCHANGED, Fate.REMOVED)
    fate[fresh] = Fate.NEW
    if not len(base):
        return fate
    base = base[np.argsort(key[base], kind="stable")]
    twin = base[np.minimum(np.searchsorted(key[base], key[fresh]), len(base) - 1)]
    found = key[twin] == key[fresh]
    twin, fresh = twin[found], fresh[found]
    same = (rows.values[:, twin] == rows.values[:, fresh]).all(axis=0)
    fate[twin] = Fate.REPLACED
    fate[fresh] = np.where(same, Fate.UNCHANGED, Fate.UPDATED)
    return fate
