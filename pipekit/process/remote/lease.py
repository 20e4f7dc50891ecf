"""The lease of a run: while the run renews it, its nodes may work; what it says, they obey.

One small file for all attempts of a run. The run writes it anew every quarter of the lease. A node
looks at its content, never at its times, and measures by its own monotonic clock: no two clocks are
compared.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from pipekit.worker._files import PRIVATE, open_own

_LONGEST = 16 * 1024 * 1024  # bytes
_END = b"\n"


class Orders(NamedTuple):
    """What the run says to its nodes.

    `revoked`: attempts that must end since the run takes them for dead. `cancelled`: whether all
    must stop; `now`: without their grace. `over`: the run has ended.
    """

    revoked: Collection[int] = ()
    cancelled: bool = False
    now: bool = False
    over: bool = False


def write_lease(path: Path, beat: int, orders: Orders, mode: int = PRIVATE) -> None:
    """Renew the lease; `beat` must differ from the last one. Raises OSError.

    The file is overwritten and not replaced: a node that opens it asks the file server for this
    very file, and would learn of a new one only when it looks at the folder again.
    """
    record = {"beat": beat, **orders._asdict(), "revoked": sorted(orders.revoked)}
    data = json.dumps(record).encode() + _END
    descriptor = open_own(path, os.O_WRONLY | os.O_CREAT, mode)
    with open(descriptor, "wb", buffering=0) as file:
        file.truncate(file.write(data))
        os.fsync(file.fileno())


def read_lease(path: Path) -> tuple[bytes, Orders | None]:
    """The content, and what it says; None while it is being written. Raises OSError."""
    with open(open_own(path, os.O_RDONLY), "rb", buffering=0) as file:
        data = file.read(_LONGEST)
    try:
        record = json.loads(data if data.endswith(_END) else b"null")
        orders = Orders(**{name: record[name] for name in Orders._fields})
    except (ValueError, TypeError, KeyError):
        return data, None
    return data, orders


class LeaseWatch:
    """A node's view of the lease: what it said last, and since when there is no news of it.

    `seconds`: of the lease. The first look is made at once, and counts as news if there is a file.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self.orders = Orders()
        self.error = ""
        self._path = path
        self._seconds = seconds
        self._content: bytes | None = None
        self._news = time.monotonic() - seconds  # none yet: a lease that cannot be read is none
        self.look()

    def look(self) -> None:
        """Read the file again."""
        try:
            content, orders = read_lease(self._path)
        except OSError as error:
            self.error = f"{self._path}: {error.strerror}"
            return
        self.error = ""
        if content != self._content:
            self._content, self._news = content, time.monotonic()
        self.orders = orders or self.orders

    @property
    def silent(self) -> float:
        """Seconds without news."""
        return time.monotonic() - self._news

    def ended(self, attempt: int) -> str:
        """Why this attempt may not go on; empty if it may."""
        if self.orders.over:
            return "the run has ended"
        if attempt in self.orders.revoked:
            return "the run took it for dead"
        if self.silent >= self._seconds:
            why = f" ({self.error})" if self.error else ""
            return f"the lease of the run was not renewed for {self._seconds:g} s{why}"
        return ""
