"""Who holds the run lock, and whether that process still exists."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from pipekit.storage.small_file import LATEST

if sys.platform == "win32":
    from pipekit.storage.windows_process import computer_name, started_at


class Holder(NamedTuple):
    """Who took the lock last.

    `start`: see `process_start`. `since`: Unix time. `run`: the run's number, 0 before it has one.
    `boot`: of the system, since process ids start anew with it. `inode`: of the lock file.
    `exit_code`: of the run, once it has ended. `run_id`: empty if it is not known.
    """

    pid: int
    start: int
    run_id: str
    host: str
    since: float = 0.0
    run: int = 0
    boot: str = ""
    inode: int = 0
    exit_code: int | None = None

    @property
    def valid(self) -> bool:
        """Whether each value is of its type, in a record that was read."""
        texts = (self.run_id, self.host, self.boot)
        numbers = (self.pid, self.start, self.run, self.inode)
        return (
            all(isinstance(text, str) for text in texts)
            and all(type(number) is int and number >= 0 for number in numbers)
            and isinstance(self.since, int | float)
            and 0 <= self.since < LATEST
            and (self.exit_code is None or type(self.exit_code) is int)
        )

    @property
    def local(self) -> bool:
        """Whether it is a process of this machine."""
        return self.host == host_name()

    @property
    def alive(self) -> bool:
        """Whether that process still exists; True if it cannot be told from here."""
        if self.exit_code is not None:
            return False
        if not self.local:
            return True
        return self.boot in ("", boot_id()) and self.start == process_start(self.pid) != 0

    def __str__(self) -> str:
        run = f"run {self.run}" if self.run else f"run {self.run_id}"
        return f"{run}, process {self.pid}{'' if self.local else f' on {self.host}'}"


def boot_id() -> str:
    """A text that tells one start of the system from the next; empty if the system has none."""
    if sys.platform != "linux":
        return ""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def host_name() -> str:
    """The name of this machine."""
    if sys.platform == "win32":
        return computer_name()
    return os.uname().nodename


def process_start(pid: int) -> int:
    """A number that tells a process from a later one with the same id; 0 if there is none.

    On Linux it is the start time in clock ticks since boot (proc(5), field 22 of stat), on Windows
    in 100 ns since 1601, elsewhere in milliseconds of Unix time.
    """
    if sys.platform == "linux":
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            return 0 if fields[0] in (b"Z", b"X") else int(fields[19])
        except (OSError, IndexError, ValueError):
            return 0
    if sys.platform == "win32":
        return started_at(pid)
    import psutil  # neither Linux nor Windows needs it

    try:
        return int(psutil.Process(pid).create_time() * 1000)
    except psutil.Error:
        return 0
