"""The output pipes of a command on POSIX, and waiting for them and other descriptors."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import sys
from collections.abc import Iterable, Mapping

assert sys.platform != "win32"  # tells the type checker that fcntl and poll exist

_READ_SIZE = 64 * 1024  # bytes
_PIPE_SIZE = 1024 * 1024  # bytes; the most that Linux allows without privileges by default


class Pipes:
    """The reading ends of a command's streams, and descriptors that wake a waiter.

    `exit_fd` becomes readable when the leader has exited, `cancel_fd` when the command is cancelled
    (-1: there is none). They wake a waiter once only: they stay readable, and would wake it
    forever. Those in `always` are read by their owner.
    """

    def __init__(
        self, outputs: Mapping[str, int], exit_fd: int, cancel_fd: int, always: Iterable[int] = ()
    ) -> None:
        self.capacity = _READ_SIZE
        self._outputs = dict(outputs)
        self._exit_fd = exit_fd
        self._exit_poll = select.poll()
        if exit_fd >= 0:
            self._exit_poll.register(exit_fd, select.POLLIN)
        self._pending = {fd for fd in (exit_fd, cancel_fd) if fd >= 0}
        self._with_output, self._without_output = select.poll(), select.poll()
        for descriptor in (*self._pending, *always):
            self._without_output.register(descriptor, select.POLLIN)
            self._with_output.register(descriptor, select.POLLIN)
        for descriptor in self._outputs.values():
            self._with_output.register(descriptor, select.POLLIN)
            os.set_blocking(descriptor, False)
            if sys.platform == "linux":
                with contextlib.suppress(OSError):  # this user has too many large pipes already
                    self.capacity = fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)

    def streams(self) -> list[str]:
        """See `Child`."""
        return list(self._outputs)

    def exited(self) -> bool:
        """See `Child`; False if there is no `exit_fd`."""
        return bool(self._exit_poll.poll(0))

    def wait(self, seconds: float | None, *, output: bool = True) -> list[str]:
        """See `Child`."""
        poll = self._with_output if output else self._without_output
        ready = {fd for fd, _ in poll.poll(None if seconds is None else max(seconds * 1000, 0))}
        for descriptor in ready & self._pending:
            self._pending.discard(descriptor)
            self.unregister(descriptor)
        return [stream for stream, fd in self._outputs.items() if fd in ready]

    def unregister(self, descriptor: int) -> None:
        """Stop waiting for this descriptor."""
        self._without_output.unregister(descriptor)
        self._with_output.unregister(descriptor)

    def read(self, stream: str) -> bytes | None:
        """See `Child`."""
        descriptor = self._outputs[stream]
        try:
            data = os.read(descriptor, _READ_SIZE)
        except BlockingIOError:
            return None
        if not data:
            self._with_output.unregister(descriptor)
            del self._outputs[stream]
            os.close(descriptor)
        return data

    def close(self) -> None:
        """See `Child`."""
        for descriptor in self._outputs.values():
            os.close(descriptor)
        self._outputs.clear()
        if self._exit_fd >= 0:
            os.close(self._exit_fd)
            self._exit_fd = -1
