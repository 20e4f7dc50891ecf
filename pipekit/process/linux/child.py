"""A command below a guardian of its own: how it is started on Linux, heard and stopped."""

from __future__ import annotations

import _socket  # `socket` without its enums: 14 ms less at each start
import contextlib
import errno
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from pipekit.model.command import Command, ProcessSnapshot
from pipekit.process.child import Exit, Force
from pipekit.process.linux import guardian, procfs
from pipekit.process.linux import spawner_client as spawner
from pipekit.process.macos import child as posix
from pipekit.process.output import pipes
from pipekit.process.start import (
    CalledOffError,
    LostError,
    SpawnError,
    child_environment,
    why_not_started,
)
from pipekit.process.stop import INSIST
from pipekit.process.tree import Member, Reading

assert sys.platform == "linux"  # for the type checker: pidfds and subreapers are nowhere else

_START = 30.0  # seconds for a guardian to say that it has started the command; it needs two ms
_ANSWER = 0.5  # seconds for a guardian to say that it has signalled; then it is continued
_EXIT = 0.1  # seconds for a guardian to be gone after its last word
_WORDS = {guardian.POLITE: Force.POLITE, guardian.HARD: Force.HARD}


def start(
    command: Command,
    tree: str,
    source: spawner.Spawner,
    held: Sequence[int] = (),
    cancel_fd: int = -1,
) -> GuardedChild:
    """Start a command below a guardian. Raises SpawnError.

    `tree` is a name for its tree; `held`: descriptors that the guardian keeps open as long as
    anything of it lives; `cancel_fd` wakes `wait` when it becomes readable.
    """
    env = child_environment(command, tree)
    ends: dict[str, int] = {}
    try:
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    except OSError as error:
        raise SpawnError(why_not_started(command, env, error)) from error
    try:
        with contextlib.ExitStack() as given:  # what the guardian has copies of
            given.callback(theirs.close)
            stdio = _stdio(command, ends, given)
            taker = _ask(source, _request(command, env), theirs.fileno(), stdio, held)
            theirs.close()
            word = _first_word(ours, taker, _start_patience(command), cancel_fd)
        return GuardedChild(ours, _pids(word, command, env), tree, ends, cancel_fd)
    except BaseException as error:  # whatever it is, wherever it comes
        theirs.close()
        _abandon(ours)
        for descriptor in ends.values():
            os.close(descriptor)
        if isinstance(error, (OSError, ValueError)):
            raise SpawnError(why_not_started(command, env, error)) from error
        raise


def _ask(source: spawner.Spawner, *request: Any) -> spawner.Spawner:
    """Of this spawner, or once of a new one; returns which it was."""
    try:
        try:
            source.ask(*request)
        except spawner.SpawnerGoneError:
            source = spawner.shared()
            source.ask(*request)
        return source
    except spawner.SpawnerGoneError as error:
        raise SpawnError(
            "the process that guards commands ended before it could be asked to start this one"
        ) from error


def _stdio(command: Command, ends: dict[str, int], given: contextlib.ExitStack) -> list[int]:
    """The descriptors that become the command's 0, 1, 2; `ends` gets where we read."""
    writers = [posix.stdin(command.stdin)]
    given.callback(os.close, writers[0])
    for stream in ("stdout",) if command.merge_stderr else ("stdout", "stderr"):
        ends[stream], writer = os.pipe()
        given.callback(os.close, writer)
        writers.append(writer)
    return [*writers, writers[1]][:3]


def _request(command: Command, env: dict[str, str]) -> bytes:
    """What `guardian.Start` reads. Raises ValueError for text that the file encoding lacks."""
    program = command.argv[0]
    folders = [""] if os.path.dirname(program) else os.get_exec_path(env)
    words = [
        *(str(command.grace), os.path.join(_here(), command.cwd or ""), _limits(command)),
        *(str(len(folders)), *(os.path.join(folder, program) for folder in folders)),
        *(str(len(command.argv)), *command.argv),
        *(f"{name}={value}" for name, value in env.items()),
    ]
    return b"\0".join(map(os.fsencode, words))


def _limits(command: Command) -> str:
    limits = {
        "memory": command.max_memory,
        "cpu": command.max_cpu,
        "files": command.max_open_files,
        "nice": command.nice,
    }
    return ",".join(f"{name}={number}" for name, number in limits.items() if number)


def _here() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # removed under us: it has no path, and is ours all the same
        return f"/proc/{os.getpid()}/cwd"


def _start_patience(command: Command) -> float:
    """Seconds for its start: a command is over in time also when that takes too long."""
    if command.timeout is None:
        return _START
    return min(_START, max(command.timeout + command.grace, _ANSWER))


def _first_word(
    control: _socket.socket, taker: spawner.Spawner, patience: float, cancel_fd: int
) -> bytes:
    """What the guardian says first. Raises LostError, CalledOffError, or OSError.

    A cancel waits a moment for it: what has been started by then is asked politely.
    """
    deadline = time.monotonic() + patience
    called_off = False
    poll = select.poll()
    for descriptor in (control.fileno(), *([cancel_fd] if cancel_fd >= 0 else [])):
        poll.register(descriptor, select.POLLIN)
    while (rest := deadline - time.monotonic()) > 0:
        ready = {descriptor for descriptor, _ in poll.poll(min(rest, _ANSWER) * 1000)}
        if control.fileno() in ready:
            return guardian.receive(control)
        if ready:
            called_off = True
            poll.unregister(cancel_fd)
            deadline = min(deadline, time.monotonic() + _ANSWER)
        elif rest > _ANSWER:  # or it would start what is given up in this moment
            taker.rouse()
    if called_off:
        raise CalledOffError("cancelled before it had started")
    raise LostError(f"its guardian did not answer within {patience:g} s")


def _pids(message: bytes, command: Command, env: dict[str, str]) -> tuple[int, int]:
    """The guardian's and the leader's process number. Raises SpawnError."""
    word, _, rest = message.partition(b" ")
    if word == guardian.STARTED:
        own, leader = rest.split()
        return int(own), int(leader)
    if word != guardian.FAILED:
        raise LostError("its guardian was killed before it could say that it had started it")
    step, code = rest.split()
    error = OSError(int(code), os.strerror(int(code)))
    if step == b"limit":
        beyond = "one is beyond what this process may set (ulimit -H)"
        words = beyond if error.errno == errno.EINVAL else error.strerror
        raise SpawnError(f"its limits could not be set: {words}")
    raise SpawnError(why_not_started(command, env, error))


def _abandon(control: _socket.socket) -> None:
    """End at once what may have been started, and wait for it."""
    with contextlib.suppress(OSError):
        control.settimeout(INSIST)
        control.send(guardian.HARD)
        deadline = time.monotonic() + INSIST
        while control.recv(256) and time.monotonic() < deadline:
            pass
    control.close()


class GuardedChild(pipes.Pipes):
    """See `Child`."""

    def __init__(
        self,
        control: _socket.socket,
        pids: tuple[int, int],
        tree: str,
        ends: dict[str, int],
        cancel: int,
    ) -> None:
        self._guardian, self.pid = pids
        self._control = control
        control.setblocking(False)
        self.lost = False
        self._code: int | None = None
        self._answer: bytes | None = None
        self._gone: Exit | None = None
        self._tree = procfs.ProcTree(self.pid, tree)  # for the time after its guardian
        self._exit_fd = _pidfd(self.pid)
        self._exit_poll = select.poll()
        if self._exit_fd >= 0:
            self._exit_poll.register(self._exit_fd, select.POLLIN)
        super().__init__(ends, (self._exit_fd, cancel), (control.fileno(),))

    # --- hearing the guardian -----------------------------------------------------------------

    def wait(self, seconds: float | None, *, output: bool = True) -> list[str]:
        """See `Child`."""
        ready = super().wait(seconds, output=output)
        self._listen()
        return ready

    def _listen(self) -> None:
        while not self.lost and self._gone is None:
            try:
                message = guardian.receive(self._control)
            except BlockingIOError:
                return
            self._take(*message.partition(b" ")[::2])

    def _take(self, word: bytes, rest: bytes) -> None:
        if word == guardian.EXITED:
            self._code = int(rest)
        elif word == guardian.SENT:
            self._answer = rest
        elif word == guardian.GONE:
            code, cpu, peak, floor = rest.split()
            self._code = int(code)
            self._gone = Exit(
                returncode=int(code),
                cpu=float(cpu),
                peak_rss=int(peak) * 1024 if int(peak) > int(floor) else None,
            )
        elif not word:  # killed; whatever is left has the spawner for its parent, or nobody
            self.lost = True
            self._tree.forget_leader()
        if self.lost or self._gone is not None:
            self.forget(self._control.fileno())

    def _listen_for(self, seconds: float) -> None:
        """Wait for an answer of the guardian."""
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._control.fileno(), select.POLLIN)
        while self._answer is None and not self.lost and self._gone is None:
            rest = deadline - time.monotonic()
            if rest <= 0 or not poll.poll(rest * 1000):
                return
            self._listen()

    # --- the tree -----------------------------------------------------------------------------

    def exited(self) -> bool:
        """See `Child`."""
        self._listen()
        if self.lost or self._code is not None:
            return True
        return bool(self._exit_poll.poll(0))

    @property
    def told_empty(self) -> bool | None:
        """See `Child`."""
        return None if self.lost else self._gone is not None

    def members(self) -> list[Member]:
        """See `Child`."""
        if self._gone is not None:
            return []
        if self.lost:
            return self._tree.members()
        return procfs.members(self._guardian, (self._guardian, self.pid))

    def readings(self) -> list[Reading]:
        """See `Child`."""
        if self.lost or self._gone is not None:
            return []
        return procfs.readings(self._guardian, (self._guardian,))

    def snapshot(self) -> list[ProcessSnapshot]:
        """See `Child`."""
        if self.lost or self._gone is not None:
            return []
        return procfs.snapshot(self._guardian, (self._guardian,))

    def send(self, force: Force, members: list[Member]) -> bool:
        """See `Child`. The guardian knows best who there is; without it, it is by name."""
        if self.lost:
            posix.signal_groups(force, members, procfs.group_of)
            return False
        word = next(word for word, meaning in _WORDS.items() if meaning is force)
        self._answer = None
        ran = not self.exited()  # looked at before: a guardian can be quicker than our next look
        with contextlib.suppress(OSError):  # gone meanwhile: the next look tells
            self._control.send(word)
        if force is Force.HARD:
            self._rouse()
            return ran
        self._listen_for(_ANSWER)
        if self._answer is not None:
            return self._answer == b"1"
        self._rouse()
        return ran and not self.lost and self._gone is None  # it may signal yet: not by itself

    def _rouse(self) -> None:
        """Somebody may have stopped the guardian, and then it would end nobody."""
        if not self.lost and self._gone is None:
            with contextlib.suppress(OSError):
                os.kill(self._guardian, signal.SIGCONT)

    def reap(self) -> Exit | None:
        """See `Child`. It is the guardian who reaps; this waits until it is gone as well."""
        self._listen()
        if self.lost:
            return Exit(None, None, None)
        if self._gone is None:
            return None if self._code is None else Exit(self._code, None, None)
        self._control.settimeout(_EXIT)
        with contextlib.suppress(OSError):
            self._control.recv(1)
        return self._gone

    def close(self) -> None:
        """See `Child`. A guardian that has not done its work goes on alone."""
        super().close()
        self._control.close()
        if self._exit_fd >= 0:
            os.close(self._exit_fd)
            self._exit_fd = -1


def _pidfd(pid: int) -> int:
    """Readable when the leader has exited; -1 where that cannot be had: the guardian tells, too."""
    try:
        return os.pidfd_open(pid)
    except OSError:  # gone already, no descriptor left, or a sandbox
        return -1
