"""Guards commands so that nothing of them survives; a program of its own, run by its path.

Two lives of one program, both single-threaded. The *spawner* waits for requests on descriptor 3 and
forks a guardian for each: so a start costs a fork of something small and not a new interpreter. A
*guardian* starts one command, adopts whatever loses its parent there (it is a child subreaper, see
prctl(2)), reaps it, and ends all of it when it is told to, or when the supervisor dies. Whoever
loses its guardian is adopted by the spawner, and ended.

Standard library only, and of that what starts fast: `_socket` and `_signal` are `socket` and
`signal` without their enums (20 ms of 30). Knows neither pipekit nor what a command is for.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # see above; typeshed knows `signal` alone
import _socket
import os
import resource  # before a fork: each guardian needs it, for wait4
import select
import sys
import time

TYPE_CHECKING = False  # `typing` costs 3 ms at each start
if TYPE_CHECKING:
    from collections.abc import Callable

assert sys.platform == "linux"  # for the type checker: pidfds and subreapers are nowhere else

REQUESTS = 3  # the descriptor on which the spawner gets its requests
MOST_DESCRIPTORS = 64  # in one request
STARTED, FAILED, SENT, EXITED, GONE = b"started", b"failed", b"sent", b"exited", b"gone"
POLITE, HARD = b"polite", b"hard"

_PR_SET_CHILD_SUBREAPER = 36
_MSG_CMSG_CLOEXEC = 0x40000000
_IGNORED = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)  # what ends us is the lifeline
_CHANGED = (*_IGNORED, _signal.SIGCHLD, _signal.SIGPIPE, _signal.SIGXFSZ)
_LIMITS = {  # of setrlimit, soft and hard beyond the number, which
    b"cpu": (0, 1, resource.RLIMIT_CPU),  # SIGXCPU first, which says what it was
    b"memory": (0, 0, resource.RLIMIT_DATA),
    b"files": (0, 0, resource.RLIMIT_NOFILE),
}
_EINVAL, _EMFILE = 22, 24
_GONE = (2, 3)  # ENOENT, ESRCH: what reading of a process that has ended says
_PASSES = 20  # of SIGKILL in one go: a process that hops from number to number is met sooner
_INEXACT = 512  # KiB that such figures of the kernel may be behind
_AGAIN, _SELDOM = 0.005, 0.5  # seconds between two goes, first and at last


# --- what both lives need -----------------------------------------------------------------------


def _subreaper() -> Callable[[], None]:
    """Make whoever calls this the parent of all orphans among its descendants: prctl(2)."""
    import ctypes  # here and not above: others import this module for its words

    prctl = ctypes.CDLL(None).prctl

    def become() -> None:
        if prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError(0, "prctl")

    become()
    return become


def _wake_on_exits() -> int:
    """A descriptor that becomes readable when a child has ended."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    _signal.signal(_signal.SIGCHLD, lambda *_: None)
    _signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def receive(control: _socket.socket) -> bytes:
    """The next word; empty at the end. Raises what `recv` raises.

    When the other side has closed without hearing all of us, the kernel says so before it gives out
    what was said to us until then; but it says it once.
    """
    while True:
        try:
            return control.recv(256)
        except ConnectionResetError:
            continue


def _pidfd(pid: int) -> int:
    """Readable at its end; -1 in a sandbox that lacks them: its end is then known by a socket."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


def _hung_up(control: _socket.socket) -> bool:
    """Whether the other side has given up: a start that came too late is none."""
    poll = select.poll()
    poll.register(control.fileno(), 0)
    return bool(poll.poll(0))


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            continue
    except BlockingIOError:
        return


def _read(path: str) -> bytes | None:
    """The content; nothing of a process that has ended; None when nobody can tell now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return b"" if error.errno in _GONE else None
    try:
        content = b""
        while more := os.read(descriptor, 65536):
            content += more
        return content
    except OSError:  # it ended while we looked
        return b""
    finally:
        os.close(descriptor)


class _OwnChildren:
    """Our own children, exactly: read from a descriptor that is kept, as no other may be had.

    That no child is left must never be said because nobody could look.
    """

    def __init__(self) -> None:
        me = os.getpid()
        self._list = os.open(f"/proc/{me}/task/{me}/children", os.O_RDONLY | os.O_CLOEXEC)

    def now(self) -> list[int]:
        """Their numbers, zombies too. Raises OSError rather than to leave one out."""
        content = b""
        while more := os.pread(self._list, 65536, len(content)):
            content += more
        return [int(word) for word in content.split()]

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._list)


def _children(pid: int) -> list[int]:
    """The children of another process, those of all its threads, as far as can be seen."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found = (_read(f"/proc/{pid}/task/{thread}/children") for thread in threads)
    return [int(word) for content in found for word in (content or b"").split()]


def _descendants(pids: list[int]) -> list[int]:
    """These and all below them, zombies too."""
    found, waiting = [], list(pids)
    while waiting:
        found += waiting
        waiting = [child for pid in waiting for child in _children(pid)]
    return found


def _alive(pid: int) -> bool:
    """Whether it still runs, or may; a first thread that has ended is shown as a zombie."""
    content = _read(f"/proc/{pid}/stat")
    if content is None:
        return True
    words = content.rpartition(b")")[2].split()
    return len(words) > 17 and (words[0] not in b"ZX" or int(words[17]) > 1)


def _signal_all(pids: list[int], *numbers: int) -> int:
    """Send the signals to the groups of those that live; returns how many live.

    To groups, since no group can fork away from a signal. A group that has a live process of ours
    is ours: nobody can join it who is not of its session, and no session outside is in our tree.
    """
    alive = [pid for pid in pids if _alive(pid)]
    groups = set()
    for pid in alive:
        try:
            groups.add(os.getpgid(pid))
        except OSError:
            continue
    for number in numbers:
        for group in groups - {os.getpgrp()}:
            _quietly(os.killpg, group, number)
        if number == _signal.SIGKILL:
            for pid in alive:
                _quietly(os.kill, pid, number)
    return len(alive)


def _quietly(do: Callable[..., None], *arguments: int) -> None:
    try:
        do(*arguments)
    except OSError:
        return  # gone meanwhile, or not ours to signal


# --- a guardian ---------------------------------------------------------------------------------


class Guardian:
    """One command from its start until nothing of it is left.

    `control`: a packet socket to the supervisor, whose end is the supervisor's end; `supervisor`:
    a pidfd of it, or -1 (an end may be kept open by somebody whom the supervisor forked).
    """

    def __init__(
        self, control: _socket.socket, supervisor: int, grace: float, held: list[int]
    ) -> None:
        self._control = control
        self._supervisor = supervisor
        self._grace = grace
        self._held = held
        self._me = os.getpid()
        self._children = _OwnChildren()
        self._leader = 0
        self._exited = False
        self._code = 0
        self._force_at = float("inf")
        self._pause = _AGAIN
        self._cpu = 0.0
        self._alone = False
        self._wake = _wake_on_exits()
        self._poll = select.poll()
        for descriptor in (control.fileno(), supervisor, self._wake):
            if descriptor >= 0:
                self._poll.register(descriptor, select.POLLIN)

    def guard(self, start: Start, stdio: list[int]) -> None:
        """Start the command, see that all of it ends, and say so."""
        self._leader, failure = start.run(stdio)
        for descriptor in stdio:
            os.close(descriptor)  # or its output would never end
        if failure:
            self._tell(FAILED, failure)
            return
        self._tell(STARTED, b"%d %d" % (self._me, self._leader))
        while not self._empty():
            self._wait()
            if time.monotonic() >= self._force_at:
                self._insist()
        self._end()

    def _wait(self) -> None:
        rest = self._force_at - time.monotonic()
        ready = self._poll.poll(None if rest == float("inf") else max(rest * 1000, 0))
        for descriptor, _ in ready:
            if descriptor == self._wake:
                _drain(descriptor)
            elif descriptor == self._control.fileno():
                self._obey()
            else:
                self._left_alone(descriptor)

    def _empty(self) -> bool:
        """Reap whoever has ended but the leader, and say whether it alone is left, as a zombie.

        The list of our own children is exact: only we reap them, and who loses its parent is in it
        before that parent's end can be seen.
        """
        while True:
            ended = not self._exited and self._look_at_leader()  # its children are ours from now
            children = self._children.now()
            reaped = [pid for pid in children if pid != self._leader and self._reap(pid)]
            if self._exited and set(children) <= {self._leader}:
                return True
            if ended:
                self._tell(EXITED, b"%d" % self._code)
            if not reaped:
                return False

    def _look_at_leader(self) -> bool:
        """Whether it has ended. Its zombie stays until all is over, so that its number is taken."""
        info = os.waitid(os.P_PID, self._leader, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if info is not None:
            self._exited = True
            by_itself = info.si_code == os.CLD_EXITED
            self._code = info.si_status if by_itself else -info.si_status
        return self._exited

    def _reap(self, pid: int) -> bool:
        try:
            done, _, used = os.wait4(pid, os.WNOHANG)
        except ChildProcessError:
            return False
        if done:
            self._cpu += used.ru_utime + used.ru_stime
        return done != 0

    def _obey(self) -> None:
        message = receive(self._control)
        if message == POLITE:
            self._ask()
        elif message == HARD:
            self._insist()
        else:
            self._left_alone(self._control.fileno())

    def _left_alone(self, descriptor: int) -> None:
        """The supervisor is gone, or has given up: end what is left by ourselves."""
        self._poll.unregister(descriptor)
        if not self._alone:
            self._alone = True
            self._ask()
            self._force_at = min(self._force_at, time.monotonic() + self._grace)

    def _ask(self) -> None:
        """SIGTERM, and SIGCONT, since a stopped process heeds nothing else.

        Whether the leader has ended by itself before is settled here, in the last moment.
        """
        alive = not self._look_at_leader()
        _signal_all(_descendants(self._children.now()), _signal.SIGTERM, _signal.SIGCONT)
        self._tell(SENT, b"%d" % alive)

    def _insist(self) -> None:
        """SIGKILL until nobody is found; and again soon, for who was just being forked."""
        for _ in range(_PASSES):
            if not _signal_all(_descendants(self._children.now()), _signal.SIGKILL):
                break
            self._empty()
        self._force_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 1.5, _SELDOM)

    def _end(self) -> None:
        _, _, used = os.wait4(self._leader, 0)
        cpu = self._cpu + used.ru_utime + used.ru_stime
        for descriptor in self._held:
            os.close(descriptor)  # before the word: who hears it may take the lock
        # a command starts as large as we are, in what wait4 tells of it
        floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + _INEXACT
        self._tell(GONE, b"%d %f %d %d" % (self._code, cpu, used.ru_maxrss, floor))

    def _tell(self, what: bytes, more: bytes) -> None:
        try:
            self._control.send(what + b" " + more)
        except OSError:
            return  # nobody is there to hear it


class Start:
    """How a command is to be started: what came in a request, word by word.

    Grace in seconds, working folder, limits (`name=number` with commas between),
    how many paths to try, these, how many arguments, these, then `NAME=value` of its environment.
    """

    def __init__(self, request: bytes) -> None:
        words = request.split(b"\0")
        self.grace = float(words[0])
        self._folder = words[1]
        self._limits = [limit.split(b"=") for limit in words[2].split(b",") if limit]
        rest = 4 + int(words[3])
        self._paths = words[4:rest]
        end = rest + 1 + int(words[rest])
        self._argv = words[rest + 1 : end]
        self._environment = dict(word.split(b"=", 1) for word in words[end:] if word)

    def run(self, stdio: list[int]) -> tuple[int, bytes]:
        """The number of the started process; or 0 and what failed, with its errno.

        We move into its folder ourselves: a spawn, which copies no memory, passes that on and
        cannot set it. It cannot set limits either, and these must not be ours.
        """
        step = b"folder"
        try:
            os.chdir(self._folder)
            step = b"program"
            if self._limits:
                return self._fork(stdio)
            actions = [(os.POSIX_SPAWN_DUP2, fd, to) for to, fd in enumerate(stdio)]
            return self._first(lambda path: self._spawn(path, actions)), b""
        except OSError as error:
            return 0, _failure(step, error)

    def _fork(self, stdio: list[int]) -> tuple[int, bytes]:
        """The same from a copy of us, which takes the limits first and says what fails."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            self._become(stdio, writer)
        os.close(writer)
        failure = os.read(reader, 256)  # or the end: a program has taken its place
        os.close(reader)
        if failure:
            os.waitpid(pid, 0)
            return 0, failure
        return pid, b""

    def _become(self, stdio: list[int], writer: int) -> None:
        """In the copy: be the command. Never returns."""
        step = b"program"
        try:
            os.setsid()
            for number in _CHANGED:
                _signal.signal(number, _signal.SIG_DFL)
            for to, descriptor in enumerate(stdio):
                os.dup2(descriptor, to)
            step = b"limit"
            self._limit()
            step = b"program"
            self._first(self._exec)
        except Exception as error:  # whatever it is, it did not become the command
            os.write(writer, _failure(step, error))
        finally:
            os._exit(127)

    def _limit(self) -> None:
        for name, value in self._limits:
            number = int(value)
            if name == b"nice":
                os.nice(number)
            else:
                soft, hard, which = _LIMITS[name]
                resource.setrlimit(which, (number + soft, number + hard))

    def _spawn(self, path: bytes, actions: list[tuple[int, int, int]]) -> int:
        return os.posix_spawn(
            path,
            self._argv,
            self._environment,
            file_actions=actions,
            setsid=True,
            setsigmask=(),
            setsigdef=_CHANGED,
        )

    def _exec(self, path: bytes) -> int:
        os.execve(path, self._argv, self._environment)  # noqa: S606  # a program, not a shell's text

    def _first(self, start: Callable[[bytes], int]) -> int:
        """Like a shell, the first that can be executed; the error of one that is there counts."""
        first: OSError | None = None
        last: OSError | None = None
        for path in self._paths:
            try:
                return start(path)
            except (FileNotFoundError, NotADirectoryError) as error:
                last = error
            except OSError as error:
                first = first or error
        raise first or last or FileNotFoundError(2, "no path")


def _say_failed(control: _socket.socket, step: bytes, error: OSError) -> None:
    try:
        control.send(FAILED + b" " + _failure(step, error))
    except OSError:
        return  # nobody is there to hear it


def _failure(step: bytes, error: Exception) -> bytes:
    """What failed, with its errno; EINVAL for a number that the system does not take."""
    code = error.errno if isinstance(error, OSError) else _EINVAL
    return b"%s %d" % (step, code or 0)


# --- the spawner --------------------------------------------------------------------------------


class Spawner:
    """Keeps a guardian ready for the next request, and ends whoever outlives its guardian.

    The one that stands by takes the request itself, so that nobody waits for a fork.
    """

    def __init__(self, become_subreaper: Callable[[], None]) -> None:
        self._become_subreaper = become_subreaper
        self._requests = _socket.socket(fileno=REQUESTS)
        self._children = _OwnChildren()
        self._wake = _wake_on_exits()
        self._taken, self._take = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._guardians: set[int] = set()
        self._standby = 0
        self._orphaned = False

    def serve(self) -> None:
        """Until nobody can ask any more, and all guardians have ended.

        Who asks is our parent; somebody whom it forked may keep the other end of `REQUESTS` open.
        """
        poll = select.poll()
        if (host := _pidfd(os.getppid())) >= 0:
            poll.register(host, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        poll.register(self._taken, select.POLLIN)
        poll.register(REQUESTS, 0)  # its end alone
        wanted = True
        while wanted or self._children.now():
            if wanted:  # nobody stands by where no process can be had: then we hear requests
                poll.modify(REQUESTS, 0 if self._standby or not self._fork() else select.POLLIN)
            for descriptor, event in poll.poll(_AGAIN * 1000 if self._orphaned else None):
                if descriptor == self._wake:
                    _drain(descriptor)
                elif descriptor == self._taken:
                    _drain(descriptor)
                    self._standby = 0
                elif descriptor == REQUESTS and event == select.POLLIN:
                    if code := self._fork():
                        self._refuse(code)
                else:
                    poll.unregister(descriptor)
                    self._requests.shutdown(_socket.SHUT_RDWR)  # for the one that stands by, too
                    wanted = False
            self._tidy()

    def _fork(self) -> int:
        """Have somebody stand by; or the errno of why that cannot be."""
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
        """No process can be had: say so to who asks."""
        descriptors, _ = self._receive()
        if descriptors:
            _say_failed(_socket.socket(fileno=descriptors[0]), b"fork", OSError(code, ""))
            for descriptor in descriptors[1:]:
                os.close(descriptor)

    def _receive(self) -> tuple[list[int], list[int]]:
        """The descriptors of one request, how many were sent, and of pidfds; or its end: none.

        Of more than we may have open the system drops the last without a word.
        """
        room = _socket.CMSG_SPACE(4 * MOST_DESCRIPTORS)
        message, ancillary, _, _ = self._requests.recvmsg(64, room, _MSG_CMSG_CLOEXEC)
        data = b"".join(bytes(entry[2]) for entry in ancillary)
        fds = [int.from_bytes(data[i : i + 4], sys.byteorder) for i in range(0, len(data), 4)]
        return fds, [int(number) for number in message.split()]

    def _stand_by(self) -> None:
        """In the fork: wait for a request, and be the guardian that it asks for."""
        code = 1
        try:
            os.close(_signal.set_wakeup_fd(-1))
            os.close(self._wake)
            self._children.close()
            os.setsid()
            self._become_subreaper()
            descriptors, counts = self._receive()
            if descriptors:
                os.write(self._take, b"!")
                self._requests.close()  # who asks must notice when the spawner dies
                self._guard(descriptors, *counts)
            code = 0
        finally:
            os._exit(code)

    def _guard(self, descriptors: list[int], sent: int, pidfds: int) -> None:
        control = _socket.socket(fileno=descriptors[0])
        try:
            if len(descriptors) < sent:
                raise OSError(_EMFILE, "")
            request, *rest = descriptors[1:]
            supervisor = rest.pop(0) if pidfds else -1
            start = Start(os.pread(request, os.fstat(request).st_size, 0))
            guardian = Guardian(control, supervisor, start.grace, rest[3:])
        except OSError as error:
            _say_failed(control, b"guard", error)
            return
        os.close(request)
        if not _hung_up(control):
            guardian.guard(start, rest[:3])

    def _tidy(self) -> None:
        """Reap; and end whoever is ours and no guardian: its own did not end well."""
        for pid in self._children.now():
            done, _ = os.waitpid(pid, os.WNOHANG)
            if done:
                self._guardians.discard(pid)
                self._standby = 0 if pid == self._standby else self._standby
        left = [pid for pid in self._children.now() if pid not in self._guardians]
        if left:
            _signal_all(_descendants(left), _signal.SIGKILL)
        self._orphaned = bool(left)


def main() -> None:
    """Be a spawner until nobody needs one."""
    for name in os.listdir("/proc/self/fd"):  # not all that could be: that may be a billion
        if int(name) > REQUESTS:
            _quietly(os.close, int(name))
    os.set_inheritable(REQUESTS, False)
    for number in _IGNORED:
        _signal.signal(number, _signal.SIG_IGN)
    Spawner(_subreaper()).serve()
    os._exit(0)  # nothing is left to tidy; the interpreter would take 4 ms for it


if __name__ == "__main__":
    main()
