"""Which kernel to use: compiled for large jobs, interpreted for small ones.

Both are the same source, `kernel.breakouts`. numba takes a third of a second to import and to load
what it compiled before: as long as the interpreted kernel takes for `LARGE` minutes.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from pipekit_kernels import compiled

from pipekit_analyzer.work import kernel
from pipekit_analyzer.work.kernel import Bars, Data, Entries, Sweep, Trades, Windows
from pipekit_analyzer.work.strategy import Kernel, interpreted

LARGE = 5_000_000  # minutes in windows, over all variants: a year of one instrument
_SECONDS = 4  # that compiling takes


class Kernels:
    """The kernels of one process; it compiles at most once, and threads share what it compiled.

    `cache`: folder for compiled code where none can be kept beside this package. `compile`: False
    to use the interpreted kernel alone.
    """

    def __init__(self, cache: str, *, compile: bool = True, large: int = LARGE) -> None:
        self._cache = cache
        self._compile = compile
        self._large = large
        self._minutes = 0  # so far
        self._lock = threading.Lock()
        self._compiled: Kernel | None = None

    def choose(self, minutes: int) -> Kernel:
        """The kernel for a further job of so many minutes in windows, over all variants."""
        with self._lock:
            self._minutes += minutes
            if not self._compile or self._minutes <= self._large:
                return interpreted
            if self._compiled is None:
                self._compiled = _compiled(self._cache) or interpreted
            return self._compiled


def _compiled(cache: str) -> Kernel | None:
    return compiled(
        kernel.breakouts,
        parts=kernel.PARTS,
        warm_up=_warm_up,
        beside=kernel.__file__,
        otherwise=cache,
        seconds=_SECONDS,
    )


def _warm_up(function: Any) -> None:
    """Call the kernel with the types that `strategy.analyse` uses, on no windows."""
    column, table = np.zeros(0, np.int64), np.zeros((0, 0), np.int64)
    function(
        Bars(*(column for _ in Bars._fields)),
        Windows(*(column for _ in Windows._fields)),
        Data(0, 0),
        Sweep(*(column for _ in Sweep._fields)),
        Entries(*(column for _ in Entries._fields)),
        Trades(*(table for _ in Trades._fields)),
    )
