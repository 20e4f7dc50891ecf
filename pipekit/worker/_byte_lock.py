"""Locks on one byte of an open file, by Windows (LockFileEx). They end with the descriptor."""

from __future__ import annotations

import ctypes
import msvcrt
import sys
from ctypes import wintypes

assert sys.platform == "win32"  # tells the type checker to look at this file only there

FAR_BEHIND = 1 << 40  # behind all data: Windows lets nobody else read a byte that is locked

_FAIL_IMMEDIATELY, _EXCLUSIVE = 0x1, 0x2  # LOCKFILE_*
_HELD_BY_ANOTHER = (33, 997)  # ERROR_LOCK_VIOLATION, ERROR_IO_PENDING


class _Overlapped(ctypes.Structure):
    """OVERLAPPED: here, where the byte lies."""

    _fields_ = (
        ("internal", ctypes.c_size_t * 2),
        ("offset", wintypes.DWORD),
        ("offset_high", wintypes.DWORD),
        ("event", wintypes.HANDLE),
    )


_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_NUMBER, _PLACE = wintypes.DWORD, ctypes.POINTER(_Overlapped)
_kernel32.LockFileEx.argtypes = [wintypes.HANDLE, _NUMBER, _NUMBER, _NUMBER, _NUMBER, _PLACE]
_kernel32.UnlockFileEx.argtypes = [wintypes.HANDLE, _NUMBER, _NUMBER, _NUMBER, _PLACE]


def lock(descriptor: int, byte: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Lock a byte; False if another descriptor holds it, unless this waits. Raises OSError."""
    flags = (0 if shared else _EXCLUSIVE) | (0 if wait else _FAIL_IMMEDIATELY)
    place = _place(byte)
    handle = msvcrt.get_osfhandle(descriptor)
    if _kernel32.LockFileEx(handle, flags, 0, 1, 0, ctypes.byref(place)):
        return True
    error = ctypes.get_last_error()
    if error in _HELD_BY_ANOTHER:
        return False
    raise ctypes.WinError(error)


def unlock(descriptor: int, byte: int) -> None:
    """Unlock a byte that this descriptor has locked."""
    place = _place(byte)
    _kernel32.UnlockFileEx(msvcrt.get_osfhandle(descriptor), 0, 1, 0, ctypes.byref(place))


def _place(byte: int) -> _Overlapped:
    return _Overlapped(offset=byte & 0xFFFFFFFF, offset_high=byte >> 32)
