"""Gives a file its final name, and waits while somebody else has the file there open."""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":
    import time

    _PATIENCE = 5.0  # seconds: scanners and indexers need less, and Excel does not let go
    _FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.2  # seconds between two tries
    _IN_USE = (5, 32, 33)  # ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION

    def replace(source: str, target: str) -> None:
        """Rename a file, over another if there is one. Raises OSError, which names the target.

        Windows refuses that while a program has one of the two open, so this tries for some
        seconds.
        """
        deadline, pause = time.monotonic() + _PATIENCE, _FIRST_PAUSE
        while True:
            try:
                os.replace(source, target)
            except PermissionError as error:
                if error.winerror not in _IN_USE or os.path.isdir(target):
                    raise
                if time.monotonic() >= deadline:
                    raise _explained(error, target) from None
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return

    def _explained(error: PermissionError, target: str) -> PermissionError:
        text = (
            f"it could not be replaced for {_PATIENCE:g} seconds: another program has it open, or "
            "its rights forbid it; close it there (Excel?)"
        )
        return PermissionError(error.errno, text, target)

else:

    def replace(source: str, target: str) -> None:
        """Rename a file, over another if there is one. Raises OSError."""
        os.replace(source, target)
