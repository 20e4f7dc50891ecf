"""The kernel as machine code: made by numba once, then loaded without it; knows no bars.

numba takes 0.3 s to be imported and to load what it has kept. So what it compiles is also kept as
an object file with one C function, the kernel on pointers, which needs nothing but LLVM to be
loaded. Where that cannot be had numba does it all.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan

from pipekit import machinecode
from pipekit_analyzer import kernel
from pipekit_analyzer.kernel import Bars, Entries, Positions, Sweep, Trades
from pipekit_analyzer.strategy import Kernel

_SOURCES = (__file__, kernel.__file__)
_GROUPS = (Bars, Positions, Sweep, Entries, Trades)
_POINTERS = sum(len(group._fields) for group in _GROUPS)
_FLAGS = {
    place
    for place, name in enumerate(name for group in _GROUPS for name in group._fields)
    if name in ("reached", "expired", "boundary", "tie_to_target")
}
_NUMBERS = 3  # how many bars, windows and variants there are


def compiled(beside: str, otherwise: str) -> Kernel:
    """The kernel compiled. `beside`, `otherwise`: as in `place`."""
    folder = place(beside, otherwise)
    if sys.platform == "linux":  # where it has been tried
        try:
            return _Alone(machinecode.alone("breakouts", _SOURCES, folder, _made))
        except Exception:  # noqa: S110  # whatever LLVM or numba has against it: the other way counts
            pass
    return by_numba(folder)


def place(beside: str, otherwise: str) -> str:
    """The folder for machine code: what NUMBA_CACHE_DIR says, else the first that can be had."""
    return os.environ.get("NUMBA_CACHE_DIR") or machinecode.place(beside, otherwise)


class _Alone:
    """Calls the C function with what the kernel takes."""

    def __init__(self, address: int) -> None:
        types = [ctypes.c_void_p] * _POINTERS + [ctypes.c_int64] * _NUMBERS
        self._function = ctypes.CFUNCTYPE(None, *types)(address)

    def __call__(
        self, bars: Bars, windows: Positions, sweep: Sweep, entries: Entries, trades: Trades
    ) -> None:
        read = [_in_one_piece(array) for group in (bars, windows, sweep) for array in group]
        arrays = *read, *entries, *trades  # what is written is `strategy`'s own
        sizes = len(bars.high), len(windows.slot), len(sweep.target)
        self._function(*(array.ctypes.data for array in arrays), *sizes)


def _in_one_piece(array: Any) -> Any:
    """The same values as the C function takes them; the same array as a rule."""
    kind = np.bool_ if array.dtype == np.bool_ else np.int64
    return np.ascontiguousarray(array, kind)


def _made() -> Any:
    """The C function by numba; its parameters are those that `_Alone` gives."""
    jit, whole = _numba(), _inlined(kernel.breakouts)
    carray = jit.carray

    def entry(  # type: ignore[no-untyped-def]  # `_kinds` says the types
        time, high, low, close, start, slot, latest, expiry, reached, expired,
        target, t1, max_stop, boundary, tie_to_target,
        range_high, range_low, range_bars, direction, entry_bar, price,
        result, exit_bar, stop, peak, profit, bars, windows, variants,
    ):  # fmt: skip
        whole(
            Bars(
                carray(time, (bars,)), carray(high, (bars,)),
                carray(low, (bars,)), carray(close, (bars,)),
            ),
            Positions(
                carray(start, (windows,)), carray(slot, (windows,)), carray(latest, (windows,)),
                carray(expiry, (windows,)), carray(reached, (windows,)),
                carray(expired, (windows,)),
            ),
            Sweep(
                carray(target, (variants,)), carray(t1, (variants,)),
                carray(max_stop, (variants,)), carray(boundary, (variants,)),
                carray(tie_to_target, (variants,)),
            ),
            Entries(
                carray(range_high, (windows,)), carray(range_low, (windows,)),
                carray(range_bars, (windows,)), carray(direction, (windows,)),
                carray(entry_bar, (windows,)), carray(price, (windows,)),
            ),
            Trades(
                carray(result, (windows, variants)), carray(exit_bar, (windows, variants)),
                carray(stop, (windows, variants)), carray(peak, (windows, variants)),
                carray(profit, (windows, variants)),
            ),
        )  # fmt: skip

    return jit.cfunc(jit.types.void(*_kinds(jit)), error_model="numpy")(entry)


def _kinds(jit: Any) -> list[Any]:
    """Numba's types of the C function's parameters: pointers to whole numbers, or to flags."""
    whole, flag = jit.types.CPointer(jit.types.int64), jit.types.CPointer(jit.types.boolean)
    pointers = [flag if place in _FLAGS else whole for place in range(_POINTERS)]
    return [*pointers, *[jit.types.int64] * _NUMBERS]


def _numba() -> Any:
    """numba, to which the functions are known that the kernel calls."""
    import numba

    for part in kernel.PARTS:
        _inlined(part)
    return numba


def _inlined(function: Any) -> Any:
    from numba.extending import register_jitable

    return register_jitable(forceinline=True, error_model="numpy")(function)


def by_numba(folder: str) -> Kernel:
    """Imported, compiled and kept by numba itself."""
    jit = _numba()
    jit.config.CACHE_DIR = folder
    found: Kernel = machinecode.kept(
        lambda cache: jit.njit(nogil=True, cache=cache)(kernel.breakouts), _use
    )
    return found


def _use(function: Any) -> None:
    """With the types that `strategy.analyse` gives, shown on no windows."""
    ints, flags, table = np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros((0, 0), np.int64)
    function(
        Bars(ints, ints, ints, ints),
        Positions(ints, ints, ints, ints, flags, flags),
        Sweep(ints, ints, ints, flags, flags),
        Entries(*(ints for _ in Entries._fields)),
        Trades(*(table for _ in Trades._fields)),
    )
