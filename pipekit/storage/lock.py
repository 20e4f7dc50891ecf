"""The run lock: only one run at a time in a project.

It is a lock of the operating system on an open file. It is released only by closing the file: an
explicit unlock would release it also for the guardians that hold a duplicate of the descriptor.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import NamedTuple, Self

from pipekit.errors import LockHeldError, StorageError
from pipekit.storage.modes import why_denied
from pipekit.worker._files import PRIVATE, make_folder, open_own

_TRIES = 5
_BETWEEN_TRIES = 0.02  # seconds
_MAX_HOLDER_BYTES = 4096  # of lock.json; pipekit writes fewer


class Holder(NamedTuple):
    """Who took the lock last.

    `start`: see `process_start`. `since`: Unix time. `run`: the run's number, 0 before it has one.
    """

    pid: int
    start: int
    run_id: str
    host: str
    since: float = 0.0
    run: int = 0

    @property
    def local(self) -> bool:
        """Whether it is a process of this machine."""
        return self.host == platform.node()

    @property
    def alive(self) -> bool:
        """Whether that process still exists; True if it cannot be told from here."""
        return not self.local or self.start == process_start(self.pid) != 0

    def __str__(self) -> str:
        run = f"run {self.run}" if self.run else f"run {self.run_id}"
        return f"{run}, process {self.pid}{'' if self.local else f' on {self.host}'}"


class RunLock:
    """A context manager that holds the project's lock; guardians may inherit its `descriptor`.

    Entering raises LockHeldError if another run holds it, StorageError if locks do not work.
    """

    def __init__(self, folder: Path, run_id: str, mode: int = PRIVATE) -> None:
        self.path = folder / "lock"
        self._holder_path = folder / "lock.json"
        self._run_id = run_id
        self._mode = mode
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The descriptor that holds the lock, while it is held."""
        if self._descriptor is None:
            raise StorageError("the run lock is not held")
        return self._descriptor

    def __enter__(self) -> Self:
        try:
            make_folder(self.path.parent, self._mode)
            descriptor = self._open(self.path)
        except OSError as error:
            hint = why_denied(self.path) or "; check the permissions"
            raise StorageError(
                f"cannot open the run lock {self.path}: {error.strerror}{hint}"
            ) from error
        try:
            if not _try_lock_patiently(descriptor):
                raise LockHeldError(_refusal(self.holder()))
            self._check_that_locks_hold()
            self.write_holder()
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> Holder | None:
        """The last process to take the lock; it may have exited."""
        try:
            with open(open_own(self._holder_path, os.O_RDONLY), "rb") as file:
                return Holder(**json.loads(file.read(_MAX_HOLDER_BYTES)))
        except (OSError, ValueError, TypeError):  # damaged, or of another version of pipekit
            return None

    def held(self) -> bool:
        """Whether a process holds the lock now. Takes it for an instant to find out."""
        try:
            descriptor = self._open(self.path)
        except OSError:
            return False
        try:
            return not _try_lock(descriptor)
        finally:
            os.close(descriptor)

    def write_holder(self, run: int = 0) -> None:
        """Note who holds the lock, for messages of others. `run`: the run's number, if known."""
        pid, since = os.getpid(), time.time()
        holder = Holder(pid, process_start(pid), self._run_id, platform.node(), since, run)
        try:
            # Overwritten, then cut: some file systems wait for the disk when a file is emptied.
            with open(self._open(self._holder_path), "wb", buffering=0) as file:
                file.truncate(file.write(json.dumps(holder._asdict()).encode()))
        except OSError as error:
            raise StorageError(f"cannot write {self._holder_path}: {error.strerror}") from error

    def _open(self, path: Path) -> int:
        return open_own(path, os.O_RDWR | os.O_CREAT, self._mode)

    def _check_that_locks_hold(self) -> None:
        """Make sure that a second descriptor is refused, unlike on some network file systems."""
        second = self._open(self.path)
        try:
            if _try_lock(second):
                raise StorageError(
                    f"locks have no effect on the file system of {self.path}, so two runs could "
                    'overlap; move the state folder to a local disk (`[paths] state = "..."`)'
                )
        finally:
            os.close(second)


def _refusal(holder: Holder | None) -> str:
    if holder is None:
        return "another run is going on: nothing was started"
    if not holder.alive:
        return (
            f"the programs of a run that died are still being stopped ({holder}): nothing was "
            "started; try again in a moment"
        )
    since = time.strftime(" since %H:%M:%S", time.localtime(holder.since)) if holder.since else ""
    stop = f", or stop it with `kill {holder.pid}`" if holder.local else ""
    return (
        f"another run has been going on{since} ({holder}): nothing was started; wait for it{stop}"
    )


def process_start(pid: int) -> int:
    """A number that tells a process from a later one with the same id; 0 if there is none.

    On Linux it is the start time in clock ticks since boot (proc(5), field 22 of stat), elsewhere
    in milliseconds of Unix time.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return 0 if fields[0] in (b"Z", b"X") else int(fields[19])
    except (OSError, IndexError, ValueError):
        if sys.platform == "linux":
            return 0
    import psutil

    try:
        return int(psutil.Process(pid).create_time() * 1000)
    except psutil.Error:
        return 0


def _try_lock_patiently(descriptor: int) -> bool:
    """Take the lock; try again in case a process has it only for an instant (see `held`)."""
    for _ in range(_TRIES):
        if _try_lock(descriptor):
            return True
        time.sleep(_BETWEEN_TRIES)
    return False


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
