"""The kernel as machine code: made by numba once, then loaded without it; knows no bars.

numba takes 0.3 s to be imported and to load what it has kept. So what it compiles is also kept as
an object file with one C function, the kernel on pointers, which needs nothing but LLVM to be
loaded. Where that cannot be had numba does it all.
"""

from __future__ import annotations

from typing import Any

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan

from pipekit import machinecode
from pipekit_analyzer import kernel
from pipekit_analyzer.kernel import Bars, Data, Entries, Sweep, Trades, Windows
from pipekit_analyzer.strategy import Kernel

_SOURCES = (__file__, kernel.__file__)
_POINTERS, _NUMBERS = 8, 5


def compiled(folder: str) -> Kernel:
    """The kernel compiled; its machine code is kept in a folder."""
    function: Kernel = machinecode.loaded("breakouts", folder, _Alone, by_numba)
    return function


def by_numba(folder: str) -> Kernel:
    """Imported, compiled and kept by numba itself."""
    import numba

    found: Kernel = machinecode.kept(numba, kernel.breakouts, kernel.PARTS, folder, _use)
    return found


class _Alone:
    """Calls the C function with what the kernel takes."""

    def __init__(self, folder: str) -> None:
        self._function = machinecode.alone(
            "breakouts", _SOURCES, folder, _made, _POINTERS, _NUMBERS
        )

    def __call__(
        self,
        bars: Bars,
        windows: Windows,
        data: Data,
        sweep: Sweep,
        entries: Entries,
        trades: Trades,
    ) -> None:
        columns = [np.ascontiguousarray(column, np.int64) for column in bars]
        read = [np.array(group, np.int64) for group in (windows, sweep)]
        written = [group[0].base for group in (entries, trades)]  # the tables that `strategy` made
        sizes = len(bars.high), len(windows.slot), len(sweep.target)
        arrays = *columns, *read, *written
        self._function(*(array.ctypes.data for array in arrays), *sizes, *data)


def _made() -> Any:
    """The C function by numba; its parameters are those that `_Alone` gives."""
    import numba

    whole = kernel.breakouts
    jit = machinecode.inlining(numba, [*kernel.PARTS, whole])
    carray, number = jit.carray, jit.types.int64

    def entry(  # type: ignore[no-untyped-def]  # `types` says them
        time, high, low, close, times, rules, found, made, bars, windows, variants, last_bar, end
    ):  # fmt: skip
        w, r = carray(times, (4, windows)), carray(rules, (5, variants))
        e, t = carray(found, (6, windows)), carray(made, (5, windows, variants))
        whole(
            Bars(
                carray(time, (bars,)), carray(high, (bars,)),
                carray(low, (bars,)), carray(close, (bars,)),
            ),
            Windows(w[0], w[1], w[2], w[3]),
            Data(last_bar, end),
            Sweep(r[0], r[1], r[2], r[3], r[4]),
            Entries(e[0], e[1], e[2], e[3], e[4], e[5]),
            Trades(t[0], t[1], t[2], t[3], t[4]),
        )  # fmt: skip

    types = [jit.types.CPointer(number)] * _POINTERS + [number] * _NUMBERS
    return jit.cfunc(jit.types.void(*types), error_model="numpy")(entry)


def _use(function: Any) -> None:
    """With the types that `strategy.analyse` gives, shown on no windows."""
    column, table = np.zeros(0, np.int64), np.zeros((0, 0), np.int64)
    function(
        Bars(*(column for _ in Bars._fields)),
        Windows(*(column for _ in Windows._fields)),
        Data(0, 0),
        Sweep(*(column for _ in Sweep._fields)),
        Entries(*(column for _ in Entries._fields)),
        Trades(*(table for _ in Trades._fields)),
    )
