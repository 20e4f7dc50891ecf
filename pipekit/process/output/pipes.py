"""The output pipes of a command on POSIX, and waiting for what wakes us; decides nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import sys
from collections.abc import Iterable, Mapping

assert sys.platform != "win32"  # for the type checker: half of this is not there

_CHUNK = 64 * 1024  # bytes that are asked for at first
_PIPE = 1024 * 1024  # bytes; what an unprivileged process may ask for by default
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)


class Pipes:
    """The reading ends of a command's streams, and descriptors that wake who waits for them.

    A waker tells once: readable for ever, it would keep everybody awake. `lasting` ones are read by
    their owner, and go on waking.
    """

    def __init__(
        self, ends: Mapping[str, int], wakers: Iterable[int], lasting: Iterable[int] = ()
    ) -> None:
        self.capacity = _CHUNK
        self._buffer = bytearray(_CHUNK)
        self._ends = dict(ends)
        self._wakers = {fd for fd in wakers if fd >= 0}
        self._all, self._quiet = select.poll(), select.poll()
        for descriptor in (*self._wakers, *lasting):
            self._quiet.register(descriptor, select.POLLIN)
            self._all.register(descriptor, select.POLLIN)
        for descriptor in self._ends.values():
            self._all.register(descriptor, select.POLLIN)
            self._prepare(descriptor)

    def _prepare(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        if _SET_PIPE_SIZE is not None:
            with contextlib.suppress(OSError):  # this user has too many large pipes already
                self.capacity = fcntl.fcntl(descriptor, _SET_PIPE_SIZE, _PIPE)

    def streams(self) -> list[str]:
        """The streams that have not ended."""
        return list(self._ends)

    def told(self, waker: int) -> bool:
        """Whether this waker has told."""
        return waker not in self._wakers

    def wait(self, seconds: float | None, *, output: bool = True) -> list[str]:
        """Wait for a waker, and with `output` for output; the streams with something to read."""
        poll = self._all if output else self._quiet
        ready = {fd for fd, _ in poll.poll(None if seconds is None else max(seconds * 1000, 0))}
        for descriptor in ready & self._wakers:
            self._wakers.discard(descriptor)
            self.forget(descriptor)
        return [stream for stream, fd in self._ends.items() if fd in ready]

    def forget(self, waker: int) -> None:
        """Never be woken by it again."""
        self._quiet.unregister(waker)
        self._all.unregister(waker)

    def read(self, stream: str, most: int) -> bytearray | memoryview | None:
        """See `Child`.

        New memory for each large read would cost more than the read, so there is a buffer that
        stays and grows with what comes; to less than a pipe holds, so that it can be full.
        """
        descriptor, buffer = self._ends[stream], self._buffer
        content = memoryview(buffer)[:most]
        try:
            size = os.readv(descriptor, [content])
        except BlockingIOError:
            return None
        if size == 0:
            self._all.unregister(descriptor)
            del self._ends[stream]
            os.close(descriptor)
        elif size == len(buffer):
            if size < (larger := min(most, 3 * self.capacity // 4)):
                self._buffer = bytearray(larger)
            return buffer
        return content[:size]

    def close(self) -> None:
        """Give the reading ends back."""
        for descriptor in self._ends.values():
            os.close(descriptor)
        self._ends.clear()
