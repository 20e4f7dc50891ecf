"""Follows files as they grow: one follower for each file, whoever looks at it.

No inotify: network disks and Windows have none, and a look at a size costs microseconds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from pipekit.reading import GrowingFile, Line, lines_after

POLL = 0.1  # seconds between two looks
_KEPT = 2_000  # lines that a viewer may be behind without reading the file itself


class News(NamedTuple):
    """Lines that a file has had since. `restarted`: it begins anew, and so do they."""

    lines: tuple[Line, ...]
    restarted: bool = False


class Followed:
    """One file, polled while somebody looks at it.

    `replaced`: how often it was found cut or replaced. It changes together with the lines that are
    kept, not already in the thread that looks.
    """

    def __init__(self, path: Path, at: int) -> None:
        self.path = path
        self.replaced = 0
        self._file = GrowingFile(path, at)
        self._recent: deque[Line] = deque(maxlen=_KEPT)
        self._waiting: set[asyncio.Event] = set()

    async def poll(self) -> None:
        """Look again and again; cancelled when nobody looks any more."""
        while True:
            lines = await asyncio.to_thread(self._file.lines)
            anew = self._file.replaced != self.replaced
            if anew:
                self.replaced = self._file.replaced
                self._recent.clear()
            self._recent.extend(lines)
            if lines or anew:
                for event in self._waiting:
                    event.set()
            else:
                await asyncio.sleep(POLL)

    async def news(self, at: int, patience: float) -> AsyncIterator[News | None]:
        """What comes after the byte `at`; None each time that nothing came for so long (seconds).

        Somebody who is far behind gets pages of the file until they have caught up.
        """
        event, replaced = asyncio.Event(), self.replaced
        self._waiting.add(event)
        try:
            while True:
                event.clear()
                if self.replaced != replaced:
                    replaced, at = self.replaced, 0
                    yield News((), restarted=True)
                lines = await self._after(at)
                if lines:
                    at = lines[-1].end
                    yield News(lines)
                    continue
                try:
                    await asyncio.wait_for(event.wait(), patience)
                except TimeoutError:
                    yield None
        finally:
            self._waiting.discard(event)

    async def _after(self, at: int) -> tuple[Line, ...]:
        """Lines from `at` on that the follower has seen, at most a page of them."""
        if self._recent and self._recent[0].start <= at:
            return tuple(line for line in self._recent if line.start >= at)[:1_000]
        if at >= self._file.at:
            return ()
        with suppress(OSError):
            page = await asyncio.to_thread(lines_after, self.path, at)
            return tuple(line for line in page.lines if line.end <= self._file.at)
        return ()


class Followers:
    """The followed files, by path."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[Followed, asyncio.Task[None]]] = {}
        self._viewers: dict[Path, int] = {}

    def __len__(self) -> int:
        return len(self._known)

    @contextmanager
    def follow(self, path: Path, at: int = 0) -> Iterator[Followed]:
        """The follower of a file, started for the first who asks: then from the byte `at` on."""
        if path not in self._known:
            followed = Followed(path, at)
            self._known[path] = followed, asyncio.create_task(followed.poll())
        self._viewers[path] = self._viewers.get(path, 0) + 1
        try:
            yield self._known[path][0]
        finally:
            self._viewers[path] -= 1
            if not self._viewers[path]:
                del self._viewers[path]
                self._known.pop(path)[1].cancel()
