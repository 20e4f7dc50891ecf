"""From bars and windows to outcomes: run the kernel, compiled for large jobs or interpreted.

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
    Data,
    Outcome,
    Rules,
    Windows,
    breakouts,
)

_MINUTE = 60_000_000
# Minutes in windows, over all variants, from which compiled code is used: numba takes a third of a
# second to import and to load it, as long as the interpreted kernel takes for so many.
LARGE = 5_000_000
_SECONDS = 4  # that compiling takes

Kernel = Callable[[Bars, Windows, Data, Rules, Outcome], None]


def interpreted(bars: Bars, windows: Windows, data: Data, rules: Rules, outcome: Outcome) -> None:
    """The kernel in plain Python.

    It gets memoryviews, whose items are Python's own numbers: four times as fast as arrays.
    """
    breakouts(_viewed(bars), _viewed(windows), data, _viewed(rules), _viewed(outcome))


def _viewed(group: Any) -> Any:
    return type(group)(*(memoryview(column) for column in group))


def analyse(
    bars: Bars,
    windows: Windows,
    data: Data,
    rules: Sequence[Rules],
    kernel: Kernel = interpreted,
) -> list[Outcome]:
    """The outcome of every window under each variant's rules, in their order."""
    columns = Rules(*np.array(list(zip(*rules, strict=True)), np.int64))
    shape = len(windows.slot), len(rules)
    of_variants = len(Outcome._fields) - SHARED
    outcome = Outcome(
        *np.zeros((SHARED, shape[0]), np.int64), *np.zeros((of_variants, *shape), np.int64)
    )
    outcome.entry_bar[:] = outcome.exit_bar[:] = -1
    outcome.result[:] = NO_ROW
    kernel(bars, windows, data, columns, outcome)
    return [
        Outcome(*outcome[:SHARED], *(table[:, v] for table in outcome[SHARED:]))
        for v in range(len(rules))
    ]


def minutes_in(windows: Windows) -> int:
    """The length of all windows together."""
    return int((windows.expiry - windows.start).sum()) // _MINUTE


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
    """Call the kernel with the types that `analyse` uses, on no windows."""
    columns = np.zeros((4, 0), np.int64)
    analyse(Bars(*columns), Windows(*columns), Data(0, 0), [Rules(1, 1, 1)], function)
