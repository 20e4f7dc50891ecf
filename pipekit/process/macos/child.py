"""Commands on macOS and other POSIX systems: a session, signals to groups, psutil for the tree.

NOT EXERCISED on macOS: written from the documentation, type-checked, and run on Linux by the tests,
where polling takes the place of kqueue. There is no guardian: what is left when this process is
killed runs on until the next run sweeps it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
from typing import TYPE_CHECKING

from pipekit.model.command import Command, ProcessSnapshot
from pipekit.process import psutil_tree, signals
from pipekit.process.child import LOST_EXIT, Exit, Force, Member
from pipekit.process.macos import tree as process_tree
from pipekit.process.macos.limits import with_limits
from pipekit.process.output import pipes
from pipekit.process.start import (
    SpawnError,
    child_environment,
    find_program,
    open_stdio,
    spawn_failure,
)
from pipekit.process.usage import ProcessUsage

if TYPE_CHECKING:
    from subprocess import Popen

assert sys.platform != "win32"  # tells the type checker that sessions and groups exist

_POLL_INTERVAL = 0.01  # seconds, where no kqueue reports the exit
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes

_unreaped: list[Popen[bytes]] = []  # leaders that outlived SIGKILL, to be reaped later


def start(command: Command, tree: str, cancel_fd: int = -1) -> PosixChild:
    """Start a command in a session of its own. Raises SpawnError.

    `tree`: a name for its tree; `cancel_fd`: becomes readable when the command is cancelled.
    """
    _reap_late()
    env = child_environment(command, tree)
    outputs: dict[str, int] = {}
    try:
        with contextlib.ExitStack() as given:  # the child gets copies
            popen = _popen(command, env, open_stdio(command, outputs, given))
    except BaseException as error:
        for descriptor in outputs.values():
            os.close(descriptor)
        if isinstance(error, (OSError, ValueError)):
            raise SpawnError(spawn_failure(command, env, error)) from error
        raise
    return PosixChild(popen, tree, outputs, cancel_fd)


def _popen(command: Command, env: dict[str, str], stdio: list[int]) -> Popen[bytes]:
    from subprocess import Popen

    argv = with_limits(command)
    if argv != command.argv:  # the shell would start, and then fail to find the program
        program = find_program(command, env)
        if program is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command.argv[0])
        if os.path.isdir(program) or not os.access(program, os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), program)
    return Popen(
        argv,
        cwd=command.cwd,
        env=env,
        stdin=stdio[0],
        stdout=stdio[1],
        stderr=stdio[2],
        start_new_session=True,
    )


class PosixChild(pipes.Pipes):
    """A `Child` in a session of its own."""

    lost = False
    tree_empty = None

    def __init__(
        self, popen: Popen[bytes], tree: str, outputs: dict[str, int], cancel_fd: int
    ) -> None:
        self.pid = popen.pid
        self._popen = popen
        self._reaped = False
        self._tree = process_tree.PsutilTree(self.pid, tree)
        self._exit_fd = _exit_queue(self.pid)
        super().__init__(outputs, once=(self._exit_fd, cancel_fd))

    def wait(self, seconds: float | None, *, output: bool = True) -> list[str]:
        """See `Child`."""
        if self._exit_fd < 0:
            seconds = _POLL_INTERVAL if seconds is None else min(_POLL_INTERVAL, seconds)
        return super().wait(seconds, output=output)

    def exited(self) -> bool:
        """See `Child`."""
        if self._reaped:
            return True
        return (
            process_tree.has_exited(self.pid)
            if self._exit_fd < 0
            else self.has_woken(self._exit_fd)
        )

    def members(self) -> list[Member]:
        """See `Child`."""
        return self._tree.members()

    def usage(self) -> list[ProcessUsage]:
        """See `Child`."""
        return psutil_tree.usage(self._tree.pids())

    def snapshot(self) -> list[ProcessSnapshot]:
        """See `Child`."""
        return psutil_tree.snapshot(self._tree.pids())

    def send(self, force: Force, members: list[Member]) -> bool:
        """See `Child`. The leader, or its zombie, keeps the number of its group taken."""
        running = not self.exited()
        signals.signal_group(force, self.pid)
        others = [member for member in members if member.group != self.pid]
        signals.signal_members(force, others, process_tree.group_of)
        return running

    def reap(self) -> Exit | None:
        """See `Child`."""
        self._reaped = True
        self._popen.returncode = -1  # we reap: Popen must neither wait nor warn
        try:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else has reaped it
            return LOST_EXIT
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


def _exit_queue(pid: int) -> int:
    """A descriptor that becomes readable when the process exits; -1 where there is no kqueue."""
    if sys.platform == "linux":
        return -1
    try:
        queue = select.kqueue()
        event = select.kevent(
            pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD | select.KQ_EV_ENABLE, select.KQ_NOTE_EXIT
        )
        queue.control([event], 0)
        descriptor = os.dup(queue.fileno())
        queue.close()
    except OSError:  # it has exited and was reaped by somebody else, or no descriptor is left
        return -1
    return descriptor


def _own_peak(maxrss: int) -> int | None:
    """The peak that wait4 reports, in bytes, unless it may be ours: a child starts with that."""
    import resource

    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return maxrss * _MAXRSS_UNIT if maxrss > ours else None


def _reap_late() -> None:
    for popen in _unreaped[:]:
        try:
            done = os.waitpid(popen.pid, os.WNOHANG)[0] == popen.pid
        except ChildProcessError:
            done = True
        if done:
            with contextlib.suppress(ValueError):  # another thread was quicker
                _unreaped.remove(popen)
