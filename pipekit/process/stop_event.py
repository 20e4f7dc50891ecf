"""SIGTERM from another process on Windows, which has no signals: an event of the system."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

if sys.platform == "win32":
    import ctypes
    import signal
    import threading
    from ctypes import wintypes

    _FOREVER = 0xFFFFFFFF
    _MODIFY_STATE = 0x0002  # EVENT_MODIFY_STATE, the right to set an event
    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel32.CreateEventW.restype = _kernel32.OpenEventW.restype = wintypes.HANDLE
    _kernel32.SetEvent.argtypes = _kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
    _kernel32.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]

    @contextlib.contextmanager
    def sigterm_by_event(pid: int, start: int) -> Iterator[None]:
        """Within the block, raise SIGTERM whenever another process calls `send_sigterm`.

        `start` tells this process, `pid`, from a later one with the same id. Only processes of the
        same user, of the system and of administrators may do that. Where no such event can be made,
        nothing is heard.
        """
        event = _kernel32.CreateEventW(None, False, False, _name(pid, start))  # reset by each wait
        if not event:
            yield
            return
        over = threading.Event()
        listener = threading.Thread(target=_listen, args=(event, over), daemon=True)
        listener.start()
        try:
            yield
        finally:
            over.set()
            _kernel32.SetEvent(event)
            listener.join()
            _kernel32.CloseHandle(event)

    def send_sigterm(pid: int, start: int) -> None:
        """Have a process get SIGTERM that is within `sigterm_by_event(pid, start)`.

        Raises ProcessLookupError if it is not, and PermissionError if it is another user's.
        """
        event = _kernel32.OpenEventW(_MODIFY_STATE, False, _name(pid, start))
        if not event:
            error = ctypes.WinError(ctypes.get_last_error())
            if isinstance(error, FileNotFoundError):
                raise ProcessLookupError(f"process {pid} hears no request to stop") from error
            raise error
        _kernel32.SetEvent(event)
        _kernel32.CloseHandle(event)

    def _listen(event: int, over: threading.Event) -> None:
        while _kernel32.WaitForSingleObject(event, _FOREVER) == 0 and not over.is_set():
            signal.raise_signal(signal.SIGTERM)

    def _name(pid: int, start: int) -> str:
        """One name in all sessions: tasks of the scheduler are not in that of a user."""
        return f"Global\\pipekit-stop-{pid}-{start}"

else:

    @contextlib.contextmanager
    def sigterm_by_event(_pid: int, _start: int) -> Iterator[None]:
        """Do nothing: here it is a signal."""
        yield
