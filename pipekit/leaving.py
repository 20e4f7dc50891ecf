"""Ends a process at once, with what is owed done; knows nothing of what the process was for."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from typing import NoReturn


def leave(code: int = 0) -> NoReturn:
    """End this process like `sys.exit(code)`, without taking the interpreter apart first.

    Exit functions run and the streams are flushed. What is left out would free object by object
    what goes with the process anyway: 4 ms, and ten times as much with numpy and pyarrow loaded,
    unless that was done within `pipekit.worker.loading`.
    Where a thread is left that Python would wait for, this is `sys.exit`.
    """
    if "threading" in sys.modules and _is_waited_for():
        sys.exit(code)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, full, or none
            stream.flush()
    os._exit(code)


def _is_waited_for() -> bool:
    import threading

    main_thread = threading.main_thread()
    return any(not t.daemon for t in threading.enumerate() if t is not main_thread)
