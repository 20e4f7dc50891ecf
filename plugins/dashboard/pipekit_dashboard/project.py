"""A project on the dashboard: what its pages show of it, looked at no more often than needed."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipekit_html.run import RunView, read_timeline, run_view

from pipekit import PipekitError
from pipekit.reading import (
    DIED,
    RUNNING,
    Disk,
    NextStart,
    PipelineState,
    ProjectReader,
    ProjectStatus,
    Timeline,
)

RUNS = 40  # on a page
_TICKS = 80  # runs in the strip
_LATEST = 20.0  # seconds after which the status is looked at again, whatever happens
_SCHEDULE = 60.0  # seconds for which the next start is believed
_TIMELINES = 20  # of runs that have ended, kept
_FILES = (
    *("state.db", "state.db-wal", "lock.json", "hold.json", "refused.json"),
    *("acknowledged.json", "expect.json"),
)


class RunRow(NamedTuple):
    """A run in the table. `idle_before`: how many idle runs came just before it."""

    run: PipelineState
    status: str
    seconds: float | None
    idle_before: int = 0


class Tick(NamedTuple):
    """A run in the strip. `height`: of 20."""

    number: int
    status: str
    height: int


class Overview(NamedTuple):
    """What the grid shows of a project. `problem`: why there is nothing to show.

    `idle_since`: how many idle runs came after the first of `rows`.
    """

    status: ProjectStatus | None
    rows: Sequence[RunRow] = ()
    ticks: Sequence[Tick] = ()
    idle_since: int = 0
    next_start: NextStart = NextStart(None, "not known")
    disks: Sequence[Disk] = ()
    problem: str = ""


class WatchedProject:
    """One of the projects, for several threads. `number`: its place in addresses, from 1 on."""

    def __init__(self, reader: ProjectReader, number: int) -> None:
        self.reader = reader
        self.number = number
        self._lock = threading.Lock()
        self._overview: Overview | None = None
        self._stamp: object = None
        self._looked = 0.0
        self._next: tuple[float, object, NextStart] | None = None
        self._timelines: OrderedDict[str, Timeline] = OrderedDict()

    @property
    def name(self) -> str:
        """As the page calls it."""
        return self.reader.name

    @property
    def base(self) -> str:
        """The beginning of the addresses of its pages."""
        return f"/p/{self.number}"

    def overview(self) -> Overview:
        """What the grid shows, looked at again only if a file of the project has changed."""
        with self._lock:
            stamp = self._file_stamp()
            is_old = time.monotonic() - self._looked > _LATEST
            if self._overview is None or stamp != self._stamp or is_old:
                self._overview = self._look()
                self._stamp, self._looked = stamp, time.monotonic()
            return self._overview

    def rows(self, before: int | None = None) -> tuple[list[RunRow], int]:
        """A page of runs that were not idle, newest first, and how many idle ones came since."""
        found = self.reader.runs(RUNS + 1, before=before, worked=True)
        newest = next((run.number for run in self.reader.runs(1, before=before)), 0)
        earlier = [run.number for run in found[1:]] + [0]
        rows = [
            _row(self.reader, run, run.number - n - 1)
            for run, n in zip(found, earlier, strict=False)
        ]
        return rows[:RUNS], newest - (found[0].number if found else 0)

    def timeline(self, run: PipelineState) -> Timeline:
        """The timeline of a run that has ended; read once."""
        if run.run_id not in self._timelines:
            found, _ = read_timeline(self.reader, run)
            if run.status is None:
                return found
            self._timelines[run.run_id] = found
            while len(self._timelines) > _TIMELINES:
                with suppress(KeyError):
                    self._timelines.popitem(last=False)
        return self._timelines[run.run_id]

    def run_view(self, run: PipelineState, timeline: Timeline | None = None) -> RunView:
        """What the page of a run shows."""
        return run_view(self.reader, run, timeline or self.timeline(run))

    def current(self) -> PipelineState | None:
        """The run that is going on; None if there is none, or it has no row yet."""
        holder = self.reader.holder()
        if holder is None or not holder.run_id or not holder.alive:
            return None
        with suppress(PipekitError):  # a ledger that cannot be read is said by the overview
            return self.reader.run(holder.run_id)
        return None

    def _look(self) -> Overview:
        try:
            status = self.reader.status()
            rows, idle_since = self.rows()
            recent = self.reader.runs(_TICKS)
        except Exception as error:  # the isolation boundary between projects
            return Overview(None, problem=f"{type(error).__name__}: {error}")
        return Overview(
            status=status,
            rows=tuple(rows),
            ticks=tuple(_ticks(self.reader, recent)),
            idle_since=idle_since,
            next_start=self._next_start(status),
            disks=tuple(self.reader.disks()),
        )

    def _next_start(self, status: ProjectStatus) -> NextStart:
        """The next start; the schedulers are asked once a minute, and once it has passed."""
        now, hold = time.time(), status.state.hold
        known = self._next
        passed = known is not None and known[2].at is not None and known[2].at < now
        if known is None or now - known[0] > _SCHEDULE or known[1] != hold or passed:
            known = self._next = now, hold, self.reader.next_start(hold)
        return known[2]

    def _file_stamp(self) -> object:
        paths = self.reader.paths
        files = [self.reader.root / "pipekit.toml", *(paths.state / name for name in _FILES)]
        return tuple(map(_stamp, files))


def _stamp(path: Path) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _row(reader: ProjectReader, run: PipelineState, idle_before: int) -> RunRow:
    unfinished = DIED
    if run.status is None and reader.is_going_on(run):
        unfinished = RUNNING
    elif run.status is None:
        run = reader.run(run.run_id) or run  # it may have ended meanwhile
    status = str(run.status or unfinished)
    seconds = None if run.ended is None else run.ended - run.started
    return RunRow(run, status, seconds, idle_before)


def _ticks(reader: ProjectReader, runs: Sequence[PipelineState]) -> list[Tick]:
    """The latest runs, oldest first; higher the longer they took."""
    rows = [_row(reader, run, 0) for run in reversed(runs)]
    longest = max((row.seconds or 0.0 for row in rows), default=0.0) or 1.0
    return [
        Tick(
            row.run.number,
            row.status,
            5 if row.status == "idle" else 8 + round(12 * ((row.seconds or 0.0) / longest) ** 0.5),
        )
        for row in rows
    ]
