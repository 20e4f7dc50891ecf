"""Renews the lease of a run, and tells its nodes what the run has decided."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from pipekit.process.remote.lease import Orders, write_lease

_RENEWALS = 4  # in the time of a lease


class LeaseKeeper(threading.Thread):
    """A thread that writes the lease again and again, until it is closed.

    If it cannot be written, it tries on, and the nodes stop in time by themselves. `problem`: why
    the last renewal failed, empty if it did not.
    """

    def __init__(self, path: Path, seconds: float, mode: int) -> None:
        super().__init__(name="lease", daemon=True)
        self.problem = ""
        self._path, self._mode = path, mode
        self._pause = seconds / _RENEWALS
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._orders = Orders()
        self._revoked: set[int] = set()
        self._beat = time.time_ns()  # unlike any that an earlier process may have written
        self._renew()

    def revoke(self, attempt: int) -> None:
        """Tell the node of this attempt to stop it: the run takes it for dead.

        That is said until the run ends: a node may be suspended now and wake up later.
        """
        with self._lock:
            self._revoked.add(attempt)
            self._say(revoked=frozenset(self._revoked))

    def stop_all(self, *, now: bool) -> None:
        """Tell all nodes to stop; with `now` without grace. May be called again."""
        with self._lock:
            if not self._orders.cancelled or now != self._orders.now:
                self._say(cancelled=True, now=now)

    def close(self) -> None:
        """Say that the run has ended, and renew no more."""
        self._over.set()
        self.join()
        with self._lock:
            self._say(over=True)

    def run(self) -> None:
        """Renew the lease until it is closed."""
        while not self._over.wait(self._pause):
            with self._lock:
                self._renew()

    def _say(self, **changes: Any) -> None:
        self._orders = self._orders._replace(**changes)
        self._renew()

    def _renew(self) -> None:
        self._beat += 1
        try:
            write_lease(self._path, self._beat, self._orders, self._mode)
        except OSError as error:
            self.problem = f"the lease {self._path} cannot be renewed: {error.strerror}"
        else:
            self.problem = ""
