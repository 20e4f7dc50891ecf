"""The guardian of a command: a separate program that ends everything the command started.

One file and two roles, both single-threaded. The *spawner* (`SpawnerServer`) runs once per calling
process and forks a guardian for each command, so that a start costs the fork of something small
instead of a new interpreter. A *guardian* starts one command, adopts every descendant that loses
its parent (it is a child subreaper, see prctl(2)), reaps it, and ends the whole tree when it is
told to or when the supervisor dies. If a guardian dies, the spawner adopts its tree and kills it.

Wire protocol. Both sockets are AF_UNIX SOCK_SEQPACKET: one packet is one message.

1. Request socket: supervisor -> spawner, descriptor 3 of the spawner. One packet per command:
   the number of descriptors attached (SCM_RIGHTS), which are in this order: the guardian's end of
   a control socket; a memfd with the request; the command's stdin, stdout and stderr; the
   descriptors to hold. The standby guardian receives it. The supervisor closes its own copies once
   the packet is sent. When it closes the request socket (or dies), the spawner takes no more
   requests and exits after the last guardian.
2. Request, by `marshal`, with all text as bytes: (grace in seconds, working folder, list of limits
   (resource, (soft, hard)), niceness, list of candidate paths, list of arguments, environment).
3. Control socket, guardian -> supervisor:
   `started GUARDIAN LEADER` (process ids), or `failed STEP ERRNO` with STEP one of fork, guard,
   folder, limit, program. Then:
   `signalled RUNNING` answers `polite`: whether the leader was still running, 0 or 1;
   `exited CODE` when the leader has exited and others still run (negative: ended by that signal);
   `gone CODE CPU MAXRSS FLOOR` when nothing is left: CPU seconds of the tree, the leader's peak
   memory in KiB, and the value up to which that peak may be the guardian's own.
4. Control socket, supervisor -> guardian: `polite` (SIGTERM and SIGCONT) and `hard` (SIGKILL).

The guardian closes the held descriptors just before `gone`, and exits after it: the supervisor sees
the end of the control socket. An end without `gone` means that the guardian was killed. If the
supervisor closes its end or dies, the guardian ends the tree by itself: `polite`, then `hard` after
the grace.

Standard library only: it runs isolated (`python -I -S -E`), where no package can be imported. The
private `_socket` and `_signal` stand in for `socket` and `signal`, whose enums would cost 8 ms at
the first command of every run.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # typeshed knows only `signal`
import _socket
import marshal
import os
import resource
import select
import sys
import time

TYPE_CHECKING = False  # importing `typing` costs 3 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

assert sys.platform == "linux"  # tells the type checker that pidfds and subreapers exist

REQUEST_FD = 3
MAX_DESCRIPTORS = 64  # in one request
STARTED, FAILED, SIGNALLED, EXITED, GONE = b"started", b"failed", b"signalled", b"exited", b"gone"
POLITE, HARD = b"polite", b"hard"

_PR_SET_CHILD_SUBREAPER = 36
_MSG_CMSG_CLOEXEC = 0x40000000
_IGNORED = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)  # we end with the sockets instead
_RESET = (*_IGNORED, _signal.SIGCHLD, _signal.SIGPIPE, _signal.SIGXFSZ)  # what a command gets back
_PIPE_SIZE = 65536  # bytes; one read empties a pipe
_ENOENT, _ESRCH, _EINVAL, _EMFILE = 2, 3, 22, 24
_KILL_PASSES = 20  # SIGKILL in a row: a process that keeps forking is caught sooner
_MAXRSS_ERROR = 512  # KiB by which the kernel's figures may lag
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.5  # seconds between two attempts to kill


# --- shared by both roles -----------------------------------------------------------------------


def become_subreaper() -> None:
    """Adopt orphaned descendants from now on: prctl(2)."""
    import ctypes  # not at the top: the supervisor imports this module for its constants

    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(0, "prctl")


def _exit_notifications() -> int:
    """A descriptor that becomes readable when a child has exited."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    _signal.signal(_signal.SIGCHLD, lambda *_: None)
    _signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def receive(control: _socket.socket) -> bytes:
    """The next message; empty at the end. Raises what `recv` raises.

    When the peer closed with messages of ours unread, the kernel reports ECONNRESET once before it
    hands out the messages that the peer had sent.
    """
    while True:
        try:
            return control.recv(256)
        except ConnectionResetError:
            continue


def open_pidfd(pid: int) -> int:
    """A descriptor that becomes readable when the process exits; -1 if there is none.

    A sandbox may forbid it, or no descriptor is left: each user has another way to notice the exit.
    """
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


def hung_up(peer: _socket.socket) -> bool:
    """Whether the other side of a socket is closed."""
    poll = select.poll()
    poll.register(peer.fileno(), 0)  # a hang-up is always reported
    return bool(poll.poll(0))


def read(path: str) -> bytes:
    """A file of /proc; empty if its process is gone. Raises OSError if it cannot be read now."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError as error:
        if error.errno in (_ENOENT, _ESRCH):
            return b""
        raise


def _open_children() -> int:
    """A descriptor of the exact list of our own children, which stays open.

    Opening it each time could fail, and "cannot list" must never be taken for "no child left".
    """
    me = os.getpid()
    return os.open(f"/proc/{me}/task/{me}/children", os.O_RDONLY | os.O_CLOEXEC)


def _own_children(descriptor: int) -> list[int]:
    """Their process ids, zombies included. Raises OSError rather than omit one."""
    content = b""
    while more := os.pread(descriptor, 65536, len(content)):
        content += more
    return [int(word) for word in content.split()]


def _children(pid: int) -> list[int]:
    """The children of all threads of another process, as far as they can be read."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, read(f"/proc/{pid}/task/{thread}/children").split())
    except OSError:
        return found
    return found


def descendants(pids: list[int]) -> list[int]:
    """These processes and all below them, zombies included."""
    found, waiting = [], list(pids)
    while waiting:
        found += waiting
        waiting = [child for pid in waiting for child in _children(pid)]
    return found


def _alive(pid: int) -> bool:
    """Whether a process runs, or may run. With its main thread gone it looks like a zombie."""
    try:
        words = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return True
    return len(words) > 17 and (words[0] not in b"ZX" or int(words[17]) > 1)


def _signal_all(pids: list[int], *signals: int) -> int:
    """Send signals to the groups of all live processes; returns how many are alive.

    To groups, because a group cannot fork away from a signal. A group with a live process of the
    tree belongs to the tree: only members of its session can join it, and sessions do not mix.
    """
    alive = [pid for pid in pids if _alive(pid)]
    groups = {_ignoring_errors(os.getpgid, pid) for pid in alive} - {None, os.getpgrp()}
    for number in signals:
        for group in groups:
            _ignoring_errors(os.killpg, group, number)
        if number == _signal.SIGKILL:
            for pid in alive:
                _ignoring_errors(os.kill, pid, number)
    return len(alive)


def _ignoring_errors(call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except OSError:  # that process has exited, or we may not look at it or signal it
        return None


# --- the guardian -------------------------------------------------------------------------------


class Guardian:
    """Guards one command from its start until its last process has ended.

    `control`: the control socket; `supervisor`: a pidfd of the supervisor, or -1.
    """

    def __init__(
        self, control: _socket.socket, supervisor: int, grace: float, held: list[int]
    ) -> None:
        self._control = control
        self._grace = grace
        self._held = held
        self._children = _open_children()
        self._leader = 0
        self._exited = False
        self._code = 0
        self._kill_at = float("inf")
        self._pause = _FIRST_PAUSE
        self._cpu = 0.0
        self._abandoned = False
        self._exits = _exit_notifications()
        self._poll = select.poll()
        for descriptor in (control.fileno(), supervisor, self._exits):
            if descriptor >= 0:
                self._poll.register(descriptor, select.POLLIN)

    def guard(self, request: Sequence[Any], stdio: list[int]) -> None:
        """Start the command, and return when its whole tree has ended."""
        self._leader, failure = _start(request, stdio)
        for descriptor in stdio:
            os.close(descriptor)  # or its output would never end
        if failure:
            _send(self._control, FAILED, failure)
            return
        _send(self._control, STARTED, b"%d %d" % (os.getpid(), self._leader))
        while not self._reap_all():
            self._wait()
            if time.monotonic() >= self._kill_at:
                self._kill()
        self._finish()

    def _wait(self) -> None:
        rest = self._kill_at - time.monotonic()
        ready = self._poll.poll(None if rest == float("inf") else max(rest * 1000, 0))
        for descriptor, _ in ready:
            if descriptor == self._exits:
                os.read(descriptor, _PIPE_SIZE)
            elif descriptor == self._control.fileno():
                self._handle_message()
            else:
                self._supervisor_gone(descriptor)

    def _reap_all(self) -> bool:
        """Reap every exited child but the leader; whether nothing but its zombie is left.

        The list of our own children is exact: only we reap them, and an orphan is in the list
        before its parent's exit can be seen.
        """
        while True:
            just_exited = not self._exited and self._check_leader()
            children = _own_children(self._children)
            reaped = [pid for pid in children if pid != self._leader and self._reap(pid)]
            if self._exited and set(children) <= {self._leader}:
                return True
            if just_exited:
                _send(self._control, EXITED, b"%d" % self._code)
            if not reaped:
                return False

    def _check_leader(self) -> bool:
        """Whether the leader has exited. It stays a zombie to the end, so its pid stays taken."""
        info = os.waitid(os.P_PID, self._leader, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if info is not None:
            self._exited = True
            by_itself = info.si_code == os.CLD_EXITED
            self._code = info.si_status if by_itself else -info.si_status
        return self._exited

    def _reap(self, pid: int) -> bool:
        done, _, used = os.wait4(pid, os.WNOHANG)
        if done:
            self._cpu += used.ru_utime + used.ru_stime
        return done != 0

    def _handle_message(self) -> None:
        message = receive(self._control)
        if message == POLITE:
            self._ask()
        elif message == HARD:
            self._kill()
        else:
            self._supervisor_gone(self._control.fileno())

    def _supervisor_gone(self, descriptor: int) -> None:
        """The supervisor died or gave up: end the tree without it."""
        self._poll.unregister(descriptor)
        if not self._abandoned:
            self._abandoned = True
            self._ask()
            self._kill_at = min(self._kill_at, time.monotonic() + self._grace)

    def _ask(self) -> None:
        """SIGTERM, then SIGCONT, because a stopped process cannot react to SIGTERM.

        Whether the leader exited by itself is decided here, at the last moment before the signal.
        """
        running = not self._check_leader()
        _signal_all(descendants(_own_children(self._children)), _signal.SIGTERM, _signal.SIGCONT)
        _send(self._control, SIGNALLED, b"%d" % running)

    def _kill(self) -> None:
        """SIGKILL until nobody is found, and again soon: a fork may have been missed."""
        for _ in range(_KILL_PASSES):
            if not _signal_all(descendants(_own_children(self._children)), _signal.SIGKILL):
                break
            self._reap_all()
        self._kill_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 1.5, _LONGEST_PAUSE)

    def _finish(self) -> None:
        _, _, used = os.wait4(self._leader, 0)
        cpu = self._cpu + used.ru_utime + used.ru_stime
        for descriptor in self._held:
            os.close(descriptor)  # before the message: its reader may take the lock at once
        # wait4 counts the memory a command had before its exec: ours
        floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + _MAXRSS_ERROR
        _send(self._control, GONE, b"%d %f %d %d" % (self._code, cpu, used.ru_maxrss, floor))


def _send(control: _socket.socket, message: bytes, details: bytes) -> None:
    _ignoring_errors(control.send, message + b" " + details)  # the supervisor may be gone


def _start(request: Sequence[Any], stdio: list[int]) -> tuple[int, bytes]:
    """Fork and exec: the process id, or 0 with the step that failed and its errno."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        pid = os.fork()
    except OSError as error:
        os.close(writer)
        os.close(reader)
        return 0, _failure(b"program", error)
    if pid == 0:
        _become_command(request, stdio, writer)
    os.close(writer)
    failure = os.read(reader, 256)  # empty: exec has closed the other end
    os.close(reader)
    if failure:
        os.waitpid(pid, 0)
        return 0, failure
    return pid, b""


def _become_command(request: Sequence[Any], stdio: list[int], writer: int) -> None:
    """In the fork. Never returns."""
    _, folder, limits, niceness, *program = request
    step = b"folder"
    try:
        os.setsid()
        for number in _RESET:
            _signal.signal(number, _signal.SIG_DFL)
        for to, descriptor in enumerate(stdio):
            os.dup2(descriptor, to)
        os.chdir(folder)
        step = b"limit"
        for limit in limits:
            resource.setrlimit(*limit)
        os.nice(niceness)
        step = b"program"
        _exec(*program)
    except Exception as error:  # reported: the fork must not return into the guardian
        os.write(writer, _failure(step, error))
    finally:
        os._exit(127)


def _exec(paths: list[bytes], argv: list[bytes], environment: dict[bytes, bytes]) -> None:
    """Execute the first path that can be executed, as a shell does.

    Otherwise raises the error of the first path that exists, or else of the last one tried.
    """
    exists: OSError | None = None
    missing = OSError(_ENOENT, "no path")
    for path in paths:
        try:
            os.execve(path, argv, environment)  # noqa: S606  # no shell is wanted
        except (FileNotFoundError, NotADirectoryError) as error:
            missing = error
        except OSError as error:
            exists = exists or error
    raise exists or missing


def _failure(step: bytes, error: Exception) -> bytes:
    """The step that failed and its errno; EINVAL for a number out of range."""
    code = error.errno if isinstance(error, OSError) else _EINVAL
    return b"%s %d" % (step, code or 0)


# --- the spawner --------------------------------------------------------------------------------


class SpawnerServer:
    """Keeps a guardian ready for the next request, and ends the tree of a guardian that died.

    The standby guardian receives the request itself, so that no command waits for a fork.
    """

    def __init__(self) -> None:
        self._host = open_pidfd(os.getppid())
        self._requests = _socket.socket(fileno=REQUEST_FD)
        self._children = _open_children()
        self._exits = _exit_notifications()
        self._taken, self._take = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._guardians: set[int] = set()
        self._standby = 0
        self._orphans_left = False

    def serve(self) -> None:
        """Return when requests can no longer arrive and all guardians have exited.

        The host is our parent. Its pidfd is watched as well, here and by the guardians, since a
        process that it forked may keep the other ends of the sockets open.
        """
        poll = select.poll()
        if self._host >= 0:
            poll.register(self._host, select.POLLIN)
        poll.register(self._exits, select.POLLIN)
        poll.register(self._taken, select.POLLIN)
        poll.register(REQUEST_FD, 0)  # only its hang-up
        wanted = True
        while wanted or _own_children(self._children):
            if wanted:  # without a standby (fork failed) we read the requests ourselves
                has_standby = self._standby or not self._fork_standby()
                poll.modify(REQUEST_FD, 0 if has_standby else select.POLLIN)
            for descriptor, event in poll.poll(_FIRST_PAUSE * 1000 if self._orphans_left else None):
                if descriptor in (self._exits, self._taken):
                    os.read(descriptor, _PIPE_SIZE)
                    self._standby = 0 if descriptor == self._taken else self._standby
                elif descriptor == REQUEST_FD and event == select.POLLIN:
                    if code := self._fork_standby():
                        self._refuse(code)
                else:
                    poll.unregister(descriptor)
                    self._requests.shutdown(_socket.SHUT_RDWR)  # also ends the standby
                    wanted = False
            self._reap_and_kill_orphans()

    def _fork_standby(self) -> int:
        """Fork a standby guardian; 0, or the errno of the failure."""
        try:
            pid = os.fork()
        except OSError as error:
            return error.errno or _EINVAL
        if pid == 0:
            self._stand_by()
        self._standby = pid
        self._guardians.add(pid)
        return 0

    def _refuse(self, code: int) -> None:
        """Answer a request that no guardian can be forked for."""
        descriptors, _ = self._receive_request()
        if descriptors:
            failure = _failure(b"fork", OSError(code, ""))
            _send(_socket.socket(fileno=descriptors[0]), FAILED, failure)
            for descriptor in descriptors[1:]:
                os.close(descriptor)

    def _receive_request(self) -> tuple[list[int], int]:
        """The descriptors of a request, and how many there should be; none at the end.

        The kernel silently drops descriptors beyond our limit: hence the count.
        """
        room = _socket.CMSG_SPACE(4 * MAX_DESCRIPTORS)
        message, ancillary, _, _ = self._requests.recvmsg(64, room, _MSG_CMSG_CLOEXEC)
        data = b"".join(bytes(entry[2]) for entry in ancillary)
        fds = [int.from_bytes(data[i : i + 4], sys.byteorder) for i in range(0, len(data), 4)]
        return fds, int(message or 0)

    def _stand_by(self) -> None:
        """In the fork: wait for a request and serve it as a guardian. Never returns."""
        code = 1
        try:
            os.close(_signal.set_wakeup_fd(-1))
            os.close(self._exits)
            os.close(self._children)
            os.setsid()
            become_subreaper()
            descriptors, sent = self._receive_request()
            if descriptors:
                os.write(self._take, b"!")
                self._requests.close()  # or the supervisor would not notice the spawner's death
                self._guard(descriptors, sent)
            code = 0
        finally:
            os._exit(code)

    def _guard(self, descriptors: list[int], sent: int) -> None:
        control = _socket.socket(fileno=descriptors[0])
        try:
            if len(descriptors) < sent:
                raise OSError(_EMFILE, "")
            memory, *rest = descriptors[1:]
            content = os.pread(memory, os.fstat(memory).st_size, 0)
            request = marshal.loads(content)  # noqa: S302  # our own supervisor has written it
            guardian = Guardian(control, self._host, request[0], rest[3:])
        except OSError as error:
            _send(control, FAILED, _failure(b"guard", error))
            return
        os.close(memory)
        if not hung_up(control):
            guardian.guard(request, rest[:3])

    def _reap_and_kill_orphans(self) -> None:
        """Reap, and kill the adopted trees: their guardian has died."""
        for pid in _own_children(self._children):
            done, _ = os.waitpid(pid, os.WNOHANG)
            if done:
                self._guardians.discard(pid)
                self._standby = 0 if pid == self._standby else self._standby
        orphans = [pid for pid in _own_children(self._children) if pid not in self._guardians]
        if orphans:
            _signal_all(descendants(orphans), _signal.SIGKILL)
        self._orphans_left = bool(orphans)


def main() -> None:
    """Serve as the spawner until the host no longer needs it."""
    for name in os.listdir("/proc/self/fd"):  # only those open: a billion may be allowed
        if int(name) > REQUEST_FD:
            _ignoring_errors(os.close, int(name))
    os.set_inheritable(REQUEST_FD, False)
    for number in _IGNORED:
        _signal.signal(number, _signal.SIG_IGN)
    become_subreaper()
    SpawnerServer().serve()
    os._exit(0)  # nothing is left to clean up
