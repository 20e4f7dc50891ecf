"""The files that were read, until they are consumed; in little memory, as there may be 100,000."""

from __future__ import annotations

import datetime as dt
import marshal
import os
import re
from array import array
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Self

import numpy as np

from pipekit.worker import Signature
from pipekit_translator.request import FileJob
from pipekit_translator.work.parse.lines import BadRow
from pipekit_translator.work.read.record import RawFile
from pipekit_translator.work.table import Ints

_STAMP = re.compile(r"(?<!\d)(\d{8}_\d{6})(?!\d)")  # of an export


class Outcome(NamedTuple):
    """What a file is reported with once everything that it feeds is published.

    `rows`: how many were read; `footer`: lines after the last; `empty`: none, ever. `detail`: for
    the next plan. `repeated`: whether this content was consumed before, so that its bad rows were
    reported. `late`: see FileRows.
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
    detail: Mapping[str, object]

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
            detail=raw.memory().detail(),
        )

    def packed(self) -> bytes:
        """As some 250 bytes, a tenth of what the objects take."""
        signature, digest = tuple(self.signature), bytes.fromhex(self.fingerprint)
        plain: list[Any] = [signature, digest, [tuple(row) for row in self.bad], *self[3:]]
        return marshal.dumps(plain)

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        """What `packed` has made these bytes of, in the same process."""
        signature, digest, bad, *rest = marshal.loads(data)  # noqa: S302  # see above
        return cls(Signature(*signature), digest.hex(), [BadRow(*row) for row in bad], *rest)


class Files:
    """The files that were read, by number; after `sort`, the number is the rank (see `Ranked`)."""

    def __init__(self) -> None:
        self.jobs: list[FileJob] = []
        self._packed: list[bytes] = []
        # of each file: what decides its rank, before its name does
        self._priority, self._exported, self._changed = array("q"), array("d"), array("q")

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, number: int) -> Outcome:
        return Outcome.unpacked(self._packed[number])

    def add(self, raw: RawFile) -> int:
        """Add a file; returns its number."""
        self.jobs.append(raw.job)
        self._packed.append(Outcome.of(raw).packed())
        self._priority.append(raw.group.priority)
        self._exported.append(_exported(raw))
        self._changed.append(raw.signature.mtime_ns)
        return len(self.jobs) - 1

    def sort(self) -> Ints:
        """Sort the files by rank; returns the new number of each.

        Of rows with the same time, those of the file with the highest rank are kept. It depends on
        the priority, then the time stamp in the file's name, else its modification time, then its
        name.
        """
        named = sorted(range(len(self)), key=lambda number: self.jobs[number].path)
        keys = (np.array(each)[named] for each in (self._changed, self._exported, self._priority))
        order = np.array(named, np.int64)[np.lexsort(tuple(keys))]
        self.jobs = [self.jobs[number] for number in order]
        self._packed = [self._packed[number] for number in order]
        ranks = np.empty(len(self), np.int64)
        ranks[order] = np.arange(len(self))
        return ranks


def _exported(raw: RawFile) -> float:
    """When a file was exported: Unix time."""
    if found := _STAMP.search(os.path.basename(raw.path)):
        with suppress(ValueError):
            stamp = dt.datetime.strptime(found[1], "%Y%m%d_%H%M%S").replace(tzinfo=dt.UTC)
            return stamp.timestamp()
    return raw.signature.mtime_ns / 1e9
