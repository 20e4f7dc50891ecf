"""`scan` as machine code: made by numba once, then loaded without it; knows no readings.

numba takes 0.3 s to be imported and to load what it has kept. So what it compiles is also kept as
an object file with one C function, `scan` on pointers, which needs nothing but LLVM to be loaded.
Where that cannot be had numba does it all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan

from pipekit import machinecode
from pipekit_translator import digits, scan

Scan = Callable[..., tuple[int, int, int]]
_SOURCES = (__file__, scan.__file__, digits.__file__)
_POINTERS, _NUMBERS = 17, 14


def compiled(folder: str) -> Scan:
    """`scan` compiled; its machine code is kept in a folder."""
    function: Scan = machinecode.loaded("scan", folder, _Alone, by_numba)
    return function


def by_numba(folder: str) -> Scan:
    """Imported, compiled and kept by numba itself."""
    import numba

    found: Scan = machinecode.kept(numba, scan.scan, scan.CALLED, folder, _use)
    return found


class _Alone:
    """Calls the C function with what `scan` takes."""

    def __init__(self, folder: str) -> None:
        self._function = machinecode.alone("scan", _SOURCES, folder, _made, _POINTERS, _NUMBERS)

    def __call__(
        self,
        data: Any,
        words: Any,
        stop: int,
        base: int,
        separator: int,
        layout: Any,
        state: tuple[int, int, int],
        found: Any,
        scratch: Any,
    ) -> tuple[int, int, int]:
        kind, which, spans, fields, masks, unit, bars = layout
        _, prices, _, _, names = found
        after = np.array(state, np.int64)
        arrays = data, words, kind, which, spans, fields, masks, *found, *scratch, after
        sizes = len(data), len(kind), len(spans), len(fields), len(masks)
        self._function(
            *(array.ctypes.data for array in arrays),
            *(stop, base, separator, unit, bars, *sizes),
            *(*prices.shape, names.shape[1], len(scratch[0])),
        )
        rows, runs, ends = after.tolist()
        return rows, runs, ends


def _made() -> Any:
    """The C function by numba; its parameters are those that `_Alone` gives."""
    import numba

    whole = scan.scan
    jit = machinecode.inlining(numba, [*scan.CALLED, whole])
    carray, strided = jit.carray, np.lib.stride_tricks.as_strided

    def entry(  # type: ignore[no-untyped-def]  # `_kinds` says the types
        data, words, kind, which, spans, fields, masks, local, prices, volume, lines, names,
        part, before, width, point, state, stop, base, separator, unit, bars,
        size, columns, parts, numbers, eights, priced, most, runs, wide,
    ):  # fmt: skip
        layout = (
            carray(kind, (columns,)), carray(which, (columns,)), carray(spans, (parts, 5)),
            carray(fields, (numbers, 4)), carray(masks, (eights, 3)), unit, bars,
        )  # fmt: skip
        found = (
            carray(local, (most,)), carray(prices, (priced, most)), carray(volume, (most,)),
            carray(lines, (most,)), carray(names, (3, runs)),
        )  # fmt: skip
        scratch = (
            carray(part, (wide,)), carray(before, (wide,)),
            carray(width, (wide,)), carray(point, (wide,)),
        )  # fmt: skip
        after = carray(state, (3,))
        each = strided(carray(words, (size,)), (size,), (1,))
        after[0], after[1], after[2] = whole(
            carray(data, (size,)), each, stop, base, separator, layout,
            (after[0], after[1], after[2]), found, scratch,
        )  # fmt: skip

    return jit.cfunc(jit.types.void(*_kinds(jit)), error_model="numpy")(entry)


def _kinds(jit: Any) -> list[Any]:
    """Numba's types of the C function's parameters: pointers to whole numbers, but for some."""
    from pipekit_translator.kernel import WORDS

    pointer, types = jit.types.CPointer, jit.types
    kinds = [pointer(types.int64)] * _POINTERS + [types.int64] * _NUMBERS
    kinds[:2] = pointer(types.uint8), pointer(jit.from_dtype(WORDS))
    kinds[6], kinds[8] = pointer(types.uint64), pointer(types.float64)  # masks, prices
    return kinds


def _use(function: Any) -> None:
    """With the types that a file's blocks have, shown on lines without rows."""
    from pipekit_translator import kernel
    from pipekit_translator.dialects import Stamp
    from pipekit_translator.series import BARS

    lines = memoryview(np.full(scan.SHORTEST_ROW, scan.NEWLINE, np.uint8))  # type: ignore[arg-type]  # it is
    layout = kernel.layout_of(["timestamp"], [("timestamp", Stamp.of("%Y%m%d"))], BARS)
    assert layout is not None
    kernel.read(function, lines, ord(","), layout)
