"""Compile a function with numba, or load what was compiled before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pipekit.worker import report
from pipekit_kernels.cache import Cache

Function = Callable[..., Any]


def compiled(
    function: Function,
    *,
    parts: Iterable[Function] = (),
    warm_up: Callable[[Function], object],
    cache: Cache,
    seconds: int,
) -> Function | None:
    """The function compiled, or None where this machine allows no compiled code.

    `parts`: functions that it calls; they are inlined. `warm_up` calls the function it is given
    with arguments of the types it is for. `seconds`: about how long compiling takes, which is said
    before it begins. A cache that cannot be written, or holds what cannot be read, costs time and
    changes no result. Raises what compiling or `warm_up` raises.
    """
    import numba

    problem = _jit_problem()
    if problem:
        report.warning(f"no compiled kernels: {problem}; the slower way is taken")
        return None
    for part in parts:
        numba.extending.register_jitable(forceinline=True, error_model="numpy")(part)
    config: Any = numba.config  # its names are set at run time, so no type checker knows them
    config.CACHE_DIR = cache.folder
    with _announced(function.__name__, seconds):
        for prepare in (cache.verify, cache.clear):
            try:
                made = _jitted(numba, function, cache=True)
                prepare(made)
                warm_up(made)
            except Exception:  # noqa: S112  # unpickling garbage raises anything; the last try counts
                continue
            cache.seal(made)
            return made
        made = _jitted(numba, function, cache=False)
        warm_up(made)
        return made


def _jit_problem() -> str:
    """Why no memory can be had whose content may be executed; empty where it can."""
    from llvmlite.binding import check_jit_execution

    try:
        check_jit_execution()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _jitted(numba: Any, function: Function, *, cache: bool) -> Function:
    made: Function = numba.njit(nogil=True, error_model="numpy", cache=cache)(function)
    return made


@contextmanager
def _announced(name: str, seconds: int) -> Iterator[None]:
    """Say so when numba begins to compile; what it finds in the cache, it only loads."""
    from numba.core import event

    class Announcement(event.Listener):
        said = False

        def on_start(self, _event: Any) -> None:
            if not self.said:
                self.said = True
                report.warning(
                    f"compiling {name} for this machine (once, about {seconds} s)", seconds=seconds
                )

        def on_end(self, _event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Announcement()):
        yield
