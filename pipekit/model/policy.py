"""What lifecycle policies see, and what they may propose for a file."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from pipekit.model.file import FileStat


class ActionKind(StrEnum):
    """What to do with a file. If policies disagree, keep beats archive beats delete."""

    KEEP = "keep"
    ARCHIVE = "archive"
    DELETE = "delete"


class FileAction(NamedTuple):
    """A proposal for one file. `target`: where to archive it. Paths are relative to the root."""

    kind: ActionKind
    path: str
    reason: str
    target: str | None = None


class LifecycleView(Protocol):
    """Read-only access of a policy to the ledger and the project's files."""

    @property
    def now(self) -> float:
        """A Unix time that five runs have confirmed; 0 as long as there are fewer."""

    def files(self, *patterns: str) -> Sequence[FileStat]:
        """Regular files that match any of the patterns; see RunContext.files."""

    def why_not_consumed(self, file: FileStat, chain: Sequence[str]) -> str | None:
        """Why the content of a file is not fully consumed yet, as a clause; None if it is.

        The first stage of `chain` must have consumed the file as it is now, and each next stage all
        files that the one before published from it.
        """

    def age(self, file: FileStat) -> float:
        """Seconds since the file last changed, as far as five runs have confirmed that time."""

    def leave(self, file: FileStat, reason: str) -> None:
        """Say why nothing is proposed for a file, as `younger than 24h`.

        `pipekit lifecycle plan` counts the reasons if no file may go.
        """

    def data_age(self, file: FileStat) -> float | None:
        """Seconds between the end of a published file's data and that of its series, if known."""
