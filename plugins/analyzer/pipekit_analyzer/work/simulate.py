"""Runs the kernel on bars and windows: interpreted at first, compiled if there is much to do.

Times are microseconds of UTC, prices and distances ticks. The rules themselves are in `kernel`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pipekit_kernels import compiled

from pipekit_analyzer.work.kernel import (
    NO_ROW,
    PARTS,
    SHARED,
    Bars,
    Breakouts,
    DataEnd,
    TickRules,
    Windows,
    breakouts,
)

_MINUTE = 60_000_000
# Once a process has to compute more minutes than these (windows times variants), it uses compiled
# code. numba takes a third of a second to import and load it, as the interpreted kernel for these.
LARGE = 5_000_000
_SECONDS = 4  # about how long compiling takes

Kernel = Callable[[Bars, Windows, DataEnd, TickRules, Breakouts], None]


def interpreted(
    bars: Bars, windows: Windows, data_end: DataEnd, rules: TickRules, found: Breakouts
) -> None:
    """The kernel in plain Python.

    It works on memoryviews, whose items are plain Python ints: four times as fast as arrays.
    """
    breakouts(_viewed(bars), _viewed(windows), data_end, _viewed(rules), _viewed(found))


def _viewed(group: Any) -> Any:
    return type(group)(*(memoryview(column) for column in group))


def simulate(
    bars: Bars,
    windows: Windows,
    data_end: DataEnd,
    rules: Sequence[TickRules],
    kernel: Kernel = interpreted,
) -> list[Breakouts]:
    """The results of every window under the rules of each variant, in the order of `rules`."""
    columns = TickRules(*np.array(list(zip(*rules, strict=True)), np.int64))
    shape = len(windows.slot), len(rules)
    of_variants = len(Breakouts._fields) - SHARED
    found = Breakouts(
        *np.zeros((SHARED, shape[0]), np.int64), *np.zeros((of_variants, *shape), np.int64)
    )
    found.entry_bar[:] = found.exit_bar[:] = -1
    found.result[:] = NO_ROW
    kernel(bars, windows, data_end, columns, found)
    return [
        Breakouts(*found[:SHARED], *(table[:, v] for table in found[SHARED:]))
        for v in range(len(rules))
    ]


def minutes_in(windows: Windows) -> int:
    """The length of all windows together."""
    return int((windows.expiry - windows.start).sum()) // _MINUTE


class KernelChoice:
    """Chooses the kernel of each job; compiles at most once in a process, for all its threads.

    `cache`: folder for compiled code if it cannot be kept next to this package. `compile`: False
    to use only the interpreted kernel. `large`: minutes from which compiled code is used.
    """

    def __init__(self, cache: str, *, compile: bool = True, large: int = LARGE) -> None:
        self._cache = cache
        self._compile = compile
        self._large = large
        self._minutes = 0  # of all jobs so far
        self._lock = threading.Lock()
        self._compiled: Kernel | None = None

    def kernel_for(self, minutes: int) -> Kernel:
        """The kernel for the next job; `minutes`: length of its windows, over all variants."""
        with self._lock:
            self._minutes += minutes
            if not self._compile or self._minutes <= self._large:
                return interpreted
            if self._compiled is None:
                made = compiled(
                    breakouts,
                    parts=PARTS,
                    warm_up=_warm_up,
                    beside=breakouts.__code__.co_filename,
                    otherwise=self._cache,
                    seconds=_SECONDS,
                )
                self._compiled = made or interpreted
            return self._compiled


def _warm_up(function: Kernel) -> None:
    """Call the kernel with the types that `simulate` uses, on no windows."""
    columns = np.zeros((4, 0), np.int64)
    simulate(Bars(*columns), Windows(*columns), DataEnd(0, 0), [TickRules(1, 1, 1)], function)
