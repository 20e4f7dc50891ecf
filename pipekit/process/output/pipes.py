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
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)


class Pipes:
    """The reading ends of a command's streams, and descriptors that wake a waiter.

    A descriptor in `once` wakes a single time: it stays readable, and would wake everybody for
    ever. Those in `always` are read by their owner.
    """

    def __init__(
        self, outputs: Mapping[str, int], *, once: Iterable[int], always: Iterable[int] = ()
    ) -> None:
        self.capacity = _READ_SIZE
        self._outputs = dict(outputs)
        self._pending = {fd for fd in once if fd >= 0}
        self._with_output, self._without_output = select.poll(), select.poll()
        for descriptor in (*self._pending, *always):
            self._without_output.register(descriptor, select.POLLIN)
            self._with_output.register(descriptor, select.POLLIN)
        for descriptor in self._outputs.values():
            self._with_output.register(descriptor, select.POLLIN)
            os.set_blocking(descriptor, False)
            if _SET_PIPE_SIZE is not None:
                with contextlib.suppress(OSError):  # this user has too many large pipes already
                    self.capacity = fcntl.fcntl(descriptor, _SET_PIPE_SIZE, _PIPE_SIZE)

    def streams(self) -> list[str]:
        """See `Child`."""
        return list(self._outputs)

    def has_woken(self, descriptor: int) -> bool:
        """Whether this descriptor of `once` has become readable."""
        return descriptor not in self._pending

    def wait(self, seconds: float | None, *, output: bool = True) -> list[str]:
        """See `Child`."""
        poll = self._with_output if output else self._without_output
        ready = {fd for fd, _ in poll.poll(None if seconds is None else max(seconds * 1000, 0))}
        for descriptor in ready & self._pending:
            self._pending.discard(descriptor)
            self.unregister(descriptor)
        return [stream for stream, fd in self._outputs.items() if fd in ready]

    def unregister(self, descriptor: int) -> None:
        """Never be woken by this descriptor again."""
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
