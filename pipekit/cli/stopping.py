"""Ctrl-C, SIGTERM and a closed terminal stop a run gracefully, and at once the second time."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from pipekit.cli.exits import BrokenOff
from pipekit.errors import EXIT_HANGUP, EXIT_INTERRUPTED, EXIT_TERMINATED
from pipekit.process.console import on_console_close
from pipekit.process.stop_event import sigterm_by_event
from pipekit.run.orchestrator import PipelineOrchestrator
from pipekit.storage.holder import process_start


@contextmanager
def signals_stop(running: Sequence[PipelineOrchestrator]) -> Iterator[None]:
    """Stop on Ctrl-C, SIGTERM or a closed terminal: gracefully first, at once the second time.

    As long as nothing is `running`, plugins are imported: that is broken off.
    """
    codes = {signal.SIGINT: EXIT_INTERRUPTED, signal.SIGTERM: EXIT_TERMINATED}
    if sys.platform == "win32":
        codes[signal.SIGBREAK] = EXIT_TERMINATED  # Ctrl-Break
    elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        codes[signal.SIGHUP] = EXIT_HANGUP  # nohup has it ignored, and it stays so

    def stop(number: int, _frame: FrameType | None) -> None:
        name, code = signal.Signals(number).name, codes[signal.Signals(number)]
        if not running:
            raise BrokenOff(f"{name} came before the run began: nothing was started", code)
        [orchestrator] = running
        again = orchestrator.cancel.is_set()
        if not again:
            orchestrator.interrupted_exit = code
        orchestrator.cancel.set(now=again)

    def close() -> None:
        """Stop politely: the console is closed, or its user logs off."""
        for orchestrator in running:
            orchestrator.interrupted_exit = EXIT_HANGUP
            orchestrator.cancel.set()

    pid = os.getpid()
    before = {number: signal.signal(number, stop) for number in codes}
    if hasattr(signal, "SIGTTOU"):  # or `stty tostop` would stop a run in the background, and all
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # its time-outs, when it says something
    try:
        with on_console_close(close), sigterm_by_event(pid, process_start(pid)):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
