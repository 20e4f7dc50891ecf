"""The run lock: only one run at a time in a project.

It is a lock of the operating system on an open file. It is released only by closing the file: an
explicit unlock would release it also for the guardians that hold a duplicate of the descriptor.

Beside it, `lock.json` says who took it. That decides only if the lock file was deleted or replaced:
then its lock says nothing about a run that holds the deleted one.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Self

from pipekit.errors import EXIT_ERROR, LockHeldError, StorageError
from pipekit.storage.holder import Holder, boot_id, host_name, process_start
from pipekit.storage.modes import why_denied
from pipekit.storage.small_file import DAMAGE, read_json
from pipekit.worker._files import PRIVATE, make_folder, open_own

_held: set[int] = set()  # descriptors, which children that a plugin forks must not keep
_TRIES = 5
_BETWEEN_TRIES = 0.02  # seconds
_MAX_HOLDER_BYTES = 4096  # of lock.json; pipekit writes fewer
_UNKNOWN = Holder(0, 0, "", "")


class RunLock:
    """A context manager that holds the project's lock; guardians may inherit its `descriptor`.

    `previous`: who took it before. `exit_code`: of the run that has it, to be set before the end.
    Entering raises LockHeldError if another run is going on, StorageError if locks do not work.
    """

    def __init__(self, folder: Path, run_id: str, mode: int = PRIVATE) -> None:
        self.path = folder / "lock"
        self.previous: Holder | None = None
        self.exit_code = EXIT_ERROR
        self._record = folder / "lock.json"
        self._run_id = run_id
        self._mode = mode
        self._holder = _UNKNOWN
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The descriptor that holds the lock, while it is held."""
        if self._descriptor is None:
            raise StorageError("the run lock is not held")
        return self._descriptor

    def __enter__(self) -> Self:
        descriptor = self._take()
        try:
            self.previous = self.holder()
            if _outlived_its_lock(self.previous, os.fstat(descriptor).st_ino):
                raise LockHeldError(_refusal(self.previous, self._record))
            self._check_that_locks_hold()
            pid, inode = os.getpid(), os.fstat(descriptor).st_ino
            start, host = process_start(pid), host_name()
            since, boot = time.time(), boot_id()
            self._holder = Holder(
                pid, start, self._run_id, host, since=since, boot=boot, inode=inode
            )
            self._write()
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        _held.add(descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            _held.discard(self._descriptor)
            last = self.holder()
            if last and last.run_id == self._run_id:  # else another run has replaced us
                self._holder = self._holder._replace(exit_code=self.exit_code)
                with contextlib.suppress(StorageError):
                    self._write()
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> Holder | None:
        """The last process to take the lock; it may have exited."""
        try:
            values = read_json(self._record, _MAX_HOLDER_BYTES)
            holder = Holder(**{name: values[name] for name in Holder._fields if name in values})
        except DAMAGE:
            return None
        return holder if holder.valid else None

    def held(self) -> bool:
        """Whether a process holds the lock now. Takes it for an instant to find out.

        Raises StorageError if nobody may look, which is not the same as that there is no run.
        """
        try:
            descriptor = open_own(self.path, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            why = f"{error.strerror}{why_denied(self.path)}"
            msg = f"cannot tell whether a run is going on: {self.path}: {why}"
            raise StorageError(msg) from error
        try:
            return not _try_lock(descriptor, shared=True)
        finally:
            os.close(descriptor)

    def write_holder(self, run: int) -> None:
        """Add the run's number to the record of who holds the lock, for messages of others."""
        self._holder = self._holder._replace(run=run)
        self._write()

    def _take(self) -> int:
        """Open the lock file and lock it; again, if it was replaced in between."""
        while True:
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
                if _inode(self.path) == os.fstat(descriptor).st_ino:
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _write(self) -> None:
        try:
            # Overwritten, then cut: some file systems wait for the disk when a file is emptied, and
            # a full disk still has this block.
            with open(self._open(self._record), "wb", buffering=0) as file:
                file.truncate(file.write(json.dumps(self._holder._asdict()).encode()))
        except OSError as error:
            raise StorageError(f"cannot write {self._record}: {error.strerror}") from error

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


def _close_held() -> None:
    for descriptor in _held:
        with contextlib.suppress(OSError):  # closed by a fork of this one
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_held)


def running(folder: Path) -> Holder | None:
    """The run that is going on in a project with this state folder. Writes nothing.

    Its `run_id` is empty if the lock is held and it is not known by whom: the record cannot be read
    or, with an `exit_code`, is that of a run that has ended, and a run is just beginning or ending.
    Raises StorageError if it cannot be told.
    """
    lock = RunLock(folder, "")
    held = lock.held()
    holder = lock.holder() or lock.holder()  # again, in case it was just being written
    if held and holder is not None and holder.exit_code is not None:
        return _UNKNOWN._replace(exit_code=holder.exit_code)
    if held:
        return holder or _UNKNOWN
    return holder if _outlived_its_lock(holder, _inode(lock.path)) else None


def _outlived_its_lock(holder: Holder | None, inode: int) -> bool:
    """Whether the lock file was deleted or replaced, and its holder is going on without it.

    `inode`: of the present lock file, which nobody else holds. A process of another machine cannot
    be asked: it counts if it held another file than this one (or none that pipekit 1.0 noted).
    """
    if holder is None or not holder.alive:
        return False
    return holder.local or holder.inode not in (0, inode)


def _inode(path: Path) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def _refusal(holder: Holder | None, record: Path | None = None) -> str:
    """Why a run is refused. `record`: of a holder whose lock file is gone."""
    if holder is None:
        return "another run is going on: nothing was started"
    if holder.exit_code is not None:
        return "another run is just beginning or ending: nothing was started; try again in a moment"
    if not holder.alive:
        return (
            f"the programs of a run that died are still being stopped ({holder}): nothing was "
            "started; try again in a moment"
        )
    since = time.strftime(" since %H:%M:%S", time.localtime(holder.since)) if holder.since else ""
    stop = ", or stop it with `pipekit stop`" if holder.local else ""
    if record and not holder.local:
        stop = f". Its lock was deleted; if it is no longer going on, delete {record} as well"
    return (
        f"another run has been going on{since} ({holder}): nothing was started; wait for it{stop}"
    )


def _try_lock_patiently(descriptor: int) -> bool:
    """Take the lock; try again in case a process has it only for an instant (see `held`)."""
    for _ in range(_TRIES):
        if _try_lock(descriptor):
            return True
        time.sleep(_BETWEEN_TRIES)
    return False


if sys.platform == "win32":
    from pipekit.worker._byte_lock import lock

    def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
        try:
            return lock(descriptor, 0, shared=shared)
        except OSError as error:
            raise StorageError(
                f"locks do not work on this file system: {error.strerror}; move the state folder "
                'to a local disk (`[paths] state = "..."`)'
            ) from error

else:
    import fcntl

    def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise StorageError(
                f"locks do not work on this file system: {error.strerror}; move the state folder "
                'to a local disk (`[paths] state = "..."`)'
            ) from error
        return True
