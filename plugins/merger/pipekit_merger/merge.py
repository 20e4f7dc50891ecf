"""Merge run files into the months of one stream: what lives on, what changed, what is published.

Knows how to do it for one stream, a few months at a time; which run files there are is told, and
nothing is reported from here.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np  # noqa: TID253  # a worker's module: no plan imports it
from attrs import define, field
from numpy.typing import NDArray  # noqa: TID253  # as above

from pipekit.worker import hasher
from pipekit_merger import months as folder_of_months
from pipekit_merger.cells import BASE, Cells, Layer, irreplaceable, paint
from pipekit_merger.pile import Pile
from pipekit_merger.rows import Ints, Rows, empty, joined, months_of, ordered, sort_key
from pipekit_merger.scope import Group, day_text
from pipekit_merger.table import decode, outer, parquet
from pipekit_merger.tallies import Tallies, tally_of

# Rows that are merged at once, as nearly as months allow; each takes about 800 bytes meanwhile.
WINDOW = 131_072
TOGETHER = 8  # months that are written together: the disk's log is written once for several
SIZE = 16  # bytes of a published row, about: so many rows a month has that is not yet read


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

    values: Ints | None = None
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

    `layers`: the run files of its instrument, in order; their rows are in the `pile`. `existing`:
    months with a file; `lost`: months published once whose file is gone. `disk`: threads that wait
    for it. `tallies`: takes in those of the months, where there is to be a summary.

    `months`: those to be merged, `touching`: the layers whose scopes meet a month, in order.
    `done`: those that were merged. `kept`: how many rows a rebuild found in no run file.
    """

    stream: str
    layers: Sequence[Layer]
    pile: Pile
    number: int | None
    existing: frozenset[int]
    lost: frozenset[int]
    folder: str
    rebuild: bool
    disk: Executor
    tallies: Tallies | None
    months: frozenset[int] = field(init=False)
    touching: dict[int, list[Layer]] = field(init=False)
    done: set[int] = field(factory=set)
    published: list[Month] = field(factory=list)
    failed: dict[int, str] = field(factory=dict)
    counts: Ints = field(factory=lambda: np.zeros(len(Fate), np.int64))
    warnings: list[str] = field(factory=list)
    kept: int = 0
    _waiting: dict[int, int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        waiting = {} if self.number is None else self.pile.counts(self.number)
        self._waiting = {month: sum(counts.values()) for month, counts in waiting.items()}
        taking = {layer.number: layer for layer in self.layers}
        there = self.existing | self.lost
        for month, numbers in waiting.items():
            if any(taking[number].takes(self.group(month)) for number in numbers):
                there |= {month}
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
        for window in self._windows():
            self._merge(window)
        written = [month.path for month in self.published if month.written]
        folder_of_months.sync_folders(written, self.folder, self.disk)
        if self.failed:
            raise MergeError("; ".join(self.failed[month] for month in sorted(self.failed)))

    def _windows(self) -> Iterator[list[int]]:
        """The months to be merged, in order, as many together as their rows allow."""
        window: list[int] = []
        room = WINDOW
        for month in sorted(self.months):
            rows = self._waiting.get(month, 0) + self._published(month)
            if window and rows > room:
                yield window
                window, room = [], WINDOW
            window.append(month)
            room -= rows
        if window:
            yield window

    def _published(self, month: int) -> int:
        """About how many rows a month has; none where `_base` will say what is wrong with it."""
        if month not in self.existing:
            return 0
        try:
            return os.stat(self._path(month)).st_size // SIZE
        except OSError:
            return 0

    def _merge(self, window: list[int]) -> None:
        bases = {month: self._base(month) for month in window}
        good = {month: base for month, base in bases.items() if base is not None}
        values, numbers = empty(), np.zeros(0, np.int64)
        if self.number is not None:
            values, numbers = self.pile.of(self.number, window)
        published = [base.values for base in good.values() if base.values is not None]
        rows = ordered(joined([*published, values]), self.pile.words)
        owner = np.full(len(rows), BASE, np.int64)
        owner[len(owner) - len(numbers) :] = numbers
        cells = Cells(rows)
        paint(cells, self.layers, self.stream)
        self._publish(good, rows, owner, cells.owners() == owner)

    def _publish(
        self, bases: dict[int, Base], rows: Rows, owner: Ints, alive: NDArray[np.bool_]
    ) -> None:
        if not bases:
            return
        month, key = months_of(rows["date"]), sort_key(rows)
        fate, months = fates(rows, key, owner, alive), sorted(bases)
        living = np.flatnonzero(alive)
        living = living[np.lexsort((key[living], month[living]))]
        kept, made = owner[living] == BASE, _Made(rows.take(living))
        starts = np.searchsorted(month[living], months).tolist()
        ends = np.searchsorted(month[living], months, side="right").tolist()
        begun, files, writing = [], list[tuple[str, Any]](), []
        failed: dict[str, OSError] = {}
        slices = map(slice, starts, ends)
        for number, counts, which in zip(months, counted(fate, month, months), slices, strict=True):
            month_made, data = self._month(number, bases[number], made, which, counts)
            begun.append((number, month_made, counts, int(kept[which].sum())))
            if month_made.written and self._clear(month_made.path, bases[number], failed):
                files.append((month_made.path, data))
            if len(files) == TOGETHER or number == months[-1]:
                writing.append(self.disk.submit(folder_of_months.publish_all, files))
                files = []
            if self.tallies is not None:
                self.tallies.add(month_made.fingerprint, made.tallies(number))
        for future in writing:
            failed |= future.result()
        for number, made_month, counts, rows_kept in begun:
            error = failed.get(made_month.path)
            if error is not None:
                path = made_month.path
                self.failed[number] = f"{path} cannot be written ({error.strerror or error})"
            else:
                self.done.add(number)
                self.published.append(made_month)
                self.counts += counts
                self.kept += rows_kept

    def _month(
        self, month: int, base: Base, made: _Made, which: slice, counts: Ints
    ) -> tuple[Month, Any]:
        """A month as it will be, and its bytes."""
        zone, sources = self._origin(month, base)
        changes = counts[[Fate.NEW, Fate.UPDATED, Fate.REMOVED]].any()
        data: Any = base.data
        if self.rebuild or changes or zone != base.zone:
            data = made.file(which, zone)
        written = base.data is None or data != base.data
        detail = {"series": self.stream, **made.span(which)}
        path = self._path(month)
        return Month(path, hasher(data).hexdigest(), written, sources, detail), data

    def _clear(self, path: str, base: Base, failed: dict[str, OSError]) -> bool:
        """Set a damaged month aside. False, and noted as failed, when that cannot be done."""
        if base.damaged:
            try:
                aside = folder_of_months.set_aside(path)
            except OSError as error:
                failed[path] = error
                return False
            self.warnings.append(f"{path} could not be read; it was kept as {aside}")
        return True

    def _origin(self, month: int, base: Base) -> tuple[str, tuple[str, ...]]:
        """The zone that a month's times are shown in (its last run file's), and its run files."""
        taken, last = self._taken(month), self.touching[month][-1]
        zone = last.zone or base.zone or taken[-1].zone
        return zone, tuple(layer.path for layer in taken)

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
        values, zone = decode(data, self.pile.words)
        rows = Rows(values, self.pile.words.listed())
        streams = {rows.words["stream"][number] for number in set(rows["stream"].tolist())}
        if streams - {self.stream} or (months_of(rows["date"]) != month).any():
            raise ValueError("it holds rows that are not of its stream and month")
        return Base(values, zone, data)


class _Made:
    """The rows of some months as they will be, made into files.

    They become a table at once, and only when a month of them is written.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._tables: dict[str, Any] = {}
        self._tallies: Rows | None = None

    def file(self, which: slice, zone: str) -> Any:
        """A month's file as a buffer."""
        if zone not in self._tables:
            self._tables[zone] = outer(self._rows, zone)
        return parquet(self._tables[zone].slice(which.start, which.stop - which.start))

    def tallies(self, month: int) -> Rows:
        """A month's tallies."""
        if self._tallies is None:
            self._tallies = tally_of(self._rows)
        return self._tallies.take(np.flatnonzero(self._tallies["month"] == month))

    def span(self, which: slice) -> dict[str, Any]:
        """A month's number of rows, first and last date."""
        days = self._rows["date"][which]
        if not len(days):
            return {"rows": 0}
        first, last = day_text(int(days.min())), day_text(int(days.max()))
        return {"rows": len(days), "first": first, "last": last}


def counted(fate: NDArray[np.int8], month: Ints, months: Sequence[int]) -> Ints:
    """How many rows of each of these months have each fate: a line for each month."""
    first, last = int(month.min(initial=min(months))), int(month.max(initial=max(months)))
    size = (last - first + 1) * len(Fate)
    counts = np.bincount((month - first) * len(Fate) + fate, minlength=size)
    chosen: Ints = counts.reshape(-1, len(Fate))[np.array(months) - first]
    return chosen


def fates(rows: Rows, key: Ints, owner: Ints, alive: NDArray[np.bool_]) -> NDArray[np.int8]:
    """What becomes of each row, given which layer each row is of and which rows live on."""
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
