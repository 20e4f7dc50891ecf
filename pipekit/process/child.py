"""What the supervisor needs of a started command, whatever the system.

Linux: guarded.py; macOS: posix.py; Windows: windows.py.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol

from pipekit.model.command import ProcessSnapshot
from pipekit.process.tree import Member, Reading


class Force(Enum):
    """How hard to ask a tree to end."""

    POLITE = "SIGTERM"
    HARD = "SIGKILL"


class Exit(NamedTuple):
    """The leader's end.

    `returncode` is None where it was lost; `cpu` in seconds, with the children it waited for;
    `peak_rss` in bytes, or None where it cannot be told.
    """

    returncode: int | None
    cpu: float | None
    peak_rss: int | None


class Child(Protocol):
    """A running command: a leader, the tree below it, and up to two streams that it writes."""

    pid: int
    capacity: int
    """Bytes that a stream holds before the child has to wait."""
    lost: bool
    """Whether whoever could have told the leader's status is gone: what is left is to be ended."""

    @property
    def told_empty(self) -> bool | None:
        """Whether somebody who knows said that the tree is empty; None: it is to be looked at."""

    def streams(self) -> list[str]:
        """The streams that have not ended: `stdout`, `stderr`."""

    def wait(self, seconds: float | None, *, output: bool = True) -> list[str]:
        """Wait until there is output, the leader has exited, or a cancel was asked for.

        Returns the streams with something to read. Without `output` these wake nobody.
        """

    def read(self, stream: str, most: int) -> bytes | bytearray | memoryview | None:
        """What is there, at most so many bytes; it is valid until the next read.

        None when there is nothing now; empty at the end of the stream.
        """

    def exited(self) -> bool:
        """Whether the leader has exited. It is not reaped: its number stays taken."""

    def members(self) -> list[Member]:
        """The live processes of the tree without the leader. Raises OSError: cannot be told."""

    def readings(self) -> list[Reading]:
        """What the leader and its live descendants have used."""

    def snapshot(self) -> list[ProcessSnapshot]:
        """What the leader and its live descendants are doing now, the leader first."""

    def send(self, force: Force, members: list[Member]) -> bool:
        """Ask or force the leader and these members to end. One that is gone is no error.

        Returns whether the leader had not exited by then.
        """

    def reap(self) -> Exit | None:
        """The leader's status, after which its number may be used again; None while it lives."""

    def close(self) -> None:
        """Give all descriptors back."""
