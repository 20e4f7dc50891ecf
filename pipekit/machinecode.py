"""Machine code that numba keeps in files, checked before it is loaded; does not know numba itself.

numba trusts what it finds. Files that a full disk or a power failure cut off make it raise whatever
unpickling may raise, and a page of zeros within one ends the process. So a sum stands beside each
file, and one that is not what its sum says is removed before numba looks for it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from pipekit.worker import fingerprint

_ENDINGS = (".nbi", ".nbc")  # numba's index of a function, and its machine code
_SUM = ".sum"


def place(beside: str, otherwise: str) -> str:
    """The folder for machine code: the first, if files can be made in it, else the other.

    Beside the module, in `__pycache__`, is the right place, where the interpreter keeps its own:
    all projects share it, and it goes with the package.
    """
    from tempfile import TemporaryFile

    try:
        os.makedirs(beside, exist_ok=True)
        with TemporaryFile(dir=beside):
            return beside
    except OSError:
        return os.path.abspath(otherwise)


def kept(make: Callable[[bool], Any], use: Callable[[Any], object]) -> Any:
    """A function compiled by numba, which `use` has called once; it keeps its machine code.

    `make(cache)` is `numba.njit(cache=cache, ...)(function)`, and `use` calls what that gives with
    arguments of the types that it is for. Where there is no folder to write to, or what is there
    cannot be used, that costs time and no result: at last `make(False)` is used. Raises what this
    raises.
    """
    for cleared in (False, True):
        try:
            function = make(True)
            files = _Files(function.stats.cache_path, function.py_func)
            files.check(nothing=cleared)
            use(function)
        except Exception:  # noqa: S112  # unpickling garbage raises anything; the last try counts
            continue
        files.seal()
        return function
    function = make(False)
    use(function)
    return function


class _Files:
    """numba's files of one function, and their sums."""

    def __init__(self, folder: str, function: Any) -> None:
        module = os.path.splitext(os.path.basename(function.__code__.co_filename))[0]
        self._folder = folder
        self._beginning = f"{module}.{function.__qualname__}-"

    def check(self, *, nothing: bool) -> None:
        """Remove what is damaged; everything, where `nothing` is right. Raises OSError."""
        for path in self._paths():
            if nothing or not _is_right(path):
                os.remove(path)

    def seal(self) -> None:
        """Say what the files are now. One that has no sum is made anew next time."""
        for path in self._paths():
            with contextlib.suppress(OSError):
                if not _is_right(path):
                    _write_sum(path)

    def _paths(self) -> Iterator[str]:
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self._folder):
                if name.startswith(self._beginning) and name.endswith(_ENDINGS):
                    yield os.path.join(self._folder, name)


def _is_right(path: str) -> bool:
    """Whether a file is what its sum says."""
    try:
        with open(path + _SUM, encoding="ascii", errors="replace") as file:
            return file.read() == fingerprint(path)
    except OSError:
        return False


def _write_sum(path: str) -> None:
    """All of it or nothing, for others who read it now. Raises OSError."""
    written = f"{path}{_SUM}.{os.getpid()}"
    with open(written, "w", encoding="ascii") as file:
        file.write(fingerprint(path))
    os.replace(written, path + _SUM)
