"""The start of a process and the computer's name, asked of Windows itself: others take long."""

from __future__ import annotations

import _winapi
import ctypes
import sys
from ctypes import wintypes

assert sys.platform == "win32"  # tells the type checker to look at this file only there

_QUERY_LIMITED_INFORMATION, _SYNCHRONIZE = 0x1000, 0x100000  # rights to a process

_LONGEST_NAME = 256  # characters; Windows allows 15

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_TIME = ctypes.POINTER(ctypes.c_uint64)  # FILETIME: 100 ns since 1601
_kernel32.GetProcessTimes.argtypes = [wintypes.HANDLE, _TIME, _TIME, _TIME, _TIME]


def computer_name() -> str:
    """The name of this computer, which needs no variable; `platform.node` may start a program."""
    size = wintypes.DWORD(_LONGEST_NAME)
    name = ctypes.create_unicode_buffer(_LONGEST_NAME)
    return name.value if _kernel32.GetComputerNameW(name, ctypes.byref(size)) else ""


def started_at(pid: int) -> int:
    """When a live process was started, in 100 ns since 1601; 0 if there is none, or it is hidden.

    An id stays taken after the end of its process while somebody has a handle.
    """
    try:
        handle = _winapi.OpenProcess(_QUERY_LIMITED_INFORMATION | _SYNCHRONIZE, False, pid)
    except OSError:
        return 0
    try:
        if _winapi.WaitForSingleObject(handle, 0) == _winapi.WAIT_OBJECT_0:
            return 0
        times = [ctypes.c_uint64() for _ in range(4)]  # of start and end, in the kernel, in itself
        done = _kernel32.GetProcessTimes(handle, *map(ctypes.byref, times))
        return times[0].value if done else 0
    finally:
        _winapi.CloseHandle(handle)
