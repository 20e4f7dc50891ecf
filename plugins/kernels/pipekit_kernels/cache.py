"""A folder of machine code whose files are checked before numba loads them.

numba, and LLVM below it, trust what they find. A file cut off by a full disk makes numba raise
whatever unpickling may raise, and a page of zeros within one ends the process. So a checksum stands
beside each file, and a file that does not match its checksum is removed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import Any, Self

from pipekit.worker import fingerprint

_ENDINGS = (".nbi", ".nbc")  # numba's index of a function, and its machine code
_CHECKSUM = ".sum"


class Cache:
    """The folder where numba keeps machine code."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @classmethod
    def beside(cls, module: str, otherwise: str) -> Self:
        """The cache of the module with this `__file__`: the first folder that can be written.

        `NUMBA_CACHE_DIR` decides where it is set. `__pycache__` beside the module comes next: all
        projects share it, and it goes with the package. Then `otherwise`.
        """
        if named := os.environ.get("NUMBA_CACHE_DIR"):
            return cls(named)
        folder = os.path.join(os.path.dirname(module), "__pycache__", "numba")
        with contextlib.suppress(OSError):
            os.makedirs(folder, exist_ok=True)
            with TemporaryFile(dir=folder):
                return cls(folder)
        return cls(os.path.abspath(otherwise))

    def verify(self, dispatcher: Any) -> None:
        """Remove the files of a function that do not match their checksums. Raises OSError."""
        for path in _files(dispatcher):
            if not _matches(path):
                os.remove(path)

    def clear(self, dispatcher: Any) -> None:
        """Remove all files of a function. Raises OSError."""
        for path in _files(dispatcher):
            os.remove(path)

    def seal(self, dispatcher: Any) -> None:
        """Write the checksums of a function's files as they are now.

        A file that is left without one is compiled again next time.
        """
        for path in _files(dispatcher):
            with contextlib.suppress(OSError):
                if not _matches(path):
                    _write_checksum(path)


def _files(dispatcher: Any) -> Iterator[str]:
    """The files that numba keeps of a function declared with `cache=True`."""
    folder, code = dispatcher.stats.cache_path, dispatcher.py_func.__code__
    module = os.path.splitext(os.path.basename(code.co_filename))[0]
    beginning = f"{module}.{dispatcher.py_func.__qualname__}-"
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            if name.startswith(beginning) and name.endswith(_ENDINGS):
                yield os.path.join(folder, name)


def _matches(path: str) -> bool:
    try:
        with open(path + _CHECKSUM, encoding="ascii", errors="replace") as file:
            return file.read() == fingerprint(path)
    except OSError:
        return False


def _write_checksum(path: str) -> None:
    """Whole or not at all, for other workers that read it now. Raises OSError."""
    temporary = f"{path}{_CHECKSUM}.{os.getpid()}"
    with open(temporary, "w", encoding="ascii") as file:
        file.write(fingerprint(path))
    os.replace(temporary, path + _CHECKSUM)
