"""Reads the merged rows that a question is about; months outside of it are not opened.

It works while a run writes: a month's file is whole at any moment, the old one or the new.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import attrs

from pipekit_merger.months import present
from pipekit_merger.scope import Group

_COLUMNS = {  # by the question's fields
    "instruments": "instrument",
    "streams": "stream",
    "slots": "slot",
    "variants": "variant",
}


@attrs.frozen
class Question:
    """Which rows are wanted; an empty tuple or None: any."""

    first: dt.date | None = None
    last: dt.date | None = None
    instruments: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()

    def wants(self, group: Group) -> bool:
        """Whether a month's file may hold such rows."""
        when = divmod(group.month, 12)
        early = self.first is not None and when < (self.first.year, self.first.month - 1)
        late = self.last is not None and when > (self.last.year, self.last.month - 1)
        named = not self.streams or group.stream in self.streams
        fits = not self.instruments or group.stream.startswith(self.instruments)
        return named and fits and not early and not late

    @property
    def has_dates(self) -> bool:
        """Whether it asks for some dates only."""
        return self.first is not None or self.last is not None

    def words(self) -> list[str]:
        """What it asks for, a phrase each, for people."""
        said = []
        if self.first or self.last:
            said.append(f"{self.first or 'the beginning'} to {self.last or 'the end'}")
        for field, column in _COLUMNS.items():
            values = getattr(self, field)
            if values:
                said.append(f"{column} {', '.join(values)}")
        return said


class Unreadable(NamedTuple):
    """A month whose file cannot be used: its path from the project's root, and why."""

    path: str
    reason: str


@attrs.frozen(eq=False)
class Answer:
    """The rows found, in the order of their key; `table`: with the columns and types of the months.

    `months`: how many files there are at all; `streams`: of these, by name. `unreadable`: those of
    the question that could not be used. `absent`: column → (asked for and in no row, those there).
    """

    rows: Any
    table: Any
    months: int
    streams: tuple[str, ...]
    unreadable: tuple[Unreadable, ...]
    absent: dict[str, tuple[list[str], list[str]]]


def ask(root: Path, merged: str, question: Question) -> Answer:
    """The rows of the project's merged months that a question is about."""
    import numpy as np

    from pipekit_merger.rows import Words, empty, ordered
    from pipekit_merger.table import decode, outer

    groups = list(present(f"{root}/{merged}"))
    words, parts, unreadable, zone = Words(), [empty()], [], "UTC"

    def unusable(group: Group, reason: str) -> None:
        if _concerns(question, f"{root}/{merged}", group, groups):
            unreadable.append(Unreadable(f"{merged}/{group.path}", reason))

    for group in filter(question.wants, groups):
        path = f"{merged}/{group.path}"
        try:
            values, zone = decode((root / path).read_bytes(), words)
        except OSError as error:
            unusable(group, error.strerror or str(error))
        except ValueError as error:
            unusable(group, str(error))
        else:
            parts.append(values)
    rows, absent = _filtered(ordered(np.concatenate(parts, axis=1), words), question)
    streams = tuple(sorted({group.stream for group in groups}))
    table = outer(rows, zone)
    return Answer(rows, table, len(groups), streams, tuple(unreadable), absent)


def _concerns(question: Question, folder: str, group: Group, groups: list[Group]) -> bool:
    """Whether a month that cannot be read may hold rows of the instruments asked for.

    The name of a stream does not tell: ESX1 may be a stream of ES, or of ESX. A month of the same
    stream does; where none can be read, it may.
    """
    from pipekit_merger.rows import Words
    from pipekit_merger.table import decode

    for other in groups if question.instruments else ():
        words = Words()
        if other.stream == group.stream and other != group:
            with contextlib.suppress(OSError, ValueError):
                decode(Path(folder, other.path).read_bytes(), words)
        found = words.listed()["instrument"]
        if found:
            return not set(found).isdisjoint(question.instruments)
    return True


def _filtered(rows: Any, question: Question) -> tuple[Any, dict[str, tuple[list[str], list[str]]]]:
    """The wanted ones of some rows in order, and what was asked for in vain."""
    import numpy as np

    from pipekit_merger.rows import sort_key

    wanted = np.ones(len(rows), np.bool_)
    if question.first:
        wanted &= rows["date"] >= _day(question.first)
    if question.last:
        wanted &= rows["date"] <= _day(question.last)
    absent = {}
    for field, column in _COLUMNS.items():
        asked: Iterable[str] = getattr(question, field)
        if asked:
            there = rows.words[column]
            ranks = [there.index(word) for word in asked if word in there]
            missing = [word for word in asked if word not in there]
            wanted &= np.isin(rows[column], ranks)
            if missing:
                absent[column] = missing, there
    at = np.flatnonzero(wanted)
    return rows.take(at[np.argsort(sort_key(rows)[at], kind="stable")]), absent


def _day(date: dt.date) -> int:
    return date.toordinal() - dt.date(1970, 1, 1).toordinal()
