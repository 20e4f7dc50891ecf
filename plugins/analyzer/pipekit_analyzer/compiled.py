"""The kernel compiled by numba, once for a process; what was compiled is kept in a folder.

A folder that cannot be written, or holds what cannot be read, costs time and no result.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from pipekit.machinecode import kept, place
from pipekit_analyzer import kernel
from pipekit_analyzer.strategy import MANY, Kernel

BESIDE = os.path.join(os.path.dirname(__file__), "__pycache__", "numba")


class Compiler:
    """Compiles the kernel when it is first called; threads share it.

    `folder`: where machine code is kept, where it cannot be kept beside this module. The variable
    NUMBA_CACHE_DIR names another place.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._kernel: Kernel | None = None
        self._begun = False

    def pays(self, bars: int) -> bool:
        """Whether so many bars in windows, over all variants, are worth the compiled kernel."""
        return bars > MANY

    def begin(self) -> None:
        """Compile beside what the caller does next."""
        if not self._begun:
            self._begun = True
            threading.Thread(target=self).start()

    def __call__(self) -> Kernel:
        """The compiled kernel: 0.3 s where it was kept, else 2 s."""
        with self._lock:
            if self._kernel is None:
                self._kernel = _compiled(place(BESIDE, self._folder))
            return self._kernel


def _compiled(folder: str) -> Kernel:
    import numba
    from numba.extending import register_jitable

    for part in kernel.PARTS:
        register_jitable(part)
    config: Any = numba.config
    config.CACHE_DIR = config.CACHE_DIR or folder
    compiled: Kernel = kept(
        lambda cache: numba.njit(nogil=True, cache=cache)(kernel.breakouts), _use
    )
    return compiled


def _use(function: Any) -> None:
    """With the types that `strategy.analyse` gives, shown on no windows."""
    import numpy as np

    ints, flags, table = np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros((0, 0), np.int64)
    function(
        kernel.Bars(ints, ints, ints, ints),
        kernel.Positions(ints, ints, ints, ints, flags, flags),
        kernel.Sweep(ints, ints, ints, flags, flags),
        kernel.Entries(*(ints for _ in kernel.Entries._fields)),
        kernel.Trades(*(table for _ in kernel.Trades._fields)),
    )
