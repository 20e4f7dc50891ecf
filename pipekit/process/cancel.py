"""A wish to stop that wakes whoever waits; knows nothing of what is stopped."""

from __future__ import annotations

import os
import sys
from typing import Self


class Cancel:
    """A wish to stop commands, made from any thread or from a signal handler.

    One `Cancel` may be given to any number of commands, in any threads; it wakes all of them, and
    stays set. `set()` asks politely: SIGTERM, then the command's grace. `set(now=True)` ends the
    grace at once. A handler for Ctrl-C that is polite once and hard twice is therefore

        signal.signal(signal.SIGINT, lambda *_: cancel.set(now=cancel.is_set()))

    It takes no lock, so that a handler may interrupt itself, and holds two descriptors (none on
    Windows, where the supervisor polls) until `close()` or the end of a `with` block.
    """

    def __init__(self) -> None:
        self._set = False
        self._now = False
        self._reader = self._writer = -1
        if sys.platform != "win32":
            self._reader, self._writer = os.pipe()
            os.set_blocking(self._writer, False)

    def set(self, *, now: bool = False) -> None:
        """Ask to stop; with `now`, without any further grace. Asking again changes nothing."""
        self._now = self._now or now
        if self._set:
            return
        self._set = True
        if self._writer >= 0:
            os.write(self._writer, b"!")

    def is_set(self) -> bool:
        """Whether anybody asked."""
        return self._set

    @property
    def now(self) -> bool:
        """Whether anybody asked to stop without further grace."""
        return self._now

    def fileno(self) -> int:
        """A descriptor that is readable for ever once the wish was made; -1 where there is none."""
        return self._reader

    def close(self) -> None:
        """Give the descriptors back; no command may use this any more, no other thread set it."""
        reader, writer, self._reader, self._writer = self._reader, self._writer, -1, -1
        for descriptor in (reader, writer):
            if descriptor >= 0:
                os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
