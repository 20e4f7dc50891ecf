"""Commands on macOS and other POSIX systems: a session, signals to groups, psutil for the tree.

NOT EXERCISED on macOS: written from the documentation, type-checked, and run on Linux by the tests,
where polling takes the place of kqueue. There is no guardian: what is left when this process is
killed keeps running until the next run kills it.
"""

from __future__ import annotations

import errno
import os
import select
import sys
from typing import TYPE_CHECKING

from pipekit.model.command import Command, ProcessSnapshot
from pipekit.process import psutil_tree, signals
from pipekit.process.child import LOST_EXIT, Exit, Force, Member, ProcessUsage, Sent
from pipekit.process.output import pipes
from pipekit.process.start import (
    TREE_VARIABLE,
    SpawnError,
    belongs_to,
    child_environment,
    find_program,
    open_stdio,
)

if TYPE_CHECKING:
    from subprocess import Popen

    import psutil

assert sys.platform != "win32"  # tells the type checker that sessions and groups exist

_POLL_INTERVAL = 0.01  # seconds, where no kqueue reports the exit
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes

_unreaped: list[int] = []  # leaders that outlived SIGKILL, to be reaped later


def start(command: Command, tree: str, cancel_fd: int = -1) -> PosixChild:
    """Start a command in a session of its own. Raises SpawnError.

    `tree`: a name for its tree; `cancel_fd`: becomes readable when the command is cancelled.
    """
    signals.reap(_unreaped)
    env = child_environment(command, tree)
    with open_stdio(command, env) as (stdio, outputs):
        popen = _popen(command, env, stdio)
    return PosixChild(popen, tree, outputs, cancel_fd)


def _popen(command: Command, env: dict[str, str], stdio: list[int]) -> Popen[bytes]:
    from subprocess import Popen  # only when a command starts

    argv = with_limits(command)
    if argv != command.argv:  # the shell would start, and then fail to find the program
        program = find_program(command, env)
        if program is None or os.path.isdir(program) or not os.access(program, os.X_OK):
            code = errno.ENOENT if program is None else errno.EACCES
            raise OSError(code, os.strerror(code))
    return Popen(
        argv,
        cwd=command.cwd,
        env=env,
        stdin=stdio[0],
        stdout=stdio[1],
        stderr=stdio[2],
        start_new_session=True,
    )


def with_limits(command: Command) -> tuple[str, ...]:
    """The command's words, run by a shell that sets its limits if it has any.

    Raises SpawnError for `max_memory`, which macOS does not enforce.
    """
    if command.max_memory is not None:
        raise SpawnError("max_memory: this system does not enforce it; leave it unset here")
    settings = []
    if command.max_cpu is not None:  # SIGXCPU first: it names the cause
        settings += [f"ulimit -S -t {command.max_cpu}", f"ulimit -H -t {command.max_cpu + 1}"]
    if command.max_open_files is not None:
        settings.append(f"ulimit -n {command.max_open_files}")
    if not settings and not command.nice:
        return command.argv
    program = f'nice -n {command.nice} "$@"' if command.nice else '"$@"'
    return ("/bin/sh", "-c", " && ".join([*settings, f"exec {program}"]), "sh", *command.argv)


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
        self._tree = tree
        super().__init__(outputs, _exit_queue(self.pid), cancel_fd)

    def wait(self, seconds: float | None, *, output: bool = True) -> list[str]:
        """See `Child`."""
        if self._exit_fd < 0:
            seconds = _POLL_INTERVAL if seconds is None else min(_POLL_INTERVAL, seconds)
        return super().wait(seconds, output=output)

    def exited(self) -> bool:
        """See `Child`."""
        if self._reaped:
            return True
        return has_exited(self.pid) if self._exit_fd < 0 else super().exited()

    def members(self) -> list[Member]:
        """See `Child`."""
        return _members(self.pid, self._tree)

    def usage(self) -> list[ProcessUsage]:
        """See `Child`."""
        return psutil_tree.usage(self)

    def network(self) -> dict[int, int]:
        """See `Child`; unknown here."""
        return {}

    def snapshot(self) -> list[ProcessSnapshot]:
        """See `Child`."""
        return psutil_tree.snapshot(self)

    def send(self, force: Force, members: list[Member]) -> Sent:
        """See `Child`. The leader, or its zombie, keeps the number of its group taken."""
        running = not self.exited()
        signals.signal_group(force, self.pid)
        others = [member for member in members if member.group != self.pid]
        signals.signal_members(force, others, _group_of)
        return Sent(leader=running)

    def reap(self) -> Exit | None:
        """See `Child`."""
        self._reaped = True
        self._popen.returncode = -1  # we reap: Popen must neither wait nor warn
        try:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else has reaped it
            return LOST_EXIT
        if pid == 0:
            _unreaped.append(self.pid)
            return None
        return Exit(
            returncode=os.waitstatus_to_exitcode(status),
            cpu=used.ru_utime + used.ru_stime,
            peak_rss=_own_peak(used.ru_maxrss),
        )


def _exit_queue(pid: int) -> int:
    """A descriptor that becomes readable when the process exits; -1 without kqueue."""
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
    import resource  # rarely needed

    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return maxrss * _MAXRSS_UNIT if maxrss > ours else None


def _members(leader: int, name: str) -> list[Member]:
    """The live processes of a tree without the leader, whose pid must stay taken during the call.

    `name`: of the tree, as each process has it in its environment. This looks at every process of
    the host, and is not exact while processes come and go.
    """
    import psutil  # slow to import, and only needed once a command runs

    found: dict[int, Member] = {}
    for process in psutil.process_iter():
        pid = process.pid
        if pid in (0, leader, os.getpid()):
            continue
        try:
            if not _belongs(process, leader, name) and process.ppid() not in found:
                continue
            if process.status() != psutil.STATUS_ZOMBIE:
                found[pid] = Member(pid, os.getpgid(pid), process.create_time())
        except (psutil.Error, ProcessLookupError, PermissionError):
            continue
    return list(found.values())


def _belongs(process: psutil.Process, leader: int, name: str) -> bool:
    import psutil  # see `_members`

    if leader in (os.getsid(process.pid), os.getpgid(process.pid), process.ppid()):
        return True
    try:
        return belongs_to(process.environ().get(TREE_VARIABLE, ""), name)
    except (psutil.Error, OSError):  # its environment may not be read
        return False


def members_by_name(name: str) -> list[Member]:
    """The live processes with this name in their environment, and their children.

    `name`: a tree, or the cookie of a supervisor.
    """
    return _members(-1, name)


def _group_of(pid: int, started: float) -> int | None:
    """The process group of a live process, or None when that process has exited."""
    import psutil  # see `_members`

    try:
        return os.getpgid(pid) if psutil.Process(pid).create_time() == started else None
    except (psutil.Error, OSError):
        return None


def has_exited(pid: int) -> bool:
    """Whether a process has exited, reaped or not."""
    import psutil  # see `_members`

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # on some systems psutil's word for a zombie
        return True
    except psutil.Error:
        return False
