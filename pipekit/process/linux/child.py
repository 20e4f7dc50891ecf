"""A command below a guardian: started, observed and stopped on Linux."""

from __future__ import annotations

import contextlib
import errno
import marshal
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence

from pipekit.model.command import Command, Outcome, ProcessSnapshot
from pipekit.process import signals
from pipekit.process.child import LOST_EXIT, Exit, Force, Member, ProcessUsage, Sent
from pipekit.process.linux import guardian, procfs, spawner_client
from pipekit.process.output import pipes
from pipekit.process.start import (
    SpawnError,
    child_environment,
    open_stdio,
    spawn_failure,
)
from pipekit.process.stop import KILL_TIMEOUT

assert sys.platform == "linux"  # tells the type checker that pidfds and subreapers exist

_START_TIMEOUT = 30.0  # seconds for a guardian to start the command; usually 2 ms
_ANSWER_TIMEOUT = 0.5  # seconds for a guardian to answer; then it gets SIGCONT
_EXIT_TIMEOUT = 0.1  # seconds for a guardian to exit after its last message
_MESSAGES = {Force.POLITE: guardian.POLITE, Force.HARD: guardian.HARD}


def start(
    command: Command,
    tree: str,
    spawner: spawner_client.SpawnerClient,
    hold_fds: Sequence[int] = (),
    cancel_fd: int = -1,
) -> GuardedChild:
    """Start a command below a guardian. Raises SpawnError.

    `tree`: a name for its tree; `hold_fds`: kept open by the guardian as long as the tree lives;
    `cancel_fd`: becomes readable when the command is cancelled.
    """
    env = child_environment(command, tree)
    with open_stdio(command, env) as (stdio, outputs):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:  # the guardian gets a copy
                request = _request(command, env)
                try:
                    spawner.send_request(request, theirs.fileno(), stdio, hold_fds)
                except spawner_client.SpawnerGoneError:
                    spawner = spawner_client.shared_spawner()
                    spawner.send_request(request, theirs.fileno(), stdio, hold_fds)
            message = _first_message(ours, spawner, _start_timeout(command), cancel_fd)
            pids = _pids(message, command, env)
            return GuardedChild(ours, pids, tree=tree, outputs=outputs, cancel_fd=cancel_fd)
        except BaseException:  # an interrupt must not leave a command behind either
            _abort(ours)
            raise


def _request(command: Command, env: dict[str, str]) -> bytes:
    """A request, see guardian.py. Raises ValueError for text that cannot be encoded."""
    program = command.argv[0]
    folders = [""] if os.path.dirname(program) else os.get_exec_path(env)
    limits = {
        resource.RLIMIT_DATA: command.max_memory,
        resource.RLIMIT_CPU: command.max_cpu,  # one second more is the hard limit: SIGXCPU first
        resource.RLIMIT_NOFILE: command.max_open_files,
    }
    return marshal.dumps(
        (
            float(command.grace),
            os.fsencode(os.path.join(_current_folder(), command.cwd or "")),
            [(n, (int(x), int(x) + (n == resource.RLIMIT_CPU))) for n, x in limits.items() if x],
            int(command.nice),
            [os.fsencode(os.path.join(folder, program)) for folder in folders],
            [os.fsencode(word) for word in command.argv],
            {os.fsencode(name): os.fsencode(value) for name, value in env.items()},
        )
    )


def _current_folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # removed: it has no path any more, but can still be entered
        return f"/proc/{os.getpid()}/cwd"


def _start_timeout(command: Command) -> float:
    """Seconds for the start, so that the command is over in time even if the start hangs."""
    if command.timeout is None:
        return _START_TIMEOUT
    return min(_START_TIMEOUT, max(command.timeout + command.grace, _ANSWER_TIMEOUT))


def _first_message(
    control: socket.socket, spawner: spawner_client.SpawnerClient, timeout: float, cancel_fd: int
) -> bytes:
    """The guardian's first message. Raises SpawnError or OSError.

    After a cancellation it waits a moment longer: a command that was just started is then stopped
    politely.
    """
    deadline = time.monotonic() + timeout
    cancelled = False
    poll = select.poll()
    for descriptor in (control.fileno(), *([cancel_fd] if cancel_fd >= 0 else [])):
        poll.register(descriptor, select.POLLIN)
    while (rest := deadline - time.monotonic()) > 0:
        ready = {descriptor for descriptor, _ in poll.poll(min(rest, _ANSWER_TIMEOUT) * 1000)}
        if control.fileno() in ready:
            return guardian.receive(control)
        if ready:
            cancelled = True
            poll.unregister(cancel_fd)
            deadline = min(deadline, time.monotonic() + _ANSWER_TIMEOUT)
        elif rest > _ANSWER_TIMEOUT:  # not at the end: it would start what we now give up
            spawner.resume()
    if cancelled:
        raise SpawnError("cancelled before it had started", Outcome.CANCELLED)
    raise SpawnError(f"its guardian did not answer within {timeout:g} s", Outcome.LOST)


def _pids(message: bytes, command: Command, env: dict[str, str]) -> tuple[int, int]:
    """The pids of guardian and leader. Raises SpawnError for any message but `started`."""
    kind, _, details = message.partition(b" ")
    if kind == guardian.STARTED:
        own, leader = details.split()
        return int(own), int(leader)
    if kind != guardian.FAILED:
        reason = "its guardian was killed before it could report the start"
        raise SpawnError(reason, Outcome.LOST)
    step, code = details.split()
    error = OSError(int(code), os.strerror(int(code)))
    if step == b"limit":
        too_high = "one exceeds what this process may set (see ulimit -H)"
        why = too_high if error.errno == errno.EINVAL else error.strerror
        raise SpawnError(f"its limits could not be set: {why}")
    raise SpawnError(spawn_failure(command, env, error))


def _abort(control: socket.socket) -> None:
    """Kill what may have been started, and wait until it is gone."""
    with contextlib.suppress(OSError):
        control.settimeout(KILL_TIMEOUT)
        control.send(guardian.HARD)
        deadline = time.monotonic() + KILL_TIMEOUT
        while control.recv(256) and time.monotonic() < deadline:
            pass
    control.close()


class GuardedChild(pipes.Pipes):
    """A `Child` below a guardian. If the guardian has died, it uses /proc and the tree's name."""

    def __init__(
        self,
        control: socket.socket,
        pids: tuple[int, int],
        *,
        tree: str,
        outputs: dict[str, int],
        cancel_fd: int,
    ) -> None:
        self._guardian, self.pid = pids
        self._control = control
        control.setblocking(False)
        self.lost = False
        self._code: int | None = None
        self._answer: bytes | None = None
        self._exit: Exit | None = None
        self._tree = tree
        super().__init__(outputs, guardian.open_pidfd(self.pid), cancel_fd, [control.fileno()])

    # --- messages of the guardian -------------------------------------------------------------

    def wait(self, seconds: float | None, *, output: bool = True) -> list[str]:
        """See `Child`."""
        ready = super().wait(seconds, output=output)
        self._receive()
        return ready

    @property
    def _over(self) -> bool:
        """Whether the guardian will send nothing more."""
        return self.lost or self._exit is not None

    def _receive(self) -> None:
        while not self._over:
            try:
                message = guardian.receive(self._control)
            except BlockingIOError:
                return
            self._handle(*message.partition(b" ")[::2])

    def _handle(self, kind: bytes, details: bytes) -> None:
        if kind == guardian.EXITED:
            self._code = int(details)
        elif kind == guardian.SIGNALLED:
            self._answer = details
        elif kind == guardian.GONE:
            code, cpu, peak, floor = details.split()
            self._code = int(code)
            self._exit = Exit(
                returncode=int(code),
                cpu=float(cpu),
                peak_rss=int(peak) * 1024 if int(peak) > int(floor) else None,
            )
        elif not kind:  # killed; the spawner adopts the tree, or nobody does
            self.lost = True
        if self._over:
            self.unregister(self._control.fileno())

    def _wait_for_answer(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._answer is None and not self._over:
            rest = deadline - time.monotonic()
            if rest <= 0:
                return
            self.wait(rest, output=False)

    # --- the tree -----------------------------------------------------------------------------

    def exited(self) -> bool:
        """See `Child`."""
        self._receive()
        return self.lost or self._code is not None or super().exited()

    @property
    def tree_empty(self) -> bool | None:
        """See `Child`."""
        return None if self.lost else self._exit is not None

    def members(self) -> list[Member]:
        """See `Child`."""
        if self._exit is not None:
            return []
        if self.lost:
            return procfs.members_by_name(self._tree)
        return procfs.members(self._guardian, (self._guardian, self.pid))

    def usage(self) -> list[ProcessUsage]:
        """See `Child`."""
        return [] if self._over else procfs.usage(self._guardian)

    def network(self) -> dict[int, int]:
        """See `Child`."""
        if self._over:
            return {}
        from pipekit.process.linux import sockets  # few commands need it

        return sockets.moved(guardian.descendants([self._guardian])[1:])

    def snapshot(self) -> list[ProcessSnapshot]:
        """See `Child`."""
        return [] if self._over else procfs.snapshot(self._guardian)

    def send(self, force: Force, members: list[Member]) -> Sent:
        """See `Child`. The guardian knows the tree best; without it, signal these members."""
        if self.lost:
            signals.signal_members(force, members, procfs.group_of)
            return Sent(leader=False)
        self._answer = None
        running = not self.exited()  # first: the guardian may be quicker than our next look
        with contextlib.suppress(OSError):  # it has just exited: the next look tells
            self._control.send(_MESSAGES[force])
        if force is Force.HARD:
            self._resume_guardian()
            return Sent(leader=running)
        self._wait_for_answer(_ANSWER_TIMEOUT)
        if self._answer is not None:
            return Sent(leader=self._answer == b"1")
        self._resume_guardian()
        # it may still signal: not an exit by itself
        return Sent(leader=running and not self._over)

    def _resume_guardian(self) -> None:
        """Continue the guardian (SIGCONT), in case somebody stopped it."""
        if not self._over:
            with contextlib.suppress(OSError):
                os.kill(self._guardian, signal.SIGCONT)

    def reap(self) -> Exit | None:
        """See `Child`. The guardian has reaped the leader; wait until it has exited as well."""
        self._receive()
        if self.lost:
            return LOST_EXIT
        if self._exit is None:
            return None if self._code is None else Exit(self._code, None, None)
        self._control.settimeout(_EXIT_TIMEOUT)
        with contextlib.suppress(OSError):
            self._control.recv(1)
        return self._exit

    def close(self) -> None:
        """See `Child`. A guardian that still has work to do carries on alone."""
        super().close()
        self._control.close()
