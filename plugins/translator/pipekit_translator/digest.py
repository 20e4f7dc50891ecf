"""The content hash of what is read, worked out beside the reading; knows no files."""

from __future__ import annotations

from concurrent.futures import Executor, Future

from pipekit.worker import hasher

WORTH = 1 << 20  # bytes: handing over fewer saves nothing


class Digest:
    """The content hash, worked out a step behind by a thread of `pool` that has nothing to do.

    What none has begun when the next bytes come is done here: all of them may be busy.
    """

    def __init__(self, pool: Executor) -> None:
        self._hash = hasher()
        self._pool = pool
        self._data: memoryview | None = None
        self._pending: Future[None] | None = None

    def update(self, data: memoryview) -> None:
        """Further bytes, which must not change any more."""
        self._finish()
        self._data = data
        if len(data) < WORTH:
            self._work()
        else:  # what is cancelled stays in the pool's queue for a while: it must not hold the bytes
            self._pending = self._pool.submit(self._work)

    def hexdigest(self) -> str:
        """Of all bytes so far."""
        self._finish()
        return str(self._hash.hexdigest())

    def _finish(self) -> None:
        pending, self._pending = self._pending, None
        if pending is None:
            return
        if pending.cancel():
            self._work()
        else:
            pending.result()

    def _work(self) -> None:
        data, self._data = self._data, None
        assert data is not None
        self._hash.update(data)
