"""The content hash of a file, computed in another thread while it is read."""

from __future__ import annotations

from concurrent.futures import Executor, Future

from pipekit.worker import hasher

WORTH = 1 << 20  # bytes: handing over fewer does not pay


class Digest:
    """The content hash, computed one step behind by an idle thread of `pool`.

    If all threads are busy until the next bytes come, the caller does the work.
    """

    def __init__(self, pool: Executor) -> None:
        self._hash = hasher()
        self._pool = pool
        self._data: memoryview | None = None
        self._pending: Future[None] | None = None

    def update(self, data: memoryview) -> None:
        """Add bytes, which must not change any more."""
        self._finish()
        self._data = data
        if len(data) < WORTH:
            self._work()
        else:  # a cancelled call stays in the queue for a while, so it does not hold the bytes
            self._pending = self._pool.submit(self._work)

    def hexdigest(self) -> str:
        """The hash of all bytes so far."""
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
