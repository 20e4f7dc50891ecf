"""What plan and worker tell each other: the request, and what is remembered of a file.

Both sides import it, and what it imports: `settings`, `layout`, `dialects`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

import attrs

from pipekit_translator.dialects import FileFormat
from pipekit_translator.layout import Days
from pipekit_translator.settings import Kernels, Quality

Role = Literal["new", "stale", "helper"]


@attrs.frozen(kw_only=True)
class FileMemory:
    """What the ledger keeps of a consumed file for the next plan, as its `detail`.

    `reading`: digest of the format it was read in. `source`: the glob that found it. `prefix` bytes
    and `lines` newlines of it have been read. `folds`: by instrument, the last local time in a
    doubled hour and whether that was its second pass (0 or 1). `last`: by instrument, the time of
    the latest tick. `days`: those it fed. `late`: processed files that its rows came too late for.
    `quarantined` rows were set aside, `unread` bytes are left.
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

    @classmethod
    def of(cls, detail: Mapping[str, Any]) -> Self:
        """From the `detail` of an earlier run."""
        return cls(**{name: detail[name] for name in _REMEMBERED if name in detail})

    def detail(self) -> dict[str, object]:
        """For the report; what is zero or empty is left out."""
        return {name: value for name in _REMEMBERED if (value := getattr(self, name))}


_REMEMBERED = [field.name for field in attrs.fields(FileMemory)]


@attrs.frozen(kw_only=True)
class FileJob:
    """A file to read.

    `format`: its place in `Request.formats`. `source`: the glob that found it. `growing`: it may be
    written to meanwhile. `role`: `new`; `stale` (its settings changed: the days it fed are
    rebuilt); `helper` (read again for days of others that are rebuilt). `known`: the fingerprint of
    the content that was consumed before, and `before` what is remembered of it. `resume`: go on
    behind that content, if the file still begins with it.
    """

    path: str
    format: int
    source: str = ""
    growing: bool = False
    priority: int = 0
    role: Role = "new"
    known: str = ""
    before: FileMemory = attrs.field(factory=FileMemory)
    resume: bool = False


@attrs.frozen(kw_only=True)
class Request:
    """One run of the worker. Paths are relative to the project's root, its working directory.

    `cache`: where compiled kernels go if nowhere else. `memory` and `size` (of all files) in bytes.
    `timezone`: the exchange's. `final_after`: seconds. `rebuild`: days to make anew from the files;
    `left`: days that stay as they are. `removed`: processed files that the lifecycle has removed.
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
    formats: list[FileFormat]
    files: list[FileJob]
    size: int
    rebuild: Days = attrs.field(factory=dict)
    left: Days = attrs.field(factory=dict)
    removed: list[str] = attrs.field(factory=list)
    quality: Quality
