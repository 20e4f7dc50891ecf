"""The sink `console`: a live table on a terminal, plain lines elsewhere; both on stderr."""

# No `from __future__ import annotations`: settings classes keep real types.

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from pipekit import Duration, Emit, Event, SinkContext, setting

if TYPE_CHECKING:
    from rich.table import Table

_SHOWN = frozenset(
    {"start", "success", "partial", "failure", "blocked", "cancelled", "skipped", "idle"}
)
_MOST_UNITS = 12  # rows of one stage in the live table: a terminal is only so high
_COLOURS = {
    "success": "green",
    "partial": "yellow",
    "failure": "red",
    "blocked": "magenta",
    "cancelled": "magenta",
    "running": "cyan",
    "skipped": "bright_black",
}


@frozen
class ConsoleSettings:
    """`[sinks.console]`."""

    live: bool | None = setting(
        "A live table (true) or plain lines (false); not set: live on a terminal.",
        default=None,
        affects_output=False,
    )
    every: Duration = setting(
        "Plain lines tell of progress this often.", default=30.0, affects_output=False
    )


@contextmanager
def open_console(_context: SinkContext, settings: ConsoleSettings) -> Iterator[Emit]:
    """Show the events of a run while it goes on."""
    live = settings.live
    if live is None:
        live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    if live:
        with _LiveTable() as table:
            yield table.emit
    else:
        yield _PlainLines(settings.every).emit


class _PlainLines:
    """One line for each change of state, one for progress now and then."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._last = time.monotonic()

    def emit(self, event: Event) -> None:
        now = time.monotonic()
        if event.event in _SHOWN or event.event in ("warning", "broken", "dropped"):
            self._print(event, event.msg)
            self._last = now
        elif event.event == "progress" and now - self._last >= self._every:
            data = event.data
            self._print(event, f"{data.get('unit', '')} {data['done']} of {data.get('total')}")
            self._last = now

    def _print(self, event: Event, text: str) -> None:
        clock = event.timestamp[11:19]
        sys.stderr.write(f"{clock} {event.stage:<12} {event.event:<10} {text}\n")
        sys.stderr.flush()


class _Row:
    """A stage or unit in the live table."""

    def __init__(self) -> None:
        self.state = "running"
        self.text = ""
        self.done = 0.0
        self.total: float | None = None
        self.started = time.monotonic()
        self.ended: float | None = None

    def end(self, state: str, text: str, seconds: float | None = None) -> None:
        """It may have begun before its row did: the table is loaded meanwhile."""
        self.state, self.text, self.ended = state, text, time.monotonic()
        if seconds is not None:
            self.started = self.ended - seconds

    @property
    def seconds(self) -> float:
        return (self.ended or time.monotonic()) - self.started


class _LiveTable:
    """Stages and their units with progress bars, redrawn in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._stages: dict[str, _Row] = {}
        self._units: dict[str, dict[str, _Row]] = {}
        console = Console(stderr=True)
        self._live = Live(
            console=console,
            refresh_per_second=8,
            get_renderable=self._table,
            transient=sys.stdout.isatty(),  # where the same is said at the end of the run
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def emit(self, event: Event) -> None:
        stage, data = event.stage, event.data
        if stage == "pipeline":
            if event.event == "start":
                for name in data.get("stages", ()):
                    row = self._stages.setdefault(name, _Row())
                    row.end("waiting", "")
            return
        if event.event in ("warning", "broken", "dropped", "proposed"):
            self._live.console.print(
                f"[yellow]{event.event}[/] {stage}: ", event.msg, sep="", highlight=False
            )
        elif event.event == "start":
            self._stages[stage] = _Row()
            self._stages[stage].text = event.msg
        elif event.event in _SHOWN:
            text = event.msg.partition(": ")[2].removeprefix(f"{event.event}, ")
            row = self._stages.setdefault(stage, _Row())
            row.end(event.event, text, data.get("duration"))
        elif "unit" in data or event.event == "progress":
            self._unit(stage, str(data.get("unit") or data.get("task")), event.event, data)

    def _unit(self, stage: str, name: str, word: str, data: Any) -> None:
        row = self._units.setdefault(stage, {}).setdefault(name, _Row())
        if word == "progress":
            row.done, row.total = data.get("done") or 0, data.get("total")
        elif word == "unit_end":
            row.end(data.get("status", ""), data.get("reason", ""))

    def _table(self) -> "Table":
        from rich.table import Table

        table = Table(box=None, pad_edge=False, show_header=False)
        for column in ("name", "state", "bar", "seconds", "text"):
            table.add_column(column, no_wrap=column != "text", overflow="fold")
        for stage, row in list(self._stages.items()):
            table.add_row(*self._cells(f"[bold]{stage}[/]", row))
            units = list(self._units.get(stage, {}).items())
            shown = _most_telling(units) if row.state == "running" else _failed(units)
            for name, unit in shown:
                table.add_row(*self._cells(f"  {name}", unit))
        return table

    def _cells(self, name: str, row: _Row) -> tuple[Any, ...]:
        from rich.markup import escape
        from rich.progress_bar import ProgressBar

        colour = _COLOURS.get(row.state, "default")
        bar: Any = ""
        if row.total:
            done = row.total if row.state == "success" else row.done
            bar = ProgressBar(total=row.total, completed=done, width=20)
        seconds = "" if row.state in ("waiting", "skipped") else f"{row.seconds:.1f} s"
        return name, f"[{colour}]{row.state}[/]", bar, seconds, escape(row.text)


def _failed(units: list[tuple[str, _Row]]) -> list[tuple[str, _Row]]:
    return [(name, row) for name, row in units if row.state == "failure"][:_MOST_UNITS]


def _most_telling(units: list[tuple[str, _Row]]) -> list[tuple[str, _Row]]:
    """What fails and what runs first, then what ended last."""
    order = {"failure": 0, "running": 1}
    chosen = sorted(units, key=lambda u: (order.get(u[1].state, 2), -(u[1].ended or 0)))
    return sorted(chosen[:_MOST_UNITS])
