"""Sets rows aside that cannot be used: those of each file, and what was too late for its part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sized

from pipekit.worker import report
from pipekit_translator import layout
from pipekit_translator.contracts import shown
from pipekit_translator.dialects import FileFormat
from pipekit_translator.work.publish.quarantine import Quarantine, lines_of
from pipekit_translator.work.read.outcome import Outcome
from pipekit_translator.work.read.texts import lines_in

LATE = "late: the lifecycle has removed the processed {part}"


class LateRowsError(Exception):
    """Rows of a part whose processed file the lifecycle has removed."""


class SetAsideError(Exception):
    """So many rows of a file were set aside that the run is no success."""


class SetAside:
    """Keeps rows in the folder `quarantine`, and counts them in `counts`.

    `partial_at`: the share of a file's rows from which the run is no success.
    """

    def __init__(self, quarantine: str, counts: Counter[str], partial_at: float) -> None:
        self._folder = quarantine
        self.quarantine = Quarantine(quarantine)
        self._counts = counts
        self._partial_at = partial_at
        self._late: Counter[str] = Counter()  # by processed file
        self._spoiled: dict[str, str] = {}  # why, by raw file

    def note_late(self, late: Mapping[str, Sized]) -> None:
        """Note the lines of a file that were too late, by processed file."""
        self._late.update({path: len(lines) for path, lines in late.items()})

    def keep(self, path: str, format: FileFormat, found: Outcome, *, again: bool) -> None:
        """Keep the rows of a file, and warn; `again`: also invalid ones that were kept before.

        Raises OSError.
        """
        rows = [] if found.repeated and not again else found.bad
        late = [] if found.repeated else [n for lines in found.late.values() for n in lines]
        if late:
            reason = LATE.format(part=format.series_written.part)
            rows = rows + lines_of(lines_in(path, format), late, reason)
            self._counts["late_rows"] += len(late)
        if not found.repeated:
            for reason, lines in found.aside.items():
                rows = rows + lines_of(lines_in(path, format), lines, reason)
        aside = 0 if found.repeated else len(found.bad) + sum(map(len, found.aside.values()))
        if aside and aside >= self._partial_at * found.rows:
            self._spoiled[path] = f"{aside:,} of its {found.rows:,} rows were set aside"
        if kept := self.quarantine.add(path, rows):
            self._counts["rows_set_aside"] += len(rows)
            report.metric("rows_set_aside", self._counts["rows_set_aside"])
            count = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
            report.warning(
                f"{path}: {count} set aside in {kept}; the first is line {rows[0].line}: "
                f"{rows[0].reason}",
                path=path,
            )

    def report(self) -> None:
        """A failed unit for each part with late rows, and for each file with too many bad ones."""
        self._report_late()
        self._report_spoiled()

    def _report_late(self) -> None:
        for path, count in sorted(self._late.items()):
            key, part = layout.covered(path) or (path, "")
            series = layout.of_key(key)[1]
            with report.unit(f"{shown(key)} {part} late"):
                raise LateRowsError(
                    f"{count:,} {series.noun} belong to {path}, which the lifecycle has removed. "
                    f"They are in {self._folder}. Put the {series.part} back from the trash "
                    "(`pipekit lifecycle restore` lists it) or your archive; the next run then "
                    "publishes them"
                )

    def _report_spoiled(self) -> None:
        for path, reason in self._spoiled.items():
            with report.unit(path):
                raise SetAsideError(
                    f"{reason}; they are in {self._folder}. Setting partial_at: "
                    f"{self._partial_at:g}"
                )
