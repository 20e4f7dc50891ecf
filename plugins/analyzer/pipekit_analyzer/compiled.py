"""The kernel compiled, once for a process; what was compiled is kept in a folder.

A folder that cannot be written, or holds what cannot be read, costs time and no result.
"""

from __future__ import annotations

import os
import threading

from pipekit.machinecode import place
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
        """The compiled kernel: 0.05 s where it was kept, else 4 s."""
        with self._lock:
            if self._kernel is None:
                from pipekit_analyzer import machine

                self._kernel = machine.compiled(place(BESIDE, self._folder))
            return self._kernel
