"""EventLogger: numbers events, writes them to the journal, then passes them to the sinks.

Sinks cannot disturb a run or each other: each has its own thread, a bounded queue, and its own
copies of the events' data (copies, since a read-only mapping cannot be written as JSON).
"""

from __future__ import annotations

import copy
import datetime as dt
import threading
import time
from typing import Any

from pipekit.model.event import RUN_ENDS, Event, EventKind, SinkContext
from pipekit.model.place import Place
from pipekit.model.quantity import iso, stamp
from pipekit.model.run import Paths
from pipekit.model.secrets import Mask
from pipekit.model.specs import EventSink
from pipekit.model.text import escaped
from pipekit.run.sink_thread import SinkThread
from pipekit.storage.journal import Journal, RunLog

_NO_DROP_AFTER = RUN_ENDS | {
    EventKind.START,
    EventKind.DROPPED,
}  # after these, no `dropped` event may follow


class EventLogger:
    """Emits events; may be used from any thread. Errors go to `warnings`, and never raise.

    `unseen_warnings`: those of the time after the last event, of which no sink is told.
    `seq`: of the last event so far. `zone`: of their times (default: the system's). `mask`: hides
    secrets.
    """

    def __init__(
        self,
        run_id: str,
        journal: Journal,
        log: RunLog,
        *,
        seq: int = 0,
        zone: dt.tzinfo | None = None,
        mask: Mask | None = None,
    ) -> None:
        self.run_id = run_id
        self.log = log
        self.warnings: list[str] = []
        self.unseen_warnings: list[str] = []
        self._journal = journal
        self._seq = seq
        self._zone = zone
        self._mask = mask or Mask()
        self._lock = threading.RLock()
        self._sinks: list[SinkThread] = []

    @property
    def healthy(self) -> bool:
        """Whether every event so far was written to the journal."""
        return not self._journal.problem

    @property
    def ended(self) -> bool:
        """Whether the journal has the end of the run already, from another run."""
        return self._journal.has_ended()

    def open_sink(self, sink: EventSink, settings: Any, context: SinkContext) -> None:
        """Start a sink in its own thread; it receives the events from now on."""
        thread = SinkThread(sink, settings, context)
        self._sinks.append(thread)
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            thread.problem = f"no thread could be started for it: {error}"

    def emit(self, stage: str, event: EventKind, msg: str = "", /, **data: Any) -> None:
        """Number an event, write it to the journal, and pass it to the sinks, without secrets."""
        if self._mask.forms:
            msg, data = self._mask.text(msg), self._mask.value(data)
        with self._lock:
            self._seq += 1
            made = Event(
                run_id=self.run_id,
                seq=self._seq,
                stage=stage,
                event=event,
                timestamp=iso(time.time(), self._zone),
                msg=escaped(msg),
                data=data,
            )
            self._journal.append(made.record(), sync=stage == "pipeline" and event in RUN_ENDS)
            self.log.event(made)
            for sink in self._sinks:
                sink.put(made._replace(data=copy.deepcopy(data)))
            if event not in _NO_DROP_AFTER:
                self.report_problems()

    def close(self) -> None:
        """Wait for the sinks, each until its own limit, then close the files."""
        self._close_sinks()
        self._journal.look()
        self.log.look()
        self.unseen_warnings += self._notices()
        if self._journal.problem:
            self.unseen_warnings.append(f"the journal is incomplete: {self._journal.problem}")
        self.warnings += self.unseen_warnings
        self._journal.close()
        self.log.close()

    def report_problems(self) -> None:
        """Emit an event for each sink that has failed by now, and for files that were lost.

        Call this before the last event.
        """
        for text in self._notices():
            self.warnings.append(text)
            self.emit("pipeline", EventKind.WARNING, text)
        for sink in self._sinks:
            if sink.problem and not sink.drop_told:
                sink.drop_told = sink.fault_told = True
                self.warnings.append(sink.sentence())
                self.emit("sink", EventKind.DROPPED, f"{sink.name}: {sink.problem}", sink=sink.name)
            elif sink.fault and not sink.fault_told:
                sink.fault_told = True
                text = f"{sink.name}: {sink.fault}; it gets the next events"
                self.emit("sink", EventKind.WARNING, text, sink=sink.name)

    def sinks(self) -> list[dict[str, Any]]:
        """What went wrong with sinks, for the report."""
        return [
            {"sink": sink.name, "important": sink.sink.important, "sentence": sink.sentence()}
            for sink in self._sinks
            if sink.sentence()
        ]

    def _close_sinks(self) -> None:
        """Tell all sinks to finish, and wait for each until its own limit."""
        begun = time.monotonic()
        for sink in self._sinks:
            sink.put(None)
        for sink in self._sinks:
            sink.finish(begun + sink.sink.flush_seconds - time.monotonic())
        self.unseen_warnings += [
            sink.sentence() for sink in self._sinks if sink.sentence() and not sink.drop_told
        ]

    def _notices(self) -> list[str]:
        """What happened to journal and log since the last call."""
        found = []
        for name, file in (("the journal", self._journal), ("the log", self.log)):
            found += [f"{name} {notice}" for notice in file.notices]
            file.notices.clear()
        return found


def open_logger(
    paths: Paths,
    run_id: str,
    started: float,
    *,
    after: int = 0,
    zone: str = "",
    mask: Mask | None = None,
) -> EventLogger:
    """The logger of a run. `after`: the `seq` of its last event so far. Raises OSError.

    `zone`: for the times of events (default: the system's). `mask`: hides secrets in them.
    """
    mode, place = paths.file_mode, Place(paths.root)
    journal = Journal(paths.journal(run_id), mode, place)
    log = RunLog(paths.logs / f"pipeline_{stamp(started)}_{run_id}.log", mode, place)
    where = _named_zone(zone) if zone else None
    return EventLogger(run_id, journal, log, seq=after, zone=where, mask=mask)


def _named_zone(name: str) -> dt.tzinfo:
    import zoneinfo  # few projects name a zone

    return zoneinfo.ZoneInfo(name)
