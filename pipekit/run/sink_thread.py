"""SinkThread: opens a sink, feeds it with events, closes it, and counts the calls that failed."""

from __future__ import annotations

import queue
import threading
from typing import Any

from pipekit.model.event import Event, SinkContext
from pipekit.model.specs import EventSink
from pipekit.plugins.fault import located

QUEUE_SIZE = 10_000  # events that may wait for a sink before it is dropped
FAILURES_IN_A_ROW = 10  # calls; then it is dropped


class SinkThread(threading.Thread):
    """The thread of one sink. A call that raises costs it one event; it gets the next ones.

    `problem`: why it was dropped, which is final. `failed`: events on which it raised; `fault`:
    what it raised first. The thread ends when it is dropped, or told to finish.
    """

    def __init__(self, sink: EventSink, settings: Any, context: SinkContext) -> None:
        super().__init__(name=sink.name, daemon=True)  # a sink that hangs must not block the exit
        self.sink = sink
        self.problem = ""
        self.failed = 0
        self.fault = ""
        self.fault_told = self.drop_told = False  # by an event
        self._in_a_row = 0
        self._settings = settings
        self._context = context
        self._queue: queue.Queue[Event | None] = queue.Queue(QUEUE_SIZE)

    def put(self, event: Event | None) -> None:
        """Queue an event; None tells the thread to finish."""
        try:
            if not self.problem:
                self._queue.put_nowait(event)
        except queue.Full:
            self.problem = f"it is too slow: {QUEUE_SIZE} events are waiting"

    def run(self) -> None:
        """Open the sink and feed it until it is dropped, or told to finish. Never raises."""
        try:
            with self.sink.open(self._context, self._settings) as emit:
                while not self.problem and (event := self._queue.get()) is not None:
                    self._pass_on(emit, event)
        except BaseException as error:  # the isolation boundary of sinks, at the end of a thread
            self.problem = self.problem or located(error)

    def _pass_on(self, emit: Any, event: Event) -> None:
        try:
            emit(event)
        except Exception as error:  # the isolation boundary of a sink's calls
            self.failed += 1
            self._in_a_row += 1
            self.fault = self.fault or located(error)
            if self._in_a_row >= FAILURES_IN_A_ROW:
                self.problem = f"it failed on {self._in_a_row} events in a row: {located(error)}"
        else:
            self._in_a_row = 0

    def finish(self, seconds: float) -> None:
        """Wait this long for it to end; it was told to finish."""
        if self.is_alive():
            self.join(max(seconds, 0.0))
        if self.is_alive() and not self.problem:
            self.problem = "it did not finish in time"

    def sentence(self) -> str:
        """What went wrong with it, for people; empty if nothing did."""
        if self.problem:
            return f"sink {self.name!r} was dropped: {self.problem}"
        if self.failed:
            events = "one event" if self.failed == 1 else f"{self.failed} events"
            return f"sink {self.name!r} failed on {events}: {self.fault}"
        return ""
