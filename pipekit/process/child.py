"""The interface between the supervisor and the back end of an operating system.

Implemented by linux/child.py, macos/child.py and windows/child.py.
"""

from __future__ import annotations

import sys
from enum import Enum
from typing import NamedTuple, Protocol

from pipekit.model.command import ProcessSnapshot


class Force(Enum):
    """How hard to end a tree; the value is the signal's name in results."""

    POLITE = "CTRL_BREAK" if sys.platform == "win32" else "SIGTERM"
    HARD = "TerminateJobObject" if sys.platform == "win32" else "SIGKILL"


class Member(NamedTuple):
    """A live process of a tree. `started` tells it from a later process with the same pid."""

    pid: int
    group: int
    started: float


class Sent(NamedTuple):
    """What became of a signal. `leader`: whether the leader was still running.

    `delivered`: False if it could not be sent to anybody.
    """

    leader: bool
    delivered: bool = True


class ProcessUsage(NamedTuple):
    """What one live process has used since its start.

    `cpu`: seconds of its own; `waited`: CPU seconds of the children it waited for; `io`: a count
    that grows with each byte read or written; `rss`, `peak_rss`: resident memory now and at its
    peak, in bytes.
    """

    pid: int
    started: float
    cpu: float
    waited: float
    io: int
    rss: int
    peak_rss: int


class Exit(NamedTuple):
    """How the leader ended.

    `returncode`: None if it was lost; `cpu`: seconds, with the children it waited for; `peak_rss`:
    bytes, or None if unknown.
    """

    returncode: int | None
    cpu: float | None
    peak_rss: int | None


LOST_EXIT = Exit(returncode=None, cpu=None, peak_rss=None)


class Child(Protocol):
    """A running command: a leader, the tree below it, and its output streams."""

    pid: int
    capacity: int
    """Bytes that a stream can hold before the child blocks."""
    lost: bool
    """The leader's status is lost; the remaining processes have to be killed."""

    @property
    def tree_empty(self) -> bool | None:
        """Whether the tree is known to be empty; None: unknown, see `members`."""

    def streams(self) -> list[str]:
        """The streams that have not ended: `stdout`, `stderr`."""

    def wait(self, seconds: float | None, *, output: bool = True) -> list[str]:
        """Wait for output, the leader's exit or a cancellation; the streams with output.

        With `output=False`, output does not end the wait.
        """

    def read(self, stream: str) -> bytes | None:
        """Some bytes of a stream: None if there are none now, empty at its end."""

    def exited(self) -> bool:
        """Whether the leader has exited. It is not reaped, so its pid stays taken."""

    def members(self) -> list[Member]:
        """The live processes of the tree without the leader. Raises OSError if unknown."""

    def usage(self) -> list[ProcessUsage]:
        """What the leader and its live descendants have used."""

    def network(self) -> dict[int, int]:
        """For each network connection of the tree a number that grows with what it has moved.

        Empty where the system does not tell. Raises OSError if it cannot tell now.
        """

    def snapshot(self) -> list[ProcessSnapshot]:
        """What the leader and its live descendants are doing now, the leader first."""

    def send(self, force: Force, members: list[Member]) -> Sent:
        """End the leader and these members."""

    def reap(self) -> Exit | None:
        """The leader's status, after which its pid may be reused; None while it runs."""

    def close(self) -> None:
        """Close all descriptors."""
