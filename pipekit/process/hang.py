"""Watches how a tree lives: what it uses, and whether it still does anything; stops nothing."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

from pipekit.process.child import Child
from pipekit.process.tree import Usage

_FIRST_LOOK = 0.01  # seconds after the start; then twice as long each time
_SELDOM = 1.0  # seconds between two looks at what a long command uses
_IDLE = 0.01  # of a core: less is no sign of life


class Vigil:
    """Readings of a tree at growing intervals; times are seconds after the start of the command.

    With `hang_timeout`, `hung` tells when for so long there was no output, no growth of `activity`,
    no byte read or written, and less than 1 % of a core was used.
    """

    def __init__(self, child: Child, hang_timeout: float | None, activity: Path | None) -> None:
        self._child = child
        self._hang_timeout = hang_timeout
        self._activity = activity
        self._size = self._activity_size()
        self._interval = _FIRST_LOOK
        self._next = _FIRST_LOOK
        self._life = 0.0  # when output, activity or bytes were last seen
        self._moves = 0
        self._cpu: deque[tuple[float, float]] = deque([(0.0, 0.0)])
        self.usage = Usage()

    def due(self) -> float:
        """When to `look` next."""
        if self._hang_timeout is None:
            return self._next
        return min(self._next, self._verdict_at(self._hang_timeout))

    def output(self, now: float) -> None:
        """There was output: a sign of life."""
        self._life = now

    def look(self, now: float) -> None:
        """Take a reading if it is time for one."""
        if now < self.due():
            return
        try:
            self.usage.note(self._child.readings())
        except OSError:  # nobody can look now, and what cannot be seen is not called hung
            self._life = now
        if self._hang_timeout is not None:
            self._note_life(now, self._hang_timeout)
        self._interval = min(2 * self._interval, self._longest())
        self._next = now + self._interval

    def hung(self, now: float) -> bool:
        """Whether there was no sign of life for `hang_timeout`, up to the last look."""
        timeout = self._hang_timeout
        if timeout is None or now < self._life + timeout or self._cpu[-1][0] < self._life + timeout:
            return False
        since, before = self._cpu[0]
        return self.usage.cpu - before < _IDLE * (now - since)

    def _note_life(self, now: float, timeout: float) -> None:
        size = self._activity_size()
        if size != self._size or self.usage.io_moves != self._moves:
            self._life = now
        self._size, self._moves = size, self.usage.io_moves
        self._cpu.append((now, self.usage.cpu))
        while len(self._cpu) > 1 and self._cpu[1][0] <= now - timeout:
            self._cpu.popleft()

    def _verdict_at(self, timeout: float) -> float:
        """When the command could be found hung: a look is needed then, not before."""
        at = self._life + timeout
        return at if at > self._cpu[-1][0] else self._next

    def _longest(self) -> float:
        if self._hang_timeout is None:
            return _SELDOM
        return min(_SELDOM, max(self._hang_timeout / 20, _FIRST_LOOK))

    def _activity_size(self) -> int:
        try:
            return os.stat(self._activity).st_size if self._activity else 0
        except OSError:
            return -1
