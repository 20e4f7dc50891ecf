"""Hears that the console is being closed, which is no signal on Windows."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

if sys.platform == "win32":
    import ctypes
    import threading
    from ctypes import wintypes

    _ENDINGS = (2, 5, 6)  # CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT
    _HANDLER = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)
    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)

    @contextlib.contextmanager
    def on_console_close(close: Callable[[], None]) -> Iterator[None]:
        """Call `close` in a thread of the system when the console is closed, or its user logs off.

        Windows ends this process when the handler returns, or after some seconds (5 by default):
        so the handler waits for the end of the block. Without a console there is nothing to hear.
        """
        over = threading.Event()
        handler = _HANDLER(lambda event: _ends(event, close, over))
        heard = _kernel32.SetConsoleCtrlHandler(handler, True)  # add it
        try:
            yield
        finally:
            over.set()
            if heard:
                _kernel32.SetConsoleCtrlHandler(handler, False)  # remove it

    def _ends(event: int, close: Callable[[], None], over: threading.Event) -> bool:
        """Whether this event is dealt with: if not, the next handler gets it."""
        if event not in _ENDINGS:
            return False
        close()
        over.wait()
        return True

else:

    @contextlib.contextmanager
    def on_console_close(_close: Callable[[], None]) -> Iterator[None]:
        """Do nothing: here it is a signal, SIGHUP."""
        yield
