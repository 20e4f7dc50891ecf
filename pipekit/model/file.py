"""Files, and what the ledger records about them: by path and signature, never by path alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from attrs import frozen

from pipekit.worker import Signature


class FileStat(NamedTuple):
    """A regular file as found in a folder.

    `path`: relative to the project's root, with `/`. `size`: bytes. Times: Unix time in
    nanoseconds. Everything but the path is the file's *signature*: while it stays the same, the
    content is taken to be the same.
    """

    path: str
    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @property
    def signature(self) -> Signature:
        """Everything but the path."""
        return Signature(*self[1:])


class ContentState(StrEnum):
    """What a stage did with a file's content."""

    CONSUMED = "consumed"
    PART = "part"  # consumed in part: still pending, `detail` says how far
    REJECTED = "rejected"  # not retried until content, settings or plugin version change


class Consumption(NamedTuple):
    """The ledger's record of a file that a stage consumed or rejected.

    `settings_digest`: of the settings it was consumed with. `version`: of the plugin.
    `detail`: whatever the stage's worker chose to remember (JSON).
    """

    path: str
    state: ContentState
    fingerprint: str
    settings_digest: str
    version: str
    run_number: int
    detail: Mapping[str, Any] = MappingProxyType({})
    reason: str = ""


class Published(NamedTuple):
    """A file that a stage published, and the run that wrote it.

    `present` is False for a file that the lifecycle has removed. `detail`: whatever the stage's
    worker chose to remember (JSON).
    """

    path: str
    fingerprint: str
    run_number: int
    run_id: str
    present: bool = True
    detail: Mapping[str, Any] = MappingProxyType({})


class Inspection(NamedTuple):
    """What has become of what a stage has published: the answer of `ctx.inspect(*patterns)`.

    `missing`: those that are gone. `removed`: those that the lifecycle has removed. `altered`:
    those that are there, but whose content is not what the stage published. `unknown`: other files
    that are there.
    """

    missing: tuple[Published, ...] = ()
    removed: tuple[Published, ...] = ()
    altered: tuple[Published, ...] = ()
    unknown: tuple[FileStat, ...] = ()


class Why(StrEnum):
    """Why an input is pending."""

    NEW = "new"
    CHANGED = "changed"
    SETTINGS = "setting changed"
    VERSION = "plugin changed"  # only for a rejected file: another version may be able to read it
    PART = "unfinished"
    FORCED = "forced"


_FRESH = (Why.NEW, Why.CHANGED, Why.PART)
_AGAIN = {
    Why.SETTINGS: "because a setting changed",
    Why.VERSION: "because the plugin changed",
    Why.FORCED: "as asked",
}


def _files(count: int, word: str = "") -> str:
    return f"{count} {f'{word} ' if word else ''}file{'' if count == 1 else 's'}"


class Input(NamedTuple):
    """A pending file, why it is pending, and what the ledger knew about it before.

    `settings_digest`: of the settings with which it will be recorded as consumed.
    """

    file: FileStat
    why: Why
    settings_digest: str
    previous: Consumption | None = None

    @property
    def path(self) -> str:
        """Relative to the project's root."""
        return self.file.path


@frozen(kw_only=True)
class Pending:
    """The answer of `ctx.pending(files)`; true when there is something to do.

    `inputs`: files to consume now. `waiting`: paths of files that are still being written; they are
    left for the next run. `rejected`: files that were rejected before and have not changed.
    `known`: how many were consumed before and have not changed.
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
        """For example `3 new files and 1 changed in data/raw`, or `nothing new in data/raw`."""
        counts = Counter(item.why for item in self.inputs)
        fresh = [(counts[why], str(why)) for why in _FRESH if counts[why]]
        again = [(counts[why], reason) for why, reason in _AGAIN.items() if counts[why]]
        if fresh:
            (count, word), *others = fresh
            first = [_files(count, word), *(f"{n} {other}" for n, other in others)]
            parts = [f"{' and '.join(first)} in {where}"]
        elif again:
            (count, reason), *again = again
            parts = [f"{_files(count)} in {where} again {reason}"]
        elif self.waiting:
            return f"{_files(len(self.waiting))} in {where} still being written"
        else:
            return f"nothing new in {where}"
        return ", ".join([*parts, *(f"{n} again {reason}" for n, reason in again)])

    def __add__(self, other: Pending) -> Pending:
        return Pending(
            inputs=self.inputs + other.inputs,
            waiting=self.waiting + other.waiting,
            rejected=self.rejected + other.rejected,
            known=self.known + other.known,
        )
