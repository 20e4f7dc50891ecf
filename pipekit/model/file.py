"""Files as the ledger knows them: by signature and by content, never by name alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from attrs import field, frozen

ABSENT = "absent"  # the fingerprint of a file that is no longer there


class FileStat(NamedTuple):
    """A regular file as one look at the directory saw it.

    `path` is relative to the project's root, with `/`; times are nanoseconds of Unix time. All but
    the path make up the file's *signature*, which stands for its content until it changes.
    """

    path: str
    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @property
    def signature(self) -> tuple[int, int, int, int, int]:
        """Device, inode, size, mtime_ns, ctime_ns."""
        return self[1:]


class ContentState(StrEnum):
    """What a stage did with a content."""

    CONSUMED = "consumed"
    PART = "part"  # taken in part: still pending, `detail` says what is done
    REJECTED = "rejected"  # not tried again until content, settings or plugin version change


@frozen(kw_only=True)
class Consumption:
    """What the ledger remembers of a stage and a file: the content taken, and with what settings.

    `detail` is what the stage's worker chose to remember (JSON), `run` the run's number.
    """

    path: str
    state: ContentState
    fingerprint: str
    settings: str
    version: str
    run: int
    detail: Mapping[str, Any] = field(factory=dict)
    reason: str = ""


@frozen(kw_only=True)
class Published:
    """A file that a stage published: by which run (number and id), and whether it still stands.

    `present` is False for a file that the lifecycle has taken away; `detail` as for Consumption.
    """

    path: str
    fingerprint: str
    run: int
    run_id: str
    present: bool = True
    detail: Mapping[str, Any] = field(factory=dict)


class Why(StrEnum):
    """Why an input is pending."""

    NEW = "new"
    CHANGED = "changed"
    SETTINGS = "changed in settings"
    PART = "unfinished"
    FORCED = "forced"


@frozen
class Input:
    """A pending file: what it looks like, why it is pending, what was known of it before.

    `settings` is the digest under which its consumption will be remembered.
    """

    file: FileStat
    why: Why
    settings: str
    previous: Consumption | None = None

    @property
    def path(self) -> str:
        """Relative to the project's root."""
        return self.file.path


@frozen(kw_only=True)
class Pending:
    """The answer of `ctx.pending(files)`; true when there is something to do.

    `inputs`: to consume now. `waiting`: still being written, left for the next run. `rejected`:
    known to be bad as they stand. `known`: how many were consumed before and have not changed.
    """

    inputs: tuple[Input, ...] = ()
    waiting: tuple[str, ...] = ()
    rejected: tuple[Consumption, ...] = ()
    known: int = 0

    def __bool__(self) -> bool:
        return bool(self.inputs)

    def __len__(self) -> int:
        return len(self.inputs)

    def __iter__(self) -> Iterator[Input]:
        return iter(self.inputs)

    def sentence(self, where: str) -> str:
        """For example `3 new and 1 changed files in data/raw`, or `nothing new in data/raw`."""
        counts = [(sum(i.why is why for i in self.inputs), why.value) for why in Why]
        parts = [f"{count} {word}" for count, word in counts if count]
        if not parts:
            return f"nothing new in {where}"
        return f"{' and '.join(parts)} file{'s' if len(self.inputs) != 1 else ''} in {where}"

    def __add__(self, other: Pending) -> Pending:
        return Pending(
            inputs=self.inputs + other.inputs,
            waiting=self.waiting + other.waiting,
            rejected=self.rejected + other.rejected,
            known=self.known + other.known,
        )
