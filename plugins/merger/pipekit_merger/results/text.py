"""An answer as a table for people, on stdout; knows neither files nor data libraries."""

from __future__ import annotations

import datetime as dt
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

_COUNTS = {"trades": "trades", "wins": "win", "break_evens": "BE", "losses": "loss"}
_COUNTS |= {"times": "time", "open": "open", "no_trade": "none"}
_POINTS = {"profit": "points", "average": "average", "max_drawdown": "drawdown"}
_NAMES = {"variant": "variant", "stream": "stream", "slot": "slot"}
ALL_SLOTS = "all"
GAP = "  "
# What is left out first where a terminal has no room for all of it.
_SUMS_GO = ("none", "open", "time", "loss", "BE", "average", "win", "drawdown")
_ROWS_GO = ("left", "entered", "peak", "USD", "direction", "exit", "entry")


def print_sums(
    slots: Sequence[dict[str, Any]],
    streams: Sequence[dict[str, Any]],
    span: tuple[dt.date | None, dt.date | None],
) -> None:
    """The slots of each stream, and below them their total."""
    if not slots:
        return
    lines = []
    for total in streams:
        key = total["variant"], total["stream"]
        lines += [line for line in slots if (line["variant"], line["stream"]) == key]
        lines.append(total | {"slot": ALL_SLOTS})
    decimals = {name: _decimals(line[name] for line in lines) for name in _POINTS}
    head = [*_NAMES.values(), *_COUNTS.values(), "win rate", *_POINTS.values(), "USD"]
    cells = [[*_key(line), *_numbers(line, decimals)] for line in lines]
    bold = [line["slot"] == ALL_SLOTS for line in lines]
    one_variant = len({line["variant"] for line in lines}) == 1
    print_table(head, cells, bold, left=3, skip=1 if one_variant else 0, go=_SUMS_GO)
    variant = f", variant {lines[0]['variant']}" if one_variant else ""
    click.echo(f"{span[0]} to {span[1]}{variant}", err=True)


def _key(line: dict[str, Any]) -> list[str]:
    return [str(line[name]) for name in _NAMES]


def _numbers(line: dict[str, Any], decimals: dict[str, int]) -> list[str]:
    rate = "-" if line["win_rate"] is None else f"{line['win_rate']:.1%}"
    points = [number(line[name], decimals[name]) for name in _POINTS]
    return [*(f"{line[n]:,}" for n in _COUNTS), rate, *points, number(line["profit_usd"], 0)]


def _decimals(values: Iterable[float | None]) -> int:
    """Two, or three where the third is in use."""
    fine = any(v is not None and abs(round(v, 2) - v) > 5e-4 for v in values)
    return 3 if fine else 2


def number(value: float | None, decimals: int) -> str:
    """With groups of three digits; `-` for null."""
    return "-" if value is None else f"{round(value, decimals) + 0.0:,.{decimals}f}"


_ROW = ("date", "stream", "slot", "direction", "result", "entered", "entry", "left", "exit")
_ROW_LEFT = 5


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """A line for each row."""
    if not rows:
        return
    one_variant = len({row["variant"] for row in rows}) == 1
    head = ["variant", *_ROW, "points", "USD", "peak"]
    cells = [[row["variant"], *_cells(row)] for row in rows]
    bold = [False] * len(cells)
    print_table(head, cells, bold, left=1 + _ROW_LEFT, skip=1 if one_variant else 0, go=_ROWS_GO)


def _cells(row: dict[str, Any]) -> list[str]:
    entry, left = (_moment(row[name]) for name in ("entry_time", "exit_time"))
    prices = [_price(row[name]) for name in ("entry_price", "exit_price")]
    texts = [str(row["date"]), row["stream"], row["slot"], row["direction"] or "-", row["result"]]
    earned = [_price(row["profit"]), number(row["profit_usd"], 0), _price(row["peak"])]
    return [*texts, entry, prices[0], left, prices[1], *earned]


def _moment(value: dt.datetime | None) -> str:
    return "-" if value is None else f"{value:%m-%d %H:%M}"


def _price(value: float | None) -> str:
    return "-" if value is None else f"{value:,.10g}"


def print_table(
    head: Sequence[str],
    cells: Sequence[Sequence[str]],
    bold: Sequence[bool],
    left: int,
    skip: int,
    go: Sequence[str],
) -> None:
    """Columns as wide as they need to be; the first `left` are texts, the others numbers.

    `skip`: how many columns are left out at the beginning. `go`: the columns that a terminal too
    narrow for all is spared, in this order; stderr names them.
    """
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    shown = list(range(skip, len(head)))
    gone = []
    for name in go:
        if sum(widths[i] + len(GAP) for i in shown) - len(GAP) <= _room():
            break
        shown.remove(head.index(name))
        gone.append(name)
    for line, strong in zip((head, *cells), (True, *bold), strict=True):
        parts = [line[i].ljust(widths[i]) if i < left else line[i].rjust(widths[i]) for i in shown]
        click.echo(click.style(GAP.join(parts).rstrip(), bold=strong))
    if gone:
        click.echo(f"columns that have no room here: {', '.join(gone)} (--csv has all)", err=True)


def _room() -> float:
    """Columns of the terminal; without end where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else float("inf")
