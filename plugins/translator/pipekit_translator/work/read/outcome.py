"""The files that were read, until they are consumed; in little memory, as there may be 100,000."""

from __future__ import annotations

import datetime as dt
import marshal
import os
import re
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Self

import attrs
import numpy as np

from pipekit.worker import Signature
from pipekit_translator import layout
from pipekit_translator.layout import Days
from pipekit_translator.request import FileGroup, FileJob, FileMemory, Role
from pipekit_translator.work.parse.lines import BadRow
from pipekit_translator.work.read.record import RawFile
from pipekit_translator.work.table import Ints

_STAMP = re.compile(r"(?<!\d)(\d{8}_\d{6})(?!\d)")  # of an export


Keys = dict[tuple[str, ...], int]  # the different sets of keys of `detail`, numbered


class Outcome(NamedTuple):
    """What a file is reported with once everything that it feeds is published.

    `rows`: how many were read; `footer`: lines after the last; `empty`: none, ever. `detail`: for
    the next plan. `repeated`: whether this content was consumed before, so that its bad rows were
    reported. `late`: see FileRows. `aside`: see RawFile.
    """

    signature: Signature
    fingerprint: str
    bad: list[BadRow]
    rows: int
    footer: int
    empty: bool
    complete: bool
    repeated: bool
    late: Mapping[str, list[int]]
    aside: dict[str, list[int]]
    detail: Mapping[str, Any]

    @classmethod
    def of(cls, raw: RawFile) -> Self:
        """The outcome of a file that is not rejected."""
        return cls(
            signature=raw.signature,
            fingerprint=raw.fingerprint,
            bad=raw.bad,
            rows=raw.total,
            footer=raw.footer,
            empty=raw.is_empty,
            complete=raw.complete,
            repeated=raw.repeated,
            late=raw.rows.late,
            aside=raw.aside,
            detail=raw.memory().detail(),
        )

    def counts(self) -> dict[str, int]:
        """What it adds to the metrics."""
        counts = {"files": 1, "rows": self.rows, "bad_rows": len(self.bad)}
        footer = {"footer_lines": self.footer} if self.footer else {}
        return {**counts, "empty_files": int(self.empty), **footer}

    def packed(self, keys: Keys) -> bytes:
        """As some 200 bytes, a tenth of what the objects take; `keys`: see `unpacked`."""
        signature, digest = tuple(self.signature), bytes.fromhex(self.fingerprint)
        number = keys.setdefault(tuple(self.detail), len(keys))
        detail = (number, *self.detail.values())
        plain: list[Any] = [signature, digest, [tuple(row) for row in self.bad], *self[3:-1]]
        return marshal.dumps([*plain, detail])

    @classmethod
    def unpacked(cls, data: bytes, keys: Keys) -> Self:
        """What `packed` has made these bytes of, in the same process with the same `keys`."""
        signature, digest, bad, *rest, detail = marshal.loads(data)  # noqa: S302  # see above
        names = next(names for names, number in keys.items() if number == detail[0])
        made = dict(zip(names, detail[1:], strict=True))
        rows = [BadRow(*row) for row in bad]
        return cls(*(Signature(*signature), digest.hex(), rows, *rest, made))


class Files:
    """The files that were read, by number; after `sort`, the number is the rank (see `Ranked`)."""

    def __init__(self, groups: Sequence[FileGroup]) -> None:
        self.paths: list[str] = []
        self.known: dict[int, FileJob] = {}  # those with another role than `new`
        self._groups = groups
        self._shared = [
            FileMemory(reading=group.format.digest, source=group.source).detail()
            for group in groups
        ]
        self._of = array("i")  # the group of each file
        self._packed: list[bytes] = []
        self._keys: Keys = {}
        # of each file: what decides its rank, before its name does
        self._priority, self._exported, self._changed = array("q"), array("d"), array("q")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Outcome:
        found = Outcome.unpacked(self._packed[number], self._keys)
        return found._replace(detail={**self._shared[self._of[number]], **found.detail})

    def detail(self, number: int, left: Days) -> Mapping[str, object]:
        """The `detail` of a file in the ledger; `left`: days that are not rebuilt."""
        found, job = self[number].detail, self.known.get(number)
        if job is None or job.role != "stale":
            return found
        memory = FileMemory.of(found)
        fed = layout.both(job.before.days, left)  # also by content that it has no more
        return attrs.evolve(memory, days=layout.union([fed, memory.days])).detail()

    def role(self, number: int) -> Role:
        """Why a file was read."""
        return self.known[number].role if number in self.known else "new"

    def group(self, number: int) -> FileGroup:
        """What a file shares with others."""
        return self._groups[self._of[number]]

    def add(self, raw: RawFile) -> int:
        """Add a file; returns its number."""
        outcome, shared = Outcome.of(raw), self._shared[raw.job.group]
        rest = {name: value for name, value in outcome.detail.items() if name not in shared}
        if raw.job.role != "new":
            self.known[len(self)] = raw.job
        self.paths.append(raw.path)
        self._of.append(raw.job.group)
        self._packed.append(outcome._replace(detail=rest).packed(self._keys))
        self._priority.append(raw.group.priority)
        self._exported.append(_exported(raw))
        self._changed.append(raw.signature.mtime_ns)
        return len(self) - 1

    def sort(self) -> Ints:
        """Sort the files by rank; returns the new number of each.

        Of rows with the same time, those of the file with the highest rank are kept. It depends on
        the priority, then the time stamp in the file's name, else its modification time, then its
        name.
        """
        named = sorted(range(len(self)), key=self.paths.__getitem__)
        keys = (np.array(each)[named] for each in (self._changed, self._exported, self._priority))
        order = np.array(named, np.int64)[np.lexsort(tuple(keys))]
        ranks = np.empty(len(self), np.int64)
        ranks[order] = np.arange(len(self))
        self.paths = [self.paths[number] for number in order]
        self._packed = [self._packed[number] for number in order]
        self._of = array("i", np.array(self._of)[order].tobytes())
        self.known = {int(ranks[number]): job for number, job in self.known.items()}
        self._priority, self._exported, self._changed = array("q"), array("d"), array("q")
        return ranks


def _exported(raw: RawFile) -> float:
    """When a file was exported: Unix time."""
    if found := _STAMP.search(os.path.basename(raw.path)):
        with suppress(ValueError):
            stamp = dt.datetime.strptime(found[1], "%Y%m%d_%H%M%S").replace(tzinfo=dt.UTC)
            return stamp.timestamp()
    return raw.signature.mtime_ns / 1e9
