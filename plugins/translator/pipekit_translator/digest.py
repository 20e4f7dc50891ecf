"""The content hash of what is read, worked out beside the reading; knows no files."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from pipekit.worker import hasher


class Digest:
    """The content hash, worked out a step behind by a helper where there is one."""

    def __init__(self, helper: ThreadPoolExecutor | None) -> None:
        self._hash = hasher()
        self._helper = helper
        self._pending: Future[None] | None = None

    def update(self, data: memoryview) -> None:
        """Further bytes, which must not change any more."""
        if self._helper is None:
            self._hash.update(data)
            return
        self._wait()
        self._pending = self._helper.submit(self._hash.update, data)

    def hexdigest(self) -> str:
        """Of all bytes so far."""
        self._wait()
        return str(self._hash.hexdigest())

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()
