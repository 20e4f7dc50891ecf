"""An answer as a table for people, on stdout; knows neither files nor data libraries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import click

_COUNTS = {"trades": "trades", "wins": "win", "break_evens": "BE", "losses": "loss"}
_COUNTS |= {"times": "time", "open": "open", "no_trade": "none"}
_POINTS = {"profit": "points", "average": "average", "max_drawdown": "drawdown"}
_NAMES = {"variant": "variant", "stream": "stream", "slot": "slot"}
ALL_SLOTS = "all"


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
    print_table(head, cells, bold, left=3, skip=1 if one_variant else 0)
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


_ROW = ("date", "stream", "slot", "direction", "result", "entry", "at", "exit", "at", "points")
_ROW_LEFT = 5


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """A line for each row."""
    if not rows:
        return
    one_variant = len({row["variant"] for row in rows}) == 1
    head = ["variant", *_ROW, "USD", "peak"]
    cells = [[row["variant"], *_cells(row)] for row in rows]
    print_table(head, cells, [False] * len(cells), left=1 + _ROW_LEFT, skip=1 if one_variant else 0)


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
    head: Sequence[str], cells: Sequence[Sequence[str]], bold: Sequence[bool], left: int, skip: int
) -> None:
    """Columns as wide as they need to be; the first `left` are texts, the others numbers.

    `skip`: how many columns are left out at the beginning.
    """
    table = [list(line)[skip:] for line in (head, *cells)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    texts = left - skip
    for line, strong in zip(table, (True, *bold), strict=True):
        parts = [
            cell.ljust(width) if place < texts else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo(click.style("  ".join(parts).rstrip(), bold=strong))
