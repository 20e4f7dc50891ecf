"""Opens raw files, and tells one that another program holds from one that may not be read."""

from __future__ import annotations

import sys
from io import FileIO


class BusyError(Exception):
    """The file changed while it was read, or another program holds it: try again later."""


def open_raw(path: str) -> FileIO:
    """Open a raw file unbuffered. Raises BusyError if another program holds it, else OSError."""
    try:
        return open(path, "rb", buffering=0)
    except PermissionError as error:
        if _is_held(path):
            raise BusyError("another program has it open for itself alone") from error
        raise


if sys.platform == "win32":
    import _winapi

    _SHARE_ALL = 0x7  # FILE_SHARE_READ, FILE_SHARE_WRITE and FILE_SHARE_DELETE
    _SHARING_VIOLATION = 32

    def _is_held(path: str) -> bool:
        try:
            handle = _winapi.CreateFile(
                *(path, _winapi.GENERIC_READ, _SHARE_ALL, 0, _winapi.OPEN_EXISTING, 0, 0)
            )
        except OSError as error:  # which tells more than that of `open`
            return error.winerror == _SHARING_VIOLATION
        _winapi.CloseHandle(handle)
        return True  # it has just been let go

else:

    def _is_held(_path: str) -> bool:
        return False  # files are never held here
