"""Takes rows that cannot be right out of those of one instrument, and puts ticks in order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipekit_translator.dialects import FileFormat
from pipekit_translator.work.parse.header import RejectedError
from pipekit_translator.work.read.astray import Astray
from pipekit_translator.work.read.chronological import Chronological
from pipekit_translator.work.read.outliers import Outliers
from pipekit_translator.work.table import Ints, Table
from pipekit_translator.work.zones import DAY

ASTRAY = "the date is more than {days:g} days from those of the rows around it (max_distance)"
FILLER = "a bar without trades at a price far off those around it (outliers)"
OUTLIER = "a price is far off those around it (outliers)"

_Rows = tuple[Table, Ints]


class Sieve:
    """The steps that rows of one instrument go through, in file order, each with its line."""

    def __init__(self, format: FileFormat) -> None:
        series = format.series_read
        self._format = format
        self._astray = Astray(int(format.max_distance * series.unit))
        self._ticks = Chronological() if series.grouped else None
        found = Outliers(series, carried=format.carry)
        self._outliers = None if format.outliers == "keep" else found
        parts = (self._astray if format.max_distance else None, self._ticks, self._outliers)
        self._steps = [part for part in parts if part is not None]
        self._primed = False

    def prime(self, table: Table) -> None:
        """Show the rows before the first ones, at least one, which are known: they are no result.

        Raises RejectedError.
        """
        self._primed = True
        for _ in self._feed(0, (table, np.zeros(table.size, np.int64))):
            pass

    def feed(self, table: Table, lines: Ints) -> Iterator[_Rows]:
        """The right rows, as far as that is known. Raises RejectedError."""
        yield from self._feed(0, (table, lines))

    def finish(self) -> Iterator[_Rows]:
        """The rest of them. Raises RejectedError."""
        for at, step in enumerate(self._steps):
            for rows in step.finish():
                yield from self._feed(at + 1, rows)
        self._check()

    def _feed(self, at: int, rows: _Rows) -> Iterator[_Rows]:
        if at == len(self._steps):
            if not self._primed:
                yield rows
            elif (new := rows[1] > 0).any():
                yield rows[0].at(new), rows[1][new]
            return
        for more in self._steps[at].feed(*rows):
            yield from self._feed(at + 1, more)

    def aside(self) -> Iterator[tuple[str, list[int]]]:
        """The lines of the others, with the reason."""
        found = [(ASTRAY.format(days=self._format.max_distance / DAY), self._astray.lines)]
        if self._outliers is not None:
            found += [(FILLER, self._outliers.fillers), (OUTLIER, self._outliers.lines)]
        for reason, lines in found:
            yield reason, [line for line in lines if line]

    def _check(self) -> None:
        if self._outliers is None or self._format.outliers != "reject":
            return
        for reason, lines in list(self.aside())[1:]:
            if lines:
                raise RejectedError(
                    f"line {lines[0]}: {reason}; {len(lines):,} such rows. Correct the export, or "
                    'set outliers = "quarantine" to set them aside'
                )
