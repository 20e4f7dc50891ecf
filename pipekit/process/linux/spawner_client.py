"""The client of the spawner: starts it once, and sends it a request for each command.

The spawner lives as long as a supervisor keeps a `SpawnerClient`, and never longer than its host.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path

from pipekit.process import signals
from pipekit.process.linux import guardian
from pipekit.process.start import SpawnError, resource_shortage, unnamed_file

assert sys.platform == "linux"  # tells the type checker that pidfds and subreapers exist

_SEND_TIMEOUT = 5.0  # seconds for a request to be taken; usually a millisecond
_EXIT_TIMEOUT = 0.2  # seconds for the spawner to exit; an idle one needs a millisecond
_LOCK_TIMEOUT = 1.0  # seconds, then start another one: two spawners do no harm

# Imported instead of run as a script, so that Python caches its compiled code as it always does.
_PROGRAM = "import sys; sys.path.append(sys.argv[1]); import guardian; guardian.main()"

_shared: weakref.WeakSet[SpawnerClient] = weakref.WeakSet()
_unreaped: list[int] = []  # spawners that had not exited when they were closed
_locks: dict[int, threading.RLock] = {}  # by process: a fork copies locks, but not their holders


class SpawnerGoneError(SpawnError):
    """The spawner was killed or does not answer; start another one."""

    def __init__(self) -> None:
        super().__init__("the spawner of the guardians exited before it could be asked to start it")


def shared_spawner() -> SpawnerClient:
    """The spawner of this process, started if no supervisor keeps one. Raises SpawnError."""
    lock = _locks.setdefault(os.getpid(), threading.RLock())
    locked = lock.acquire(timeout=_LOCK_TIMEOUT)
    try:
        client = next((each for each in list(_shared) if each.usable()), None)
        if client is None:
            client = SpawnerClient()
            _shared.add(client)
        return client
    finally:
        if locked:
            lock.release()


class SpawnerClient:
    """A running spawner. Raises SpawnError if it cannot be started."""

    def __init__(self) -> None:
        self.pid = -1
        self._socket: socket.socket | None = None
        self._owner = _identity()
        signals.reap(_unreaped)
        try:
            self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self.pid = _start(theirs)
        except (OSError, ValueError) as error:
            shortage = resource_shortage(error) if isinstance(error, OSError) else None
            raise SpawnError(f"the guardian cannot be started: {shortage or error}") from error
        self._socket.settimeout(_SEND_TIMEOUT)

    def usable(self) -> bool:
        """Whether it is alive and serves this process with its present rights."""
        if self._socket is None or self._owner != _identity():
            return False
        return not guardian.hung_up(self._socket)

    def send_request(
        self, request: bytes, control: int, stdio: Sequence[int], held: Sequence[int]
    ) -> None:
        """Request a guardian, which gets copies of these descriptors.

        `request` and the order of the descriptors: see the wire protocol in guardian.py. `control`
        is the guardian's end; `held` stay open in the guardian as long as the command's tree lives.
        Raises SpawnerGoneError, SpawnError, or OSError when this process is out of descriptors.
        """
        most = guardian.MAX_DESCRIPTORS - 5
        if len(held) > most:
            raise SpawnError(f"hold_fds: at most {most} descriptors can be held, got {len(held)}")
        memory = unnamed_file(request)
        fds = [control, memory, *stdio, *held]
        try:
            if self._socket is None:
                raise BrokenPipeError
            socket.send_fds(self._socket, [b"%d" % len(fds)], fds)
        except (TimeoutError, ConnectionError) as error:
            if isinstance(error, TimeoutError):
                with contextlib.suppress(OSError):
                    os.kill(self.pid, signal.SIGKILL)  # perhaps stopped; its guardians live on
            self.close()
            raise SpawnerGoneError from error
        finally:
            os.close(memory)

    def resume(self) -> None:
        """Continue the spawner and its guardians (SIGCONT), in case somebody stopped them."""
        if self._socket is None:
            return
        from pipekit.process.linux import procfs  # not needed to start it

        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGCONT)
            for pid in procfs.read(f"/proc/{self.pid}/task/{self.pid}/children").split():
                os.kill(int(pid), signal.SIGCONT)

    def close(self) -> None:
        """Let the spawner exit, and reap it."""
        if self._socket is None:
            return
        owned = self.pid >= 0 and self._owner[0] == os.getpid()  # or it is a copy made by a fork
        if owned and self.pid not in _unreaped:
            _unreaped.append(self.pid)  # first, so that an interrupt below leaves no zombie
        ours, self._socket = self._socket, None
        if owned:  # a forked copy of the socket must not keep the spawner alive
            with contextlib.suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)
        ours.close()
        deadline = time.monotonic() + _EXIT_TIMEOUT
        while owned and time.monotonic() < deadline:
            signals.reap(_unreaped)
            if self.pid not in _unreaped:
                break
            time.sleep(0.0005)

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # at interpreter shutdown the modules used above may be gone
            return


def _identity() -> tuple[int, int, int]:
    """A process that differs in this needs its own spawner: a fork, or one with other rights."""
    return os.getpid(), os.geteuid(), os.getegid()


def _start(theirs: socket.socket) -> int:
    if not sys.executable:
        raise ValueError("the path of the Python interpreter is unknown (sys.executable is empty)")
    flags = ["-I", "-S", "-E", *(["-B"] if sys.dont_write_bytecode else [])]
    if sys.pycache_prefix:
        flags += ["-X", f"pycache_prefix={sys.pycache_prefix}"]
    high = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, guardian.REQUEST_FD + 1)
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, *flags, "-c", _PROGRAM, str(Path(__file__).parent)],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, 0, 1),
                (os.POSIX_SPAWN_DUP2, 0, 2),
                (os.POSIX_SPAWN_DUP2, high, guardian.REQUEST_FD),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
    finally:
        os.close(high)
