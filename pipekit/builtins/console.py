"""The sink `console`: a live table on a terminal, plain lines elsewhere; both on stderr."""

# No `from __future__ import annotations`: settings classes keep real types.

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from pipekit import (
    Duration,
    Emit,
    Event,
    EventKind,
    EventSink,
    SinkContext,
    StageStatus,
    hookimpl,
    setting,
)
from pipekit.commands import COLOURS, escaped

if TYPE_CHECKING:
    from rich.table import Table

PIPEKIT_API = "1"

_STAGE_ENDS = frozenset({*StageStatus, EventKind.IDLE})
_FRESHNESS = frozenset({EventKind.STALE, EventKind.FRESH})
_OTHERS = (EventKind.WARNING, EventKind.RETRY, EventKind.BROKEN, EventKind.DROPPED)
_NOTICES = frozenset({*_OTHERS, *_FRESHNESS})
_WAITING = "waiting"
_RUNNING = "running"
_MAX_UNITS = 12  # rows per stage in the live table, so that it fits the terminal's height

# Widths of the live table, in columns.
_BAR, _BAR_NARROW = 20, 10
_WIDE, _NARROW = 98, 58  # terminals with room for the wider bar, and for a bar at all
_GAPS = 4 * 2
_SHORTEST_NAME, _SHORTEST_TEXT = 12, 10


@frozen(eq=False, repr=False)
class ConsoleSettings:
    """`[sinks.console]`."""

    live: bool | None = setting(
        "Show a live table (true) or plain lines (false); by default a table on a terminal.",
        default=None,
        affects_output=False,
    )
    every: Duration = setting(
        "Time between two progress messages, when plain lines are shown.",
        default=30.0,
        affects_output=False,
    )


@contextmanager
def open_console(_context: SinkContext, settings: ConsoleSettings) -> Iterator[Emit]:
    """Show the events of a run as they happen."""
    live = settings.live
    if live is None:
        live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    if live:
        table = _LiveTable()
        with table.live:
            yield table.emit
    else:
        yield _PlainLines(settings.every).emit


@hookimpl
def pipekit_event_sinks() -> Iterator[EventSink]:
    """Events on the terminal, or in the log, that a run was started from."""
    yield EventSink("console", open_console, settings=ConsoleSettings)


class _PlainLines:
    """A line for each start, end and warning, and one for progress now and then.

    No ends where stdout is the same file, pipe or terminal: the command prints the results there.
    """

    def __init__(self, every: float) -> None:
        ends = frozenset[str]() if _in_one_place() else _STAGE_ENDS
        self._shown = ends | _NOTICES | {EventKind.START}
        self._every = every
        self._last = time.monotonic()

    def emit(self, event: Event) -> None:
        now = time.monotonic()
        if event.event in self._shown:
            self._print(event, event.msg)
            self._last = now
        elif event.event == EventKind.PROGRESS and now - self._last >= self._every:
            data = event.data
            self._print(event, f"{data.get('unit', '')} {data['done']} of {data.get('total')}")
            self._last = now

    def _print(self, event: Event, text: str) -> None:
        clock = event.timestamp[11:19]
        line = escaped(f"{clock} {event.stage:<12} {event.event:<10} {text}")
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _in_one_place() -> bool:
    """Whether stdout and stderr go to the same place, as in a scheduler's mail or a CI log."""
    try:
        out, err = os.fstat(1), os.fstat(2)
    except OSError:  # one of them is closed
        return False
    return out.st_ino != 0 and os.path.samestat(out, err)  # Windows knows no inodes of pipes


@define(eq=False, repr=False)
class _Row:
    """A stage or unit in the live table."""

    state: str = field(default=_RUNNING, converter=escaped)
    text: str = field(default="", converter=escaped)
    done: float = 0.0
    total: float | None = None
    started: float = field(factory=time.monotonic)
    ended: float | None = None

    def end(self, state: str, text: str, seconds: float | None = None) -> None:
        """Set the final state. `seconds`: its duration, if it may be older than its row."""
        self.state, self.text, self.ended = state, text, time.monotonic()
        if seconds is not None:
            self.started = self.ended - seconds

    @property
    def clock(self) -> str:
        """For how long it has run, or did."""
        if self.state in (_WAITING, StageStatus.SKIPPED):
            return ""
        return f"{(self.ended or time.monotonic()) - self.started:.1f} s"


class _LiveTable:
    """Stages and their units with progress bars, redrawn in place."""

    def __init__(self) -> None:
        from rich.console import Console  # only on a terminal, as are the others
        from rich.live import Live

        self._stages: dict[str, _Row] = {}
        self._units: dict[str, dict[str, _Row]] = {}
        self._console = Console(stderr=True)
        self.live = Live(
            console=self._console,
            refresh_per_second=8,
            get_renderable=self._table,
            transient=sys.stdout.isatty(),  # the command prints the same there when the run ends
        )

    def emit(self, event: Event) -> None:
        stage, data = event.stage, event.data
        if stage == "pipeline":
            if event.event == EventKind.START:
                self._stages = {name: _Row(state=_WAITING) for name in data.get("stages", ())}
            elif event.event in _FRESHNESS:
                self._notice(event)
        elif event.event in _NOTICES or event.event == EventKind.PROPOSED:
            self._notice(event)
            if event.event == EventKind.RETRY:
                self._await(self._stages.setdefault(stage, _Row()), data)
        elif event.event == EventKind.START:
            self._stages[stage] = _Row(text=event.msg)
        elif event.event == EventKind.TASK_START and data.get("attempt", 1) > 1:
            self._stages[stage].text = f"attempt {data['attempt']}"
        elif event.event in _STAGE_ENDS:
            text = event.msg.partition(": ")[2].removeprefix(f"{event.event}, ")
            row = self._stages.setdefault(stage, _Row())
            row.end(event.event, text, data.get("duration"))
        elif "unit" in data or event.event == EventKind.PROGRESS:
            self._unit(stage, str(data.get("unit") or data.get("task")), event.event, data)

    def _await(self, row: _Row, data: Mapping[str, Any]) -> None:
        row.text = f"waits before attempt {data.get('attempt')} of {data.get('of')}"

    def _notice(self, event: Event) -> None:
        from rich.text import Text  # see `_LiveTable.__init__`

        said = escaped(f" {event.stage}: {event.msg}")
        text = Text.assemble((escaped(event.event), "yellow"), said)
        self._console.print(text, highlight=False)

    def _unit(self, stage: str, name: str, kind: str, data: Mapping[str, Any]) -> None:
        row = self._units.setdefault(stage, {}).setdefault(name, _Row())
        if kind == EventKind.UNIT_START:  # perhaps again, in a further attempt
            self._units[stage][name] = _Row()
        elif kind == EventKind.PROGRESS:
            row.done, row.total = data.get("done") or 0, data.get("total")
        elif kind == EventKind.UNIT_END:
            row.end(data.get("status", ""), data.get("reason", ""))

    def _table(self) -> "Table":
        from rich.cells import cell_len  # see `_LiveTable.__init__`
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        width = self._console.width - len("^C")  # a terminal prints it at the end of the last line
        bar_width = _BAR if width >= _WIDE else _BAR_NARROW if width >= _NARROW else 0
        rows = list(self._rows())
        states = max((len(row.state) for _, _, row in rows), default=0)
        clocks = max((len(row.clock) for _, _, row in rows), default=0)
        room = width - _GAPS - states - bar_width - clocks
        longest = max((cell_len(name) for name, _, _ in rows), default=0)
        names = min(longest, max(_SHORTEST_NAME, room - max(_SHORTEST_TEXT, room // 3)))
        table = Table(box=None, pad_edge=False, show_header=False)
        for column in (names, states, bar_width, clocks, max(room - names, 1)):
            table.add_column(width=column, no_wrap=True, overflow="ellipsis")
        for name, style, row in rows:
            bar: Any = ""
            if row.total and bar_width:
                done = row.total if row.state == StageStatus.SUCCESS else row.done
                bar = ProgressBar(total=row.total, completed=done, width=bar_width)
            state = Text(row.state, COLOURS.get(row.state, "default"))
            clock = Text(row.clock, justify="right")
            table.add_row(Text(_shortened(name, names), style), state, bar, clock, Text(row.text))
        return table

    def _rows(self) -> Iterator[tuple[str, str, _Row]]:
        """Name, style and row of each stage and of its most relevant units."""
        for stage, row in list(self._stages.items()):
            yield escaped(stage), "bold", row
            units = list(self._units.get(stage, {}).items())
            if row.state != _RUNNING:
                units = [(n, unit) for n, unit in units if unit.state == StageStatus.FAILURE]
            for name, unit in _most_relevant(units):
                yield f"  {escaped(name)}", "", unit


def _shortened(name: str, width: int) -> str:
    """Shorten a long name by cutting its start; the end of a path says more."""
    from rich.cells import cell_len, set_cell_size  # see `_LiveTable.__init__`

    if cell_len(name) <= width:
        return name
    indent = name[: len(name) - len(name.lstrip(" "))]
    return f"{indent}…{set_cell_size(name[::-1], width - len(indent) - 1)[::-1]}"


def _most_relevant(units: list[tuple[str, _Row]]) -> list[tuple[str, _Row]]:
    """Failed and running units first, then those that ended last."""
    order = {StageStatus.FAILURE: 0, _RUNNING: 1}
    chosen = sorted(units, key=lambda u: (order.get(u[1].state, 2), -(u[1].ended or 0)))
    return sorted(chosen[:_MAX_UNITS], key=lambda u: u[0])
