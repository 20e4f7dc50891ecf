"""The rows that `pipekit results` is asked for."""

from __future__ import annotations

import datetime as dt

import attrs

from pipekit_merger.layout import StreamMonth

COLUMNS = {  # the column of the rows that each of these fields of a Question filters
    "instruments": "instrument",
    "streams": "stream",
    "slots": "slot",
    "variants": "variant",
}


@attrs.frozen(kw_only=True)
class Question:
    """The rows that are wanted; an empty tuple or None stands for any."""

    first: dt.date | None = None
    last: dt.date | None = None
    instruments: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()

    def concerns(self, month: StreamMonth) -> bool:
        """Whether the file of a month may hold such rows."""
        when = divmod(month.month, 12)
        early = self.first is not None and when < (self.first.year, self.first.month - 1)
        late = self.last is not None and when > (self.last.year, self.last.month - 1)
        named = not self.streams or month.stream in self.streams
        fits = not self.instruments or month.stream.startswith(self.instruments)
        return named and fits and not early and not late

    def filters(self) -> dict[str, tuple[str, ...]]:
        """Column → values asked for."""
        asked = {column: getattr(self, name) for name, column in COLUMNS.items()}
        return {column: values for column, values in asked.items() if values}

    def phrases(self, *, dates: bool = True) -> list[str]:
        """What is asked for, in words; without the dates if `dates` is False."""
        found = []
        if dates and (self.first or self.last):
            found.append(f"{self.first or 'the beginning'} to {self.last or 'the end'}")
        found += [f"{column} {', '.join(values)}" for column, values in self.filters().items()]
        return found
