"""What `pipekit sources try` shows: the first rows of a file, and those that are set aside."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import attrs

from pipekit import PipekitError
from pipekit.commands import print_table, print_text
from pipekit_translator.layout import TICKS, Series
from pipekit_translator.settings import Settings
from pipekit_translator.sources import Source
from pipekit_translator.work.read.held import BusyError
from pipekit_translator.work.read.preview import Head, Preview, head_of, preview
from pipekit_translator.work.zones import Zone

_SHOWN = 60  # characters of a line


class Row(NamedTuple):
    """A row as it would be published; times as ISO text, null as None."""

    line: int
    utc: str
    exchange: str
    instrument: str
    values: tuple[float | None, ...]


class Aside(NamedTuple):
    """A row that would be set aside."""

    line: int
    reason: str
    text: str


@attrs.frozen(kw_only=True)
class Trial:
    """How the project reads the beginning of a file."""

    path: str
    source: Source
    glob: str
    series: Series
    timezone: str
    head: Head
    read: Preview

    @classmethod
    def of(cls, file: str, path: str, settings: Settings, source: Source) -> Trial:
        """Read the beginning of a file. Raises PipekitError if that is impossible."""
        format = settings.format(source, accepted=False)
        try:
            head = head_of(file, format)
        except (OSError, BusyError) as error:
            raise PipekitError(f"{path} cannot be read: {error}") from error
        return cls(
            path=path,
            source=source,
            glob=settings.glob(source),
            series=format.series_written,
            timezone=settings.timezone,
            head=head,
            read=preview(head, format),
        )

    @property
    def is_read(self) -> bool:
        """Whether a run would read any row."""
        return bool(self.read.count) and not self.read.rejected

    def rows(self, count: int) -> list[Row]:
        """The first rows, in the order of the file."""
        found = sorted(self._rows(count), key=lambda row: row.line)
        return found[:count]

    def _rows(self, count: int) -> Iterator[Row]:
        zone = Zone(self.timezone, self.series.unit)
        for instrument, table, lines in self.read.rows:
            first = slice(0, count)
            part = table.at(first)
            local = zone.local(part.time)
            columns = [column.tolist() for column in (*part.prices, part.volume)]
            for line, time, here, *values in zip(
                lines[first].tolist(), part.time.tolist(), local.tolist(), *columns, strict=True
            ):
                known = tuple(map(_known, values))
                yield Row(line, self._moment(time), self._moment(here), instrument, known)

    def _moment(self, time: int) -> str:
        seconds, rest = divmod(time, self.series.unit)
        text = f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S}"
        digits = len(str(self.series.unit)) - 1
        return f"{text}.{rest:0{digits}}".rstrip("0") if rest else text

    def asides(self) -> list[Aside]:
        """The rows that would be set aside, by line."""
        lines = self.head.lines()
        found = [Aside(r.line, r.reason, r.text.decode("utf-8", "replace")) for r in self.read.bad]
        for reason, numbers in self.read.aside.items():
            for line in numbers:
                text = lines[line - 1] if line <= len(lines) else b""
                found.append(Aside(line, reason, text.decode("utf-8", "replace")))
        return sorted(found)

    def summary(self) -> str:
        """What became of the rows, in one sentence."""
        if self.read.rejected:
            return f"rejected: {self.read.rejected}"
        if not self.read.total:
            return "no rows: a run would count it as empty, and publish nothing"
        names = sorted({name for name, _, _ in self.read.rows})
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if names[5:] else "")
        text = f"{self.series.counted(self.read.count)} of {shown}" if names else "no valid row"
        aside = len(self.asides())
        notes = [f"{aside:,} row{'s' if aside > 1 else ''} set aside"] if aside else []
        if self.read.footer:
            footer = self.read.footer
            notes.append(f"{footer} line{'s' if footer > 1 else ''} skipped at the end")
        if not self.head.whole:
            notes.append("of the first megabytes of the file")
        return ", ".join([text, *notes])

    def print(self, count: int) -> None:
        """For people."""
        dialect = self.source.resolved()
        member = f", member {self.head.member}" if self.head.member else ""
        packed = f" ({self.head.kind}{member})" if self.head.kind else ""
        parts = [f"dialect {self.source.dialect}"] if self.source.dialect else []
        parts.append(f"timezone {self.source.zone()}")
        if self.series is not TICKS:
            parts.append(f"stamps are the bars' {dialect.bar_time}")
        print_text(f"{self.path}{packed}", "file    ")
        print_text(f"{self.glob}: {', '.join(parts)}", "source  ")
        print_text(self.summary(), "rows    ")
        for warning in self.head.warnings:
            print_text(warning, "warning ")
        if not self.read.rejected:
            self._print_tables(count)

    def _print_tables(self, count: int) -> None:
        if rows := self.rows(count):
            print_text("")
            head = ("line", "UTC", self.timezone, "instrument", *self.series.prices, "volume")
            print_table(
                head,
                [(r.line, r.utc, r.exchange, r.instrument, *map(_text, r.values)) for r in rows],
                left=4,
            )
        if asides := self.asides():
            more = f" (the first {count} of {len(asides):,})" if len(asides) > count else ""
            print_text("")
            print_text(f"set aside{more}:")
            print_table(
                ("line", "reason", "row"),
                [(a.line, a.reason, a.text[:_SHOWN]) for a in asides[:count]],
            )

    def record(self, count: int) -> dict[str, Any]:
        """For programs."""
        names = (*self.series.prices, "volume")
        asides = self.asides()
        return {
            "file": self.path,
            "source": {
                "glob": self.glob,
                "dialect": self.source.dialect,
                "timezone": self.source.zone(),
            },
            "series": self.series.name,
            "exchange_timezone": self.timezone,
            "rejected": self.read.rejected,
            "read": self.read.count,
            "set_aside": len(asides),
            "whole": self.head.whole,
            "rows": [
                {
                    "line": row.line,
                    "utc": row.utc,
                    "exchange": row.exchange,
                    "instrument": row.instrument,
                    **dict(zip(names, row.values, strict=True)),
                }
                for row in self.rows(count)
            ],
            "aside": [aside._asdict() for aside in asides[:count]],
        }


def _known(value: float) -> float | None:
    """A value; None for what is absent: NaN, or a whole volume of -1."""
    absent = value < 0 if isinstance(value, int) else math.isnan(value)
    return None if absent else value


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)
