"""A cancellation token that wakes blocked waiters."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Self


class Cancel:
    """Cancels commands from any thread or from a signal handler.

    One `Cancel` may be given to any number of commands in any threads; it stops all of them and
    stays set. `set()` stops politely: SIGTERM, then the command's grace. `set(now=True)` ends the
    grace immediately; `now` tells whether it was called. A handler for Ctrl-C, first polite, then
    hard:

        signal.signal(signal.SIGINT, lambda *_: cancel.set(now=cancel.is_set()))

    It takes no lock, so a handler may interrupt another call. It holds two descriptors (none on
    Windows, where the supervisor polls) until `close()` or the end of a `with` block.
    """

    def __init__(self) -> None:
        self._set = False
        self.now = False
        self._reader = self._writer = -1
        if sys.platform != "win32":
            self._reader, self._writer = os.pipe()
            os.set_blocking(self._writer, False)

    def set(self, *, now: bool = False) -> None:
        """Stop; with `now`, without further grace. May be called again."""
        self.now = self.now or now
        if self._set:
            return
        self._set = True
        if self._writer >= 0:
            os.write(self._writer, b"!")

    def is_set(self) -> bool:
        """Whether it was cancelled."""
        return self._set

    def fileno(self) -> int:
        """A descriptor that stays readable once this is set; -1 on Windows."""
        return self._reader

    def close(self) -> None:
        """Close the descriptors. Commands can no longer use this."""
        reader, writer, self._reader, self._writer = self._reader, self._writer, -1, -1
        for descriptor in (reader, writer):
            if descriptor >= 0:
                with contextlib.suppress(OSError):  # a plugin may have closed it
                    os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
