"""Which run file a row's place belongs to: the last one whose scope holds it.

A *line* is one (instrument, variant, session, slot); lines × days make a grid, on which the scopes
are painted one over the other in the order of their runs. Knows no values and no files.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

import numpy as np  # noqa: TID253  # a worker's module: no plan imports it

from pipekit_merger.rows import Ints, Rows
from pipekit_merger.scope import Group, Part, Scope, days_of

BASE = 0  # the owner of what is published already
_OTHER = "\0"  # a variant or slot that nobody has named
_LINE = ("instrument", "variant", "session", "slot")


class Layer(NamedTuple):
    """A run file in its place among the others: what it replaces, and where it still has to.

    `number`: from 1 on, in the order of the runs. `zone`: of its times, empty where its rows are
    merged already. `left`: the groups it is still to be merged into; None: all.
    """

    number: int
    path: str
    scope: Scope
    zone: str = ""
    left: frozenset[Group] | None = None

    def takes(self, group: Group) -> bool:
        """Whether it is still to be merged into this group."""
        return self.left is None or group in self.left


class Cells:
    """The lines and days of some rows, each row's `line` and `day` in it, and the grid."""

    def __init__(self, rows: Rows) -> None:
        day = rows["date"]
        self.first = int(day.min()) if len(day) else 0
        self.width = int(day.max()) - self.first + 1 if len(day) else 0
        self.day = day - self.first
        code = np.zeros(len(day), np.int64)
        for name in _LINE:
            code = code * len(rows.words[name]) + rows[name]
        _, at, inverse = np.unique(code, return_index=True, return_inverse=True)
        self.line: Ints = inverse.astype(np.int64)
        columns = [[rows.words[name][rank] for rank in rows[name][at]] for name in _LINE]
        self.lines = list(zip(*columns, strict=True))
        self.grid = np.full((len(self.lines), self.width), BASE, np.int32)
        self._known: dict[tuple[object, ...], list[int]] = {}

    def paint(self, scope: Scope, owner: int, days: tuple[int, int] | None = None) -> None:
        """Give the cells of a scope (within days, both included) to an owner."""
        first, last = (self.first, self.first + self.width - 1) if days is None else days
        for part in scope.parts:
            lines = self._lines(scope.instrument, part)
            for a, b in part.dates if lines else ():
                start = max(a, first, self.first) - self.first
                end = min(b, last) - self.first + 1
                if start < end:
                    self.grid[lines, start:end] = owner

    def owners(self, rows: slice | None = None) -> Ints:
        """The owner of each row's cell."""
        at = slice(None) if rows is None else rows
        owners: Ints = self.grid[self.line[at], self.day[at]].astype(np.int64)
        return owners

    def _lines(self, instrument: str, part: Part) -> list[int]:
        key = (instrument, part.variants, part.slots)
        known = self._known.get(key)
        if known is None:
            known = [
                number
                for number, (of, variant, session, slot) in enumerate(self.lines)
                if of == instrument and part.takes(variant, (session, slot))
            ]
            self._known[key] = known
        return known


def paint(cells: Cells, layers: Iterable[Layer], stream: str) -> None:
    """Give each cell to the last layer whose scope holds it; to BASE where that is merged."""
    for layer in layers:
        if layer.left is None:
            cells.paint(layer.scope, layer.number)
            continue
        cells.paint(layer.scope, BASE)
        for group in layer.left:
            if group.stream == stream:
                cells.paint(layer.scope, layer.number, days_of(group.month))


def irreplaceable(layers: Iterable[Layer], group: Group) -> bool:
    """Whether merged layers hold cells of the group that no layer still to be merged replaces.

    It answers whether a month whose file is lost can be made anew from the layers at hand. Cells
    are told apart by the words in the scopes; all others are one.
    """
    layers = list(layers)
    first, last = days_of(group.month)
    for line in _named_lines(layers):
        kept = np.zeros(last - first + 1, np.bool_)
        for layer in layers:
            for part in layer.scope.parts:
                if layer.scope.instrument == line[0] and part.takes(line[1], line[2]):
                    for a, b in part.dates:
                        start, end = max(a, first) - first, min(b, last) - first + 1
                        kept[start : max(end, 0)] = not layer.takes(group)
        if kept.any():
            return True
    return False


def _named_lines(layers: list[Layer]) -> Iterable[tuple[str, str, tuple[str, str]]]:
    for instrument in {layer.scope.instrument for layer in layers}:
        parts = [
            p for layer in layers if layer.scope.instrument == instrument for p in layer.scope.parts
        ]
        variants = {_OTHER}.union(*(part.variants or () for part in parts))
        slots = {(_OTHER, _OTHER)}.union(*(part.slots or () for part in parts))
        for variant, slot in product(sorted(variants), sorted(slots)):
            yield instrument, variant, slot
