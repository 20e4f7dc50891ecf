"""Exports an answer as a table, JSON, CSV or Parquet: either its rows, or their summary."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import attrs

from pipekit.commands import print_json, print_table, print_text
from pipekit_merger.results.select import Answer
from pipekit_merger.work import summary, table
from pipekit_merger.work.summary import summarise

TOTALS = ("variant", "stream")
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


@attrs.frozen(eq=False)
class Rows:
    """The rows of an answer."""

    answer: Answer

    def csv(self) -> bytes:
        """CSV with a header; times with their offset from UTC."""
        columns = [column.to_pylist() for column in self.answer.table.columns]
        return csv_bytes(self.answer.table.column_names, zip(*columns, strict=True))

    def parquet(self) -> bytes:
        """Parquet with the columns and types of the months."""
        return bytes(table.parquet(self.answer.table))

    def record(self) -> dict[str, Any]:
        """For JSON: an object with `rows` and `unreadable`."""
        return {"rows": self.answer.table.to_pylist(), **_unreadable(self.answer)}

    def print(self) -> None:
        """A line for each row on stdout."""
        print_rows(self.answer.table.to_pylist())


class Sums:
    """A line for each variant, stream and slot of an answer, and the totals of each stream."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.slots = summarise(answer.rows)
        self.streams = summarise(answer.rows, TOTALS)

    def csv(self) -> bytes:
        """CSV of the slots alone, so that nobody adds up totals."""
        return csv_bytes(summary.SCHEMA.names, (line.values() for line in self.slots))

    def parquet(self) -> bytes:
        """Parquet of the slots alone, with the columns and types of the summary."""
        return bytes(summary.parquet(self.slots))

    def record(self) -> dict[str, Any]:
        """For JSON: `rows` (slots), `totals` (streams), `unreadable`, `first` and `last`."""
        first, last = self.span
        found = {"first": first, "last": last, "rows": self.slots, "totals": self.streams}
        return {**found, **_unreadable(self.answer)}

    def print(self) -> None:
        """A table on stdout."""
        print_sums(self.slots, self.streams, self.span)

    @property
    def span(self) -> Span:
        """The first and the last date that has a row."""
        dates = self.answer.table.column("date").to_pylist()
        return (min(dates), max(dates)) if dates else (None, None)


def csv_bytes(header: Sequence[str], lines: Iterable[Iterable[Any]]) -> bytes:
    """CSV in UTF-8; null is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_plain(value) for value in line] for line in lines)
    return text.getvalue().encode()


def _unreadable(answer: Answer) -> dict[str, Any]:
    return {"unreadable": [month._asdict() for month in answer.unreadable]}


def print_record(record: dict[str, Any]) -> None:
    """Print a record as JSON on stdout."""
    print_json(record, default=_plain)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value


def by_variant(
    slots: Sequence[dict[str, Any]], streams: Sequence[dict[str, Any]]
) -> list[tuple[str, list[dict[str, Any]]]]:
    """For each variant the slots of each stream, followed by their total."""
    found: dict[str, list[dict[str, Any]]] = {}
    for total in streams:
        key = total["variant"], total["stream"]
        lines = [line for line in slots if (line["variant"], line["stream"]) == key]
        found.setdefault(total["variant"], []).extend([*lines, total | {"slot": ALL_SLOTS}])
    return list(found.items())


def sums_table(
    lines: Sequence[dict[str, Any]], names: Sequence[str] = _NAMES[1:]
) -> tuple[list[str], list[list[str]], list[int]]:
    """Head and cells of lines of `by_variant`, and which of them are totals."""
    decimals = {name: _decimals(line[name] for line in lines) for name in _POINTS}
    head = [*names, *COUNT_HEADS.values(), "win rate", *_POINTS.values(), "USD"]
    cells = [[*(line[name] for name in names), *_numbers(line, decimals)] for line in lines]
    return head, cells, [n for n, line in enumerate(lines) if line["slot"] == ALL_SLOTS]


def print_sums(
    slots: Sequence[dict[str, Any]], streams: Sequence[dict[str, Any]], span: Span
) -> None:
    """The slots of each stream, followed by their total; the span of dates goes to stderr."""
    if not slots:
        return
    lines = [line for _, of_variant in by_variant(slots, streams) for line in of_variant]
    head, cells, bold = sums_table(lines, _NAMES)
    variant = _print(head, cells, left=len(_NAMES), bold=bold, drop=_DROP_OF_SUMS)
    named = f", variant {variant}" if variant else ""
    print_text(f"{span[0]} to {span[1]}{named}", err=True)


def _numbers(line: dict[str, Any], decimals: dict[str, int]) -> list[str]:
    rate = "-" if line["win_rate"] is None else f"{line['win_rate']:.1%}"
    points = [number(line[name], decimals[name]) for name in _POINTS]
    return [*(f"{line[n]:,}" for n in COUNT_HEADS), rate, *points, number(line["profit_usd"], 0)]


def _decimals(values: Iterable[float | None]) -> int:
    """The number of decimals: two, or three if the third is in use."""
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
