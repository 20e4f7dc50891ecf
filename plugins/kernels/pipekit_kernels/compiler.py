"""Compiles functions with numba, or loads what was compiled before.

numba, and LLVM below it, trust what they find in a cache. A file cut off by a full disk makes numba
raise whatever unpickling may raise, and a page of zeros within one ends the process. So each
file has a checksum next to it, and a file that does not match its checksum is removed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from typing import Any

from pipekit.worker import Publication, fingerprint, loading, report

Function = Callable[..., Any]

_ENDINGS = (".nbi", ".nbc")  # numba's index of a function, and its machine code
_CHECKSUM = ".sum"


def compiled(
    function: Function,
    *,
    parts: Iterable[Function] = (),
    warm_up: Callable[[Function], object],
    beside: str,
    otherwise: str,
    seconds: int,
) -> Function | None:
    """The function compiled, or None if this machine allows no compiled code.

    `parts`: functions that it calls; they are inlined. `warm_up` calls the function it is given
    with arguments of the types it is for. `beside`: the `__file__` of a module; the code is kept in
    `__pycache__` there, so that all projects share it and it goes with the package, or in the
    folder `otherwise` if that cannot be written. `seconds`: about how long compiling takes, for
    the warning before it begins. A cache that cannot be written or read costs time and changes no
    result. Raises what compiling or `warm_up` raises.
    """
    if problem := jit_problem():
        report.warning(
            f"no compiled kernels: {problem}. The slower interpreted code is used; "
            'set kernels = "off" to silence this'
        )
        return None
    with loading():
        return _compiled(function, parts, warm_up, _cache_folder(beside, otherwise), seconds)


def _compiled(
    function: Function,
    parts: Iterable[Function],
    warm_up: Callable[[Function], object],
    folder: str,
    seconds: int,
) -> Function:
    import numba  # takes long, and only after `jit_problem`

    for part in parts:
        numba.extending.register_jitable(forceinline=True, error_model="numpy")(part)
    config: Any = numba.config  # its names are set at run time, so no type checker knows them
    config.CACHE_DIR = folder
    with _announced(function.__name__, seconds):
        for unwanted in (_damaged, _files):
            try:
                made = _jitted(numba, function, cache=True)
                for path in unwanted(made):
                    os.remove(path)
                warm_up(made)
            except Exception:  # noqa: S112  # unpickling garbage raises anything; the last try counts
                continue
            _write_checksums(made)
            return made
        made = _jitted(numba, function, cache=False)
        warm_up(made)
        return made


def jit_problem() -> str:
    """Why this process may not execute code that it made itself; empty if it may.

    Asked before numba is loaded: LLVM ends the process if executable memory is forbidden.
    """
    from llvmlite.binding import check_jit_execution  # takes long

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
    """Warn when numba begins to compile, not when it loads from the cache."""
    from numba.core import event  # takes long

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


def _cache_folder(beside: str, otherwise: str) -> str:
    if named := os.environ.get("NUMBA_CACHE_DIR"):
        return named
    folder = os.path.join(os.path.dirname(beside), "__pycache__", "numba")
    with suppress(OSError):
        os.makedirs(folder, exist_ok=True)
        with TemporaryFile(dir=folder):
            return folder
    return os.path.abspath(otherwise)


def _files(dispatcher: Any) -> list[str]:
    """The files that numba keeps for a function declared with `cache=True`."""
    folder, code = dispatcher.stats.cache_path, dispatcher.py_func.__code__
    module = os.path.splitext(os.path.basename(code.co_filename))[0]
    beginning = f"{module}.{dispatcher.py_func.__qualname__}-"
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = [name for name in names if name.startswith(beginning) and name.endswith(_ENDINGS)]
    return [os.path.join(folder, name) for name in found]


def _damaged(dispatcher: Any) -> list[str]:
    """The files that do not match their checksums."""
    return [path for path in _files(dispatcher) if not _matches(path)]


def _matches(path: str) -> bool:
    try:
        with open(path + _CHECKSUM, encoding="ascii", errors="replace") as file:
            return file.read() == fingerprint(path)
    except OSError:
        return False


def _write_checksums(dispatcher: Any) -> None:
    """Write each checksum atomically, as others may read it; code without one is compiled again."""
    for path in _damaged(dispatcher):
        with suppress(OSError), Publication(path + _CHECKSUM, reported=False) as file:
            file.write(fingerprint(path).encode())
