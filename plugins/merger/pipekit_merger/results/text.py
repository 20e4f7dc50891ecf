"""An answer as a table for people, on stdout."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import click

from pipekit.commands import print_table

COUNT_HEADS = {"trades": "trades", "wins": "win", "break_evens": "BE", "losses": "loss"}
COUNT_HEADS |= {"times": "time", "open": "open", "no_trade": "no trade"}
ALL_SLOTS = "all"
_POINTS = {"profit": "points", "average": "average", "max_drawdown": "drawdown"}
_NAMES = ("variant", "stream", "slot")
# Left out first on a narrow terminal:
_DROP_OF_SUMS = ("no trade", "open", "time", "loss", "BE", "average", "win", "drawdown")
_DROP_OF_ROWS = ("exit time", "entry time", "peak", "USD", "direction", "exit", "entry")
_HINT = "--csv prints all"

Span = tuple[dt.date | None, dt.date | None]


def print_sums(
    slots: Sequence[dict[str, Any]], streams: Sequence[dict[str, Any]], span: Span
) -> None:
    """The slots of each stream, followed by their total; the span of dates goes to stderr."""
    if not slots:
        return
    lines = []
    for total in streams:
        key = total["variant"], total["stream"]
        lines += [line for line in slots if (line["variant"], line["stream"]) == key]
        lines.append(total | {"slot": ALL_SLOTS})
    decimals = {name: _decimals(line[name] for line in lines) for name in _POINTS}
    head = [*_NAMES, *COUNT_HEADS.values(), "win rate", *_POINTS.values(), "USD"]
    cells = [[*(line[name] for name in _NAMES), *_numbers(line, decimals)] for line in lines]
    bold = [number for number, line in enumerate(lines) if line["slot"] == ALL_SLOTS]
    variant = _print(head, cells, left=len(_NAMES), bold=bold, drop=_DROP_OF_SUMS)
    named = f", variant {variant}" if variant else ""
    click.echo(f"{span[0]} to {span[1]}{named}", err=True)


def _numbers(line: dict[str, Any], decimals: dict[str, int]) -> list[str]:
    rate = "-" if line["win_rate"] is None else f"{line['win_rate']:.1%}"
    points = [number(line[name], decimals[name]) for name in _POINTS]
    return [*(f"{line[n]:,}" for n in COUNT_HEADS), rate, *points, number(line["profit_usd"], 0)]


def _decimals(values: Iterable[float | None]) -> int:
    """Two, or three where the third is in use."""
    fine = any(v is not None and abs(round(v, 2) - v) > 5e-4 for v in values)
    return 3 if fine else 2


def number(value: float | None, decimals: int) -> str:
    """With thousands separators; `-` for null."""
    return "-" if value is None else f"{round(value, decimals) + 0.0:,.{decimals}f}"


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """A line for each row."""
    texts = ("variant", "date", "stream", "slot", "direction", "result")
    head = [*texts, "entry time", "entry", "exit time", "exit", "points", "USD", "peak"]
    cells = [[*(str(row[name] or "-") for name in texts), *_trade(row)] for row in rows]
    if rows:
        _print(head, cells, left=len(texts), drop=_DROP_OF_ROWS)


def _trade(row: dict[str, Any]) -> list[str]:
    return [
        _moment(row["entry_time"]),
        _price(row["entry_price"]),
        _moment(row["exit_time"]),
        _price(row["exit_price"]),
        _price(row["profit"]),
        number(row["profit_usd"], 0),
        _price(row["peak"]),
    ]


def _moment(value: dt.datetime | None) -> str:
    return "-" if value is None else f"{value:%m-%d %H:%M}"


def _price(value: float | None) -> str:
    return "-" if value is None else f"{value:,.10g}"


def _print(
    head: Sequence[str],
    cells: Sequence[Sequence[str]],
    *,
    left: int,
    bold: Collection[int] = (),
    drop: Sequence[str],
) -> str | None:
    """Print a table whose first column is the variant; a single variant is returned instead."""
    variants = {row[0] for row in cells}
    if len(variants) > 1:
        print_table(head, cells, left=left, bold=bold, drop=drop, hint=_HINT)
        return None
    rest = [row[1:] for row in cells]
    print_table(head[1:], rest, left=left - 1, bold=bold, drop=drop, hint=_HINT)
    return variants.pop()
