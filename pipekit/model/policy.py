"""Lifecycle policies: they propose what may happen to a file; they never do it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from attrs import frozen

from pipekit.model.file import FileStat


class ActionKind(StrEnum):
    """What may happen to a file; keep beats archive beats delete."""

    KEEP = "keep"
    ARCHIVE = "archive"
    DELETE = "delete"


@frozen(kw_only=True)
class FileAction:
    """A proposal for one file: `path` and `target` (archive only) relative to the root."""

    kind: ActionKind
    path: str
    reason: str
    target: str | None = None


class LifecycleView(Protocol):
    """The ledger and the files as a policy may see them: read-only."""

    @property
    def now(self) -> float:
        """Unix time of the run's start."""

    def files(self, *patterns: str) -> Sequence[FileStat]:
        """Regular files below the root that match; `**` never enters dot folders."""

    def why_not_consumed(self, file: FileStat, chain: Sequence[str]) -> str | None:
        """None when the chain of stages has consumed this very content and all that came of it.

        Otherwise the reason why not, as a clause.
        """

    def age(self, file: FileStat) -> float:
        """Seconds since the file last changed."""

    def data_age(self, file: FileStat) -> float | None:
        """Seconds that a published file's data lie behind the newest of its series, if known."""
