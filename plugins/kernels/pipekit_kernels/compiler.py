"""Compiles functions with numba, or loads what was compiled before."""

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
    if problem := _jit_problem():
        report.warning(
            f"no compiled kernels: {problem}. The slower interpreted code is used; "
            'set kernels = "off" to silence this'
        )
        return None
    import numba

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
    """Why this process may not execute code that it made itself; empty if it may.

    Asked before numba is loaded: LLVM ends the process where executable memory is forbidden.
    """
    from llvmlite.binding import check_jit_execution

    try:
        check_jit_execution()
    except OSError:
        return "executable memory is forbidden here (systemd MemoryDenyWriteExecute, SELinux)"
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
                    f"compiling the kernel {name!r} for this machine (once, about {seconds} s)",
                    seconds=seconds,
                )

        def on_end(self, _event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Announcement()):
        yield
