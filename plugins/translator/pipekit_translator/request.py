"""The data that plan and worker share: the request, and what the ledger keeps about a file.

Both sides import it, and what it imports: `settings`, `layout`, `dialects`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

import attrs

from pipekit_translator import layout
from pipekit_translator.dialects import FileFormat
from pipekit_translator.layout import Days
from pipekit_translator.settings import Kernels, Quality

Role = Literal["new", "stale", "helper"]


@attrs.frozen(kw_only=True)
class FileMemory:
    """What the ledger keeps about a consumed file for the next plan, as its `detail`.

    `reading`: digest of the format it was read in. `source`: the glob that found it. `prefix`,
    `lines`: number of bytes and newlines read. `folds`: by instrument, the last local time in a
    repeated hour and whether that was its second pass (0 or 1). `last`: by instrument, the time of
    the latest tick. `contracts`: by key, the contract of its rows, if it is known. `days`: those
    that its rows went into. `late`: processed files that had been removed when its rows arrived.
    `quarantined`: number of rows; `unread`: number of bytes.
    """

    reading: str = ""
    source: str = ""
    prefix: int = 0
    lines: int = 0
    days: Days = attrs.field(factory=dict)
    quarantined: int = 0
    empty: bool = False
    late: list[str] = attrs.field(factory=list)
    folds: dict[str, list[int]] = attrs.field(factory=dict)
    last: dict[str, int] = attrs.field(factory=dict)
    unread: int = 0
    contracts: dict[str, str] = attrs.field(factory=dict)

    @classmethod
    def of(cls, detail: Mapping[str, Any]) -> Self:
        """Read the `detail` of an earlier run."""
        return cls(**{name: detail[name] for name in _REMEMBERED if name in detail})

    def detail(self) -> dict[str, object]:
        """The `detail` for the report, without zero or empty values.

        `span`, the first and the last day, is for people.
        """
        found = {name: value for name in _REMEMBERED if (value := getattr(self, name))}
        span = layout.span(self.days)
        return {**found, "span": span} if span else found


_REMEMBERED = [field.name for field in attrs.fields(FileMemory)]


NOTHING = FileMemory()
"""Of a file that was not consumed before: one object for all of them."""


@attrs.frozen(kw_only=True)
class FileGroup:
    """What many files share.

    `source`: the glob that found them. `growing`: they may be written to while they are read.
    `new`: paths of files to read of which nothing is known; most files, so they have no FileJob.
    """

    format: FileFormat
    source: str = ""
    growing: bool = False
    priority: int = 0
    new: list[str] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class FileJob:
    """A file to read.

    `group`: an index into `Request.groups`. `role`: `new`; `stale` (its settings changed: the days
    it fed are rebuilt); `helper` (unchanged, but with rows in days that are rebuilt). `known`: the
    fingerprint of the content that was consumed before, `before` what the ledger keeps about it.
    `resume`: continue after that content, if the file still starts with it.
    """

    path: str
    group: int
    role: Role = "new"
    known: str = ""
    before: FileMemory = NOTHING
    resume: bool = False


@attrs.frozen
class Composed:
    """Parts of a key that is put together from contracts by a rule (see `contracts`)."""

    rule: str
    parts: list[str] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class Request:
    """One run of the worker. Paths are relative to the project's root, its working directory.

    `files`: those to read, apart from the new ones of the groups; see `jobs` and `count`.
    `cache`: fallback folder for compiled kernels. `memory` and `size` (of all files) in bytes.
    `timezone`: the exchange's. `final_after`: seconds. `partial_at`: see Settings. `rebuild`: days
    to rebuild from the files; `left`: days to leave alone. `removed`: processed files that the
    lifecycle has removed; `lost`: those missing otherwise; `altered`: those that are not as they
    were published; `unknown`: those not in the ledger. `forgotten`: raw files to forget, with the
    days they fed. `contracts`: by key, the contract that it has so far; `contracts_folder`: of
    their rows; `compose`: by key, parts to put together from there although nothing new is read.
    """

    processed: str
    quarantine: str
    quality_file: str
    cache: str
    workers: int
    memory: int
    kernels: Kernels
    timezone: str
    final_after: float
    groups: list[FileGroup]
    files: list[FileJob]
    size: int
    rebuild: Days = attrs.field(factory=dict)
    left: Days = attrs.field(factory=dict)
    removed: list[str] = attrs.field(factory=list)
    lost: list[str] = attrs.field(factory=list)
    altered: list[str] = attrs.field(factory=list)
    unknown: list[str] = attrs.field(factory=list)
    forgotten: dict[str, Days] = attrs.field(factory=dict)
    partial_at: float = 1.0
    quality: Quality
    contracts_folder: str = ""
    contracts: dict[str, str] = attrs.field(factory=dict)
    compose: dict[str, Composed] = attrs.field(factory=dict)

    def jobs(self) -> Iterator[FileJob]:
        """All files to read."""
        for at, group in enumerate(self.groups):
            for path in group.new:
                yield FileJob(path=path, group=at)
        yield from self.files

    @property
    def count(self) -> int:
        """How many files there are to read."""
        return len(self.files) + sum(len(group.new) for group in self.groups)
