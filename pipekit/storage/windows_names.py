"""Paths as Windows lists them: it opens a file by its name in any case, the ledger knows one."""

from __future__ import annotations

import ctypes
import sys
from ctypes import wintypes

assert sys.platform == "win32"  # tells the type checker to look at this file only there

_WILD = frozenset("*?[")
_NO_HANDLE = wintypes.HANDLE(-1).value

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.FindFirstFileW.argtypes = [wintypes.LPCWSTR, ctypes.POINTER(wintypes.WIN32_FIND_DATAW)]
_kernel32.FindFirstFileW.restype = wintypes.HANDLE
_kernel32.FindClose.argtypes = [wintypes.HANDLE]


class ListedNames:
    """Finds the names of files below a root as their folders list them."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folders = {"": ""}  # as they were asked for: as they are listed

    def __call__(self, path: str) -> str:
        """A path below the root, or a pattern, with `/`. What does not exist stays as it is."""
        folder, slash, name = path.rpartition("/")
        listed = self._folders.get(folder)
        if listed is None:
            listed = self(folder)
            if listed_name(f"{self._root}/{folder}"):
                self._folders[folder] = listed
        if name not in (".", "..") and not _WILD & set(path):
            name = listed_name(f"{self._root}/{path}") or name
        return f"{listed}{slash}{name}"


def listed_name(path: str) -> str:
    """The name of a file as its folder lists it; empty if there is none."""
    found = wintypes.WIN32_FIND_DATAW()
    handle = _kernel32.FindFirstFileW(path, ctypes.byref(found))
    if handle == _NO_HANDLE:
        return ""
    _kernel32.FindClose(handle)
    return found.cFileName
