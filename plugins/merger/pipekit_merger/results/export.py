"""An answer as text, JSON, CSV and Parquet: either its rows or what they sum up to."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from pipekit_merger.results.select import Answer
from pipekit_merger.results.text import print_rows, print_sums

TOTALS = ("variant", "stream")


@attrs.frozen(eq=False)
class Rows:
    """The rows themselves; `table` is as a month's file has them."""

    answer: Answer
    table: Any

    def csv(self) -> bytes:
        """With a head; times with their offset."""
        columns = [column.to_pylist() for column in self.table.columns]
        return csv_bytes(self.table.column_names, zip(*columns, strict=True))

    def parquet(self) -> bytes:
        """With the columns and types of the months."""
        from pipekit_merger.table import parquet

        return bytes(parquet(self.table))

    def json(self) -> str:
        """An object with `rows` and `unreadable`."""
        return json_text(self.answer, {"rows": self.table.to_pylist()})

    def print(self) -> None:
        """A line each on stdout."""
        print_rows(self.table.to_pylist())


@attrs.frozen(eq=False)
class Sums:
    """A line per variant, stream and slot, and the totals of each stream."""

    answer: Answer
    slots: list[dict[str, Any]]
    streams: list[dict[str, Any]]

    def csv(self) -> bytes:
        """The slots alone, so that nobody adds up totals."""
        from pipekit_merger.summary import SCHEMA

        return csv_bytes(SCHEMA.names, [list(line.values()) for line in self.slots])

    def parquet(self) -> bytes:
        """The slots alone, with the columns and types of the summary."""
        from pipekit_merger.summary import parquet

        return bytes(parquet(self.slots))

    def json(self) -> str:
        """An object with `rows` (slots), `totals` (streams), `unreadable`, `first` and `last`."""
        first, last = self.span
        stated = {"first": first, "last": last, "rows": self.slots, "totals": self.streams}
        return json_text(self.answer, stated)

    def print(self) -> None:
        """A table on stdout."""
        print_sums(self.slots, self.streams, self.span)

    @property
    def span(self) -> tuple[dt.date | None, dt.date | None]:
        """The first and the last date that has a row."""
        dates = self.answer.table.column("date").to_pylist()
        return (min(dates), max(dates)) if dates else (None, None)


def rows(answer: Answer) -> Rows:
    """The rows of an answer."""
    return Rows(answer, answer.table)


def sums(answer: Answer) -> Sums:
    """What the rows of an answer sum up to."""
    from pipekit_merger.summary import summarise

    return Sums(answer, summarise(answer.rows), summarise(answer.rows, TOTALS))


def csv_bytes(head: Sequence[str], lines: Any) -> bytes:
    """CSV in UTF-8; nothing stands for null."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_plain(value) for value in line] for line in lines)
    return text.getvalue().encode()


def json_text(answer: Answer, stated: Mapping[str, Any]) -> str:
    """The object with the months that could not be read."""
    unreadable = [month._asdict() for month in answer.unreadable]
    value = {**stated, "unreadable": unreadable}
    return json.dumps(value, indent=1, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value
