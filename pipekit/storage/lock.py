"""The run lock: one run at a time in a project; knows nothing of what a run does.

The lock is the operating system's, on a descriptor of our own. It is released by closing alone: an
explicit unlock would free it for every process that holds a duplicate of the descriptor.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from pipekit.errors import LockHeldError, StorageError

_TRIES = 4
_BETWEEN_TRIES = 0.02  # seconds


class Holder(NamedTuple):
    """Who holds the lock: process id, its start (an opaque number), run id, host name."""

    pid: int
    start: int
    run_id: str
    host: str

    @property
    def alive(self) -> bool:
        """Whether that very process still exists; True where that cannot be told from here."""
        if self.host != _host():
            return True
        return self.start == process_start(self.pid) != 0


class RunLock:
    """A context manager that holds the project's lock; `descriptor` may be handed to guardians.

    Entering raises LockHeldError when another run holds it, StorageError where locks do not work.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        self.path = folder / "lock"
        self._holder_path = folder / "lock.json"
        self._run_id = run_id
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The descriptor that holds the lock. Only while it is held."""
        if self._descriptor is None:
            raise StorageError("the run lock is not held")
        return self._descriptor

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = _open(self.path)
        except OSError as error:
            raise StorageError(
                f"cannot open the run lock {self.path}: {error.strerror}; check the folder's rights"
            ) from error
        try:
            if not _try_lock_patiently(descriptor):
                raise LockHeldError(_held_by(self.holder()))
            _check_that_locks_hold(self.path)
            self._write_holder()
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> Holder | None:
        """Who wrote itself down as the holder last; it may be gone."""
        try:
            facts = json.loads(self._holder_path.read_text("utf-8"))
            return Holder(
                pid=int(facts["pid"]),
                start=int(facts["start"]),
                run_id=str(facts["run_id"]),
                host=str(facts["host"]),
            )
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def held(self) -> bool:
        """Whether anybody holds the lock now. Takes it for an instant to find out."""
        try:
            descriptor = _open(self.path)
        except OSError:
            return False
        try:
            return not _try_lock(descriptor)
        finally:
            os.close(descriptor)

    def _write_holder(self) -> None:
        pid = os.getpid()
        holder = Holder(pid=pid, start=process_start(pid), run_id=self._run_id, host=_host())
        try:
            # Over what is there, and cut then: to empty a file first makes some disks wait.
            descriptor = _open(self._holder_path)
            try:
                os.ftruncate(
                    descriptor, os.write(descriptor, json.dumps(holder._asdict()).encode())
                )
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StorageError(f"cannot write {self._holder_path}: {error.strerror}") from error


def _held_by(holder: Holder | None) -> str:
    if holder is None:
        return "another run holds the lock"
    if not holder.alive:
        return f"ending what run {holder.run_id} left (its process {holder.pid} is gone)"
    return f"run {holder.run_id} holds the lock (process {holder.pid} on {holder.host})"


def _host() -> str:
    if sys.platform != "win32":
        return os.uname().nodename
    import platform  # 2 ms

    return platform.node()


def process_start(pid: int) -> int:
    """A number that tells a process from a later one with its id; 0 when there is none.

    Linux: the start time in clock ticks since boot (proc(5), field 22 of stat).
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return 0 if fields[0] in (b"Z", b"X") else int(fields[19])
    except (OSError, IndexError, ValueError):
        return _process_start_elsewhere(pid)


def _process_start_elsewhere(pid: int) -> int:
    if sys.platform == "linux":
        return 0
    import psutil

    try:
        return int(psutil.Process(pid).create_time() * 1000)
    except psutil.Error:
        return 0


def _try_lock_patiently(descriptor: int) -> bool:
    """Whether the lock could be had: a look at it (`held`) takes it for an instant."""
    for _ in range(_TRIES):
        if _try_lock(descriptor):
            return True
        time.sleep(_BETWEEN_TRIES)
    return _try_lock(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)


def _check_that_locks_hold(path: Path) -> None:
    """A second descriptor must not get the lock as well (some network file systems let it)."""
    second = _open(path)
    try:
        if _try_lock(second):
            raise StorageError(
                f"locks do not hold on the file system of {path}: two runs could overlap; "
                'move the state folder to a local disk (`[paths] state = "..."`)'
            )
    finally:
        os.close(second)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EDEADLK):
                return False
            raise StorageError(f"locks do not work here: {error.strerror}") from error
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise StorageError(
                f"locks do not work on this file system: {error.strerror}; move the state folder "
                'to a local disk (`[paths] state = "..."`)'
            ) from error
        return True
