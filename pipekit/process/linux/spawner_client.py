"""The spawner process as its user sees it: started once, it forks a guardian for each command.

It lives as long as somebody keeps the `Spawner`, and ends by itself with the process it serves.
"""

from __future__ import annotations

import _socket  # `socket` without its enums: 14 ms less at each start
import contextlib
import fcntl
import os
import select
import signal
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path

from pipekit.process.linux import guardian, procfs
from pipekit.process.start import SpawnError, out_of

assert sys.platform == "linux"  # for the type checker: pidfds and subreapers are nowhere else

_PATIENCE = 5.0  # seconds for a request to be taken; one takes a millisecond
_GOODBYE = 0.2  # seconds for the spawner to end; with nobody left to guard it needs one millisecond
_HEADER = 16  # bytes of a .pyc before the code: magic number, flags, time and size of the source

# Seconds; a start takes 13 ms. Who is interrupted just before giving the lock back keeps it for
# ever: its own thread does not wait then, others not for long, since two spawners do no harm.
_MOST_WAIT = 1.0
_lock = threading.RLock()
_forget = getattr(_lock, "_at_fork_reinit")  # noqa: B009  # what `threading` itself does
os.register_at_fork(after_in_child=_forget)  # its holder is no thread of a forked process
_shared: weakref.WeakSet[Spawner] = weakref.WeakSet()
_unreaped: list[int] = []  # spawners that still guard what cannot be ended


class SpawnerGoneError(Exception):
    """The spawner was killed, or does not answer; a new one can be had."""


def shared() -> Spawner:
    """The spawner of this process, started if nobody keeps one. Raises SpawnError."""
    taken = _lock.acquire(timeout=_MOST_WAIT)  # one for all supervisors
    try:
        spawner = next((each for each in list(_shared) if each.usable()), None)
        if spawner is None:
            spawner = Spawner()
            _shared.add(spawner)
        return spawner
    finally:
        if taken:
            _lock.release()


class Spawner:
    """A running spawner. Raises SpawnError when it cannot be started."""

    def __init__(self) -> None:
        self.pid = self._pidfd = -1
        self._socket: _socket.socket | None = None
        self._owner = _identity()
        _reap_late()
        try:
            self._socket, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
            with contextlib.closing(theirs):
                self.pid = _start(theirs)
        except (OSError, ValueError) as error:
            raise SpawnError(
                f"the process that guards commands cannot start: {_why(error)}"
            ) from error
        self._socket.settimeout(_PATIENCE)
        self._pidfd = _own_pidfd()

    def usable(self) -> bool:
        """Whether it serves this very process, with its present rights, and is still there."""
        if self._socket is None or self._owner != _identity():
            return False
        events = select.poll()
        events.register(self._socket.fileno(), 0)
        return not events.poll(0)  # a hang-up is always told

    def ask(self, request: bytes, control: int, stdio: Sequence[int], held: Sequence[int]) -> None:
        """Have a guardian forked, which gets copies of these descriptors.

        Raises SpawnerGoneError; or OSError, when this process is out of descriptors.

        `request`: what `guardian.Start` reads; `control`: the guardian's end of a packet socket;
        `held`: what it keeps open as long as anything of the command lives.
        """
        most = guardian.MOST_DESCRIPTORS - 6
        if len(held) > most:
            raise SpawnError(f"a guardian can hold {most} descriptors, not {len(held)}")
        memory = os.memfd_create("request")
        try:
            rest = memoryview(request)
            while rest:
                rest = rest[os.write(memory, rest) :]
            known = [self._pidfd] if self._pidfd >= 0 else []
            fds = [control, memory, *known, *stdio, *held]
            rights = b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds)
            self._send(b"%d %d" % (len(fds), len(known)), rights)
        finally:
            os.close(memory)

    def _send(self, message: bytes, rights: bytes) -> None:
        ours = self._socket
        try:
            if ours is None:
                raise BrokenPipeError
            ours.sendmsg([message], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
        except TimeoutError as error:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)  # stopped, perhaps; its guardians go on
            self.close()
            raise SpawnerGoneError from error
        except (ConnectionError, BrokenPipeError) as error:
            self.close()
            raise SpawnerGoneError from error

    def rouse(self) -> None:
        """Continue it, and its guardians, in case that somebody has stopped them."""
        if self._socket is None:
            return
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGCONT)
            for pid in procfs.read(f"/proc/{self.pid}/task/{self.pid}/children").split():
                os.kill(int(pid), signal.SIGCONT)

    def leave(self) -> None:
        """Let it end; `close` has less to wait for then."""
        if self._socket is not None and self._owner[0] == os.getpid():
            with contextlib.suppress(OSError):
                self._socket.shutdown(_socket.SHUT_RDWR)

    def close(self) -> None:
        """Let it end, and reap it."""
        if self._socket is None:
            return
        owned = self.pid >= 0 and self._owner[0] == os.getpid()
        if owned and self.pid not in _unreaped:
            _unreaped.append(self.pid)  # first: whoever interrupts what follows leaves no zombie
        ours, self._socket = self._socket, None
        if owned:  # for those as well who have it from a fork
            with contextlib.suppress(OSError):
                ours.shutdown(_socket.SHUT_RDWR)
        ours.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
        if not owned:
            return  # a copy, in a process that was forked: it is not ours to end
        deadline = time.monotonic() + _GOODBYE
        while self.pid in _unreaped and time.monotonic() < deadline:
            _reap_late()
            time.sleep(0.0005)

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # the interpreter may be in pieces already, `contextlib` too
            return


def _why(error: Exception) -> str:
    return out_of(error) or str(error) if isinstance(error, OSError) else str(error)


def _identity() -> tuple[int, int, int]:
    """Whoever differs in this must not use our spawner: a forked process, one with fewer rights."""
    return os.getpid(), os.geteuid(), os.getegid()


def _start(theirs: _socket.socket) -> int:
    if not sys.executable:
        raise ValueError("the path of the Python interpreter is not known (sys.executable)")
    high = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, guardian.REQUESTS + 1)
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", "-E", _program()],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, 0, 1),
                (os.POSIX_SPAWN_DUP2, 0, 2),
                (os.POSIX_SPAWN_DUP2, high, guardian.REQUESTS),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
    finally:
        os.close(high)


def _program() -> str:
    """The guardian's compiled code where it is up to date: compiling costs 8 ms at each start."""
    source = Path(__file__).with_name("guardian.py")
    cached = source.parent / "__pycache__" / f"guardian.{sys.implementation.cache_tag}.pyc"
    if not _up_to_date(cached, source) and not sys.dont_write_bytecode:
        import py_compile  # once for each installation

        with contextlib.suppress(OSError, py_compile.PyCompileError):
            py_compile.compile(str(source), cfile=str(cached))
    return str(cached if _up_to_date(cached, source) else source)


def _up_to_date(cached: Path, source: Path) -> bool:
    try:
        with open(cached, "rb") as file:
            header = file.read(_HEADER)
        stat = os.stat(source)
    except OSError:
        return False
    numbers = [int.from_bytes(header[i : i + 4], "little") for i in range(4, _HEADER, 4)]
    mask = 0xFFFFFFFF
    return numbers == [0, int(stat.st_mtime) & mask, stat.st_size & mask]


def _own_pidfd() -> int:
    try:
        return os.pidfd_open(os.getpid())
    except OSError:  # a sandbox: the guardian then knows of our end by its socket alone
        return -1


def _reap_late() -> None:
    for pid in _unreaped[:]:
        try:
            done = os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:  # somebody else took it, or this process ignores SIGCHLD
            done = True
        if done:
            with contextlib.suppress(ValueError):  # another thread was quicker
                _unreaped.remove(pid)
