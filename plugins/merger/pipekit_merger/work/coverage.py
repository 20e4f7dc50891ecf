"""Finds the run file that decides on a row: the last one whose scope covers the row's key.

A *line* is one (instrument, variant, session, slot). Lines x days make a grid, on which each scope,
in the order of the runs, writes the number of its run file over those before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from pipekit_merger.layout import StreamMonth
from pipekit_merger.work.rows import Ints, Rows, first_and_last_day
from pipekit_merger.work.scope import Part, Scope, Slot

PUBLISHED = 0  # the number that stands for the published months
_OTHER = "\0"  # stands for every variant or slot that no scope names
_LINE = ("instrument", "variant", "session", "slot")


class RunFile(NamedTuple):
    """A run file: what it replaces, and the months it has yet to be merged into.

    `number`: from 1 on, in the order of the runs. `zone`: of its times; empty if its rows are
    merged already. `pending`: the months it is to be merged into; None: all.
    """

    number: int
    path: str
    scope: Scope
    zone: str = ""
    pending: frozenset[StreamMonth] | None = None

    def is_pending(self, month: StreamMonth) -> bool:
        """Whether it is still to be merged into this month."""
        return self.pending is None or month in self.pending


class Coverage:
    """The grid for some rows. `line`: the number of each row's line, an index into `lines`."""

    def __init__(self, rows: Rows) -> None:
        date = rows["date"]
        self._first_day = int(date.min()) if len(date) else 0
        width = int(date.max()) - self._first_day + 1 if len(date) else 0
        self._day = date - self._first_day
        code = np.zeros(len(date), np.int64)
        for name in _LINE:
            code = code * len(rows.words[name]) + rows[name]
        _, at, inverse = np.unique(code, return_index=True, return_inverse=True)
        self.line: Ints = inverse.astype(np.int64)
        columns = [[rows.words[name][rank] for rank in rows[name][at]] for name in _LINE]
        self.lines = list(zip(*columns, strict=True))
        self._grid = np.full((len(self.lines), width), PUBLISHED, np.int32)
        self._of_part: dict[tuple[object, ...], list[int]] = {}

    def cover_all(self, run_files: Iterable[RunFile], stream: str) -> None:
        """Write the numbers of run files, in their order; PUBLISHED for months already merged."""
        for run_file in run_files:
            if run_file.pending is None:
                self.cover(run_file.scope, run_file.number)
                continue
            self.cover(run_file.scope, PUBLISHED)
            for month in run_file.pending:
                if month.stream == stream:
                    days = first_and_last_day(month.month)
                    self.cover(run_file.scope, run_file.number, days)

    def cover(self, scope: Scope, number: int, days: tuple[int, int] | None = None) -> None:
        """Write a number wherever the scope covers the grid, within `days` (both included)."""
        after_last = self._first_day + self._grid.shape[1]
        first, last = (self._first_day, after_last - 1) if days is None else days
        for part in scope.parts:
            lines = self._covered_lines(scope.instrument, part)
            for a, b in part.dates if lines else ():
                start = max(a, first, self._first_day) - self._first_day
                end = min(b, last) - self._first_day + 1
                if start < end:
                    self._grid[lines, start:end] = number

    def decisive(self, rows: slice = slice(None)) -> Ints:
        """For each row, the number of the last run file that covers it, or PUBLISHED."""
        numbers: Ints = self._grid[self.line[rows], self._day[rows]].astype(np.int64)
        return numbers

    def _covered_lines(self, instrument: str, part: Part) -> list[int]:
        key = (instrument, part.variants, part.slots)
        if key not in self._of_part:
            self._of_part[key] = [
                number
                for number, (of, variant, session, slot) in enumerate(self.lines)
                if of == instrument and part.covers(variant, (session, slot))
            ]
        return self._of_part[key]


def needs_published(run_files: Sequence[RunFile], month: StreamMonth) -> bool:
    """Whether a month's published file may hold rows that are in no pending run file.

    This is so if a merged run file covers a key that no pending one replaces; without the published
    file, the month would be incomplete. Keys are told apart by the names in the scopes;
    all others are treated as one.
    """
    first, last = first_and_last_day(month.month)
    for instrument, variant, slot in _named_lines(run_files):
        published = np.zeros(last - first + 1, np.bool_)
        for run_file in run_files:
            for part in run_file.scope.parts:
                if run_file.scope.instrument == instrument and part.covers(variant, slot):
                    for a, b in part.dates:
                        start, end = max(a, first) - first, min(b, last) - first + 1
                        published[start : max(end, 0)] = not run_file.is_pending(month)
        if published.any():
            return True
    return False


def _named_lines(run_files: Iterable[RunFile]) -> Iterator[tuple[str, str, Slot]]:
    """Each (instrument, variant, slot) that the scopes name, with _OTHER for those they do not."""
    parts: dict[str, list[Part]] = {}
    for run_file in run_files:
        parts.setdefault(run_file.scope.instrument, []).extend(run_file.scope.parts)
    for instrument, found in parts.items():
        variants = {_OTHER}.union(*(part.variants or () for part in found))
        slots = {(_OTHER, _OTHER)}.union(*(part.slots or () for part in found))
        for variant, slot in product(sorted(variants), sorted(slots)):
            yield instrument, variant, slot
