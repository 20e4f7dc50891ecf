"""An answer as a table, JSON, CSV or Parquet: either its rows, or what they sum up to."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from pipekit_merger.results.select import Answer
from pipekit_merger.results.text import print_rows, print_sums
from pipekit_merger.work import summary, table
from pipekit_merger.work.summary import Line, summarise

TOTALS = ("variant", "stream")


@attrs.frozen(eq=False)
class Rows:
    """The rows of an answer."""

    answer: Answer

    def csv(self) -> bytes:
        """With a header; times with their offset from UTC."""
        columns = [column.to_pylist() for column in self.answer.table.columns]
        return csv_bytes(self.answer.table.column_names, zip(*columns, strict=True))

    def parquet(self) -> bytes:
        """With the columns and types of the months."""
        return bytes(table.parquet(self.answer.table))

    def json(self) -> str:
        """An object with `rows` and `unreadable`."""
        return json_text(self.answer, {"rows": self.answer.table.to_pylist()})

    def print(self) -> None:
        """A line for each row on stdout."""
        print_rows(self.answer.table.to_pylist())


@attrs.frozen(eq=False)
class Sums:
    """A line for each variant, stream and slot of an answer, and the totals of each stream."""

    answer: Answer
    slots: list[Line]
    streams: list[Line]

    @classmethod
    def of(cls, answer: Answer) -> Sums:
        """Sum up the rows of an answer."""
        return cls(answer, summarise(answer.rows), summarise(answer.rows, TOTALS))

    def csv(self) -> bytes:
        """Of the slots alone, so that nobody adds up totals."""
        return csv_bytes(summary.SCHEMA.names, (line.values() for line in self.slots))

    def parquet(self) -> bytes:
        """Of the slots alone, with the columns and types of the summary."""
        return bytes(summary.parquet(self.slots))

    def json(self) -> str:
        """An object with `rows` (slots), `totals` (streams), `unreadable`, `first` and `last`."""
        first, last = self.span
        found = {"first": first, "last": last, "rows": self.slots, "totals": self.streams}
        return json_text(self.answer, found)

    def print(self) -> None:
        """A table on stdout."""
        print_sums(self.slots, self.streams, self.span)

    @property
    def span(self) -> tuple[dt.date | None, dt.date | None]:
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


def json_text(answer: Answer, found: Mapping[str, Any]) -> str:
    """A JSON object, with the months that could not be read."""
    unreadable = [month._asdict() for month in answer.unreadable]
    value = {**found, "unreadable": unreadable}
    return json.dumps(value, indent=1, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value
