"""Commands on POSIX without a guardian: a session, signals to whole groups; decides nothing.

The way of macOS, with kqueue for the exit and psutil for the tree. On Linux it is exercised by the
tests alone, with what Linux has in their place; there commands have a guardian (guarded.py).
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

from pipekit.model.command import Command, ProcessSnapshot
from pipekit.process import limits
from pipekit.process.child import Exit, Force
from pipekit.process.linux import procfs
from pipekit.process.macos import tree as portable
from pipekit.process.output import pipes
from pipekit.process.start import SpawnError, child_environment, must_be_there, why_not_started
from pipekit.process.stop import INSIST
from pipekit.process.tree import Member, Reading, Tree

if TYPE_CHECKING:
    from subprocess import Popen

assert sys.platform != "win32"  # for the type checker: half of this is not there

# a stopped process heeds SIGTERM only after SIGCONT
_SIGNALS = {Force.POLITE: (signal.SIGTERM, signal.SIGCONT), Force.HARD: (signal.SIGKILL,)}
_NO_EVENT = 0.01  # seconds between two looks where the system cannot tell of an exit
_LINUX = sys.platform == "linux"

_unreaped: list[Popen[bytes]] = []  # leaders that SIGKILL did not end in time: reaped when they do


def start(command: Command, tree: str, cancel_fd: int = -1) -> PosixChild:
    """Start a command in a session of its own. Raises SpawnError.

    `tree` is a name for its tree; `cancel_fd` wakes `wait` when it becomes readable.
    """
    from subprocess import STDOUT

    _reap_late()
    env = child_environment(command, tree)
    ends: dict[str, int] = {}
    with contextlib.ExitStack() as given:  # what the child gets and we close after the start
        try:
            given_in = stdin(command.stdin)
            given.callback(os.close, given_in)
            writers = {}
            for stream in ("stdout",) if command.merge_stderr else ("stdout", "stderr"):
                ends[stream], writers[stream] = os.pipe()
                given.callback(os.close, writers[stream])
            errors = writers.get("stderr", STDOUT)
            popen = _popen(command, env, given_in, writers["stdout"], errors)
        except BaseException as error:
            for descriptor in ends.values():
                os.close(descriptor)
            if isinstance(error, (OSError, ValueError)):
                raise SpawnError(why_not_started(command, env, error)) from error
            raise
    return PosixChild(popen, tree, ends, cancel_fd)


def end_by_name(tree: str, seconds: float = INSIST) -> tuple[int, int]:
    """End all that carries the tree's name: how many there were, and how many are left."""
    everything = (procfs.ProcTree if _LINUX else portable.PsutilTree)(-1, tree)
    deadline = time.monotonic() + seconds
    met: set[tuple[int, float]] = set()
    while members := [member for member in everything.members() if member.pid != os.getpid()]:
        for member in members:
            _signal_group(member.group, (signal.SIGKILL,))
            met.add((member.pid, member.started))
        if time.monotonic() >= deadline:
            break
        time.sleep(0.005)
        for pid, _ in met:
            _reaped(pid)  # where it is a child of ours
    return len(met), len(members)


def _popen(
    command: Command, env: dict[str, str], stdin: int, stdout: int, stderr: int
) -> Popen[bytes]:
    """Start it by `subprocess` and not by `posix_spawn`, which costs the same.

    Only the first changes the folder, closes what others opened without close-on-exec, and tells a
    failed exec from a program that exits with 127.
    """
    from subprocess import Popen

    argv = limits.by_shell(command, memory=_LINUX)
    if argv != command.argv:
        must_be_there(command, env)
    return Popen(
        argv,
        cwd=command.cwd,
        env=env,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


def stdin(data: bytes | int | None) -> int:
    """A descriptor at the start of `data`, kept in a file without a name; or the end of file.

    A number is a descriptor of ours, of which a copy is made.
    """
    if data is None:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    if isinstance(data, int):
        return os.dup(data)
    with _nameless_file() as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) or 0 :]
        file.seek(0)
        return os.dup(file.fileno())


def _nameless_file() -> io.RawIOBase:
    if sys.platform == "linux":
        return open(os.memfd_create("stdin"), "r+b", buffering=0)
    import tempfile

    return cast("io.RawIOBase", tempfile.TemporaryFile(buffering=0))


class PosixChild(pipes.Pipes):
    """See `Child`."""

    lost = False
    told_empty = None

    def __init__(self, popen: Popen[bytes], tree: str, ends: dict[str, int], cancel: int) -> None:
        self.pid = popen.pid
        self._popen = popen
        self._lost = self._reaped = False
        self._tree: Tree = (procfs.ProcTree if _LINUX else portable.PsutilTree)(self.pid, tree)
        self._group_of = procfs.group_of if _LINUX else portable.group_of
        self._exit_fd = _exit_descriptor(self.pid)
        super().__init__(ends, (self._exit_fd, cancel))

    def wait(self, seconds: float | None, *, output: bool = True) -> list[str]:
        """See `Child`."""
        if self._exit_fd < 0:
            seconds = min(_NO_EVENT, seconds if seconds is not None else _NO_EVENT)
        return super().wait(seconds, output=output)

    def exited(self) -> bool:
        """See `Child`. A status that somebody else took counts as an exit, and is lost."""
        if self._lost or self._reaped:
            return True
        if sys.platform == "linux":
            try:
                options = os.WEXITED | os.WNOWAIT | os.WNOHANG
                return os.waitid(os.P_PID, self.pid, options) is not None
            except ChildProcessError:
                self._lost = True
                self._tree.forget_leader()
                return True
        if self._exit_fd < 0:
            return portable.ended(self.pid)
        return self.told(self._exit_fd)  # macOS: the kqueue told; the zombie stays

    def members(self) -> list[Member]:
        """See `Child`."""
        return self._tree.members()

    def readings(self) -> list[Reading]:
        """See `Child`."""
        return self._tree.readings()

    def snapshot(self) -> list[ProcessSnapshot]:
        """See `Child`."""
        return self._tree.snapshot()

    def send(self, force: Force, members: list[Member]) -> bool:
        """See `Child`. The leader, or its zombie, keeps the number of its group taken."""
        alive = not self.exited()
        if not self._lost:
            _signal_group(self.pid, _SIGNALS[force])
        others = [member for member in members if member.group != self.pid]
        signal_groups(force, members if self._lost else others, self._group_of)
        return alive

    def reap(self) -> Exit | None:
        """See `Child`."""
        self._reaped = True
        self._popen.returncode = -1  # it is ours to reap: Popen must neither wait nor warn
        try:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
        except ChildProcessError:
            return Exit(None, None, None)
        if pid == 0:
            _unreaped.append(self._popen)
            return None
        return Exit(
            returncode=os.waitstatus_to_exitcode(status),
            cpu=used.ru_utime + used.ru_stime,
            peak_rss=_own_peak(used.ru_maxrss),
        )

    def close(self) -> None:
        """See `Child`."""
        super().close()
        if self._exit_fd >= 0:
            os.close(self._exit_fd)
            self._exit_fd = -1


def signal_groups(
    force: Force, members: Iterable[Member], group_of: Callable[[int, float], int | None]
) -> None:
    """Ask or force members to end: their groups, since a group cannot fork away from a signal."""
    for member in {member.group: member for member in members}.values():
        with contextlib.suppress(OSError):  # nobody can look: the number could be another's
            group = group_of(member.pid, member.started)
            if group is not None:
                _signal_group(group, _SIGNALS[force])


def _signal_group(group: int, signals: tuple[int, ...]) -> None:
    """Never our own group; PermissionError means that nobody there is ours to signal."""
    if group <= 1 or group == os.getpgrp():
        return
    for number in signals:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def _exit_descriptor(pid: int) -> int:
    """Becomes readable when the process exits; -1 where that cannot be had."""
    try:
        if sys.platform == "linux":
            return os.pidfd_open(pid)
        queue = select.kqueue()  # not exercised
        event = select.kevent(
            pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD | select.KQ_EV_ENABLE, select.KQ_NOTE_EXIT
        )
        queue.control([event], 0)
        descriptor = os.dup(queue.fileno())
        queue.close()
    except OSError:  # gone already and reaped by somebody else, no descriptor left, or a sandbox
        return -1
    return descriptor


def _own_peak(maxrss: int) -> int | None:
    """The peak that wait4 tells, unless it may be ours: a child starts with its parent's."""
    import resource

    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1024 if _LINUX else 1
    return maxrss * unit if maxrss > ours else None


def _reap_late() -> None:
    for popen in _unreaped[:]:
        if _reaped(popen.pid):
            with contextlib.suppress(ValueError):  # another thread was quicker
                _unreaped.remove(popen)


def _reaped(pid: int) -> bool:
    """Whether this is no child of ours, or was one that has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
