"""Reads the merged rows that a question is about; other months are not opened.

This works while a run writes: the file of a month is complete at any moment, the old or the new.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import numpy as np

from pipekit_merger.layout import StreamMonth, find_months
from pipekit_merger.results.question import Question
from pipekit_merger.work.rows import Rows, Vocabulary, day_of, empty, sort_key, with_sorted_words
from pipekit_merger.work.table import decode, to_table

Absent = tuple[list[str], list[str]]  # values asked for that no row has; those that there are


class Unreadable(NamedTuple):
    """A month whose file cannot be used: its path from the project's root, and why."""

    path: str
    reason: str


@attrs.frozen(eq=False, kw_only=True)
class Answer:
    """The rows found, sorted by their key; `table`: the same with the columns of the months.

    `months`: how many files there are, whatever was asked for; `streams`: their streams, sorted.
    `unreadable`: months of the question that could not be used. `absent`: by column.
    """

    rows: Rows
    table: Any
    months: int
    streams: tuple[str, ...]
    unreadable: tuple[Unreadable, ...]
    absent: dict[str, Absent]


def ask(root: Path, merged: str, question: Question) -> Answer:
    """The rows of a project's merged months (in its folder `merged`) that a question is about."""
    months = list(find_months(f"{root}/{merged}"))
    vocabulary, parts, unreadable, zone = Vocabulary(), [empty()], [], "UTC"
    for month in filter(question.concerns, months):
        path = f"{merged}/{month.path}"
        try:
            values, zone = decode((root / path).read_bytes(), vocabulary)
            parts.append(values)
        except (OSError, ValueError) as error:
            if _may_concern(question, f"{root}/{merged}", month, months):
                reason = error.strerror if isinstance(error, OSError) else None
                unreadable.append(Unreadable(path, reason or str(error)))
    found = with_sorted_words(np.concatenate(parts, axis=1), vocabulary)
    rows, absent = _filtered(found, question)
    return Answer(
        rows=rows,
        table=to_table(rows, zone),
        months=len(months),
        streams=tuple(sorted({month.stream for month in months})),
        unreadable=tuple(unreadable),
        absent=absent,
    )


def _may_concern(
    question: Question, folder: str, month: StreamMonth, months: list[StreamMonth]
) -> bool:
    """Whether a month that cannot be read may hold rows of the instruments asked for.

    The name of its stream does not tell: ESX1 may be a stream of ES, or of ESX. Another month of
    the same stream does. When none can be read, it may.
    """
    for other in months if question.instruments else ():
        vocabulary = Vocabulary()
        if other.stream == month.stream and other != month:
            with contextlib.suppress(OSError, ValueError):
                decode(Path(folder, other.path).read_bytes(), vocabulary)
        found = vocabulary.words()["instrument"]
        if found:
            return not set(found).isdisjoint(question.instruments)
    return True


def _filtered(rows: Rows, question: Question) -> tuple[Rows, dict[str, Absent]]:
    """The rows asked for, sorted, and the values asked for that no row has."""
    wanted = np.ones(len(rows), np.bool_)
    if question.first:
        wanted &= rows["date"] >= day_of(question.first)
    if question.last:
        wanted &= rows["date"] <= day_of(question.last)
    absent = {}
    for column, values in question.filters().items():
        present = rows.words[column]
        wanted &= np.isin(rows[column], [present.index(v) for v in values if v in present])
        missing = [value for value in values if value not in present]
        if missing:
            absent[column] = missing, present
    at = np.flatnonzero(wanted)
    return rows.take(at[np.argsort(sort_key(rows)[at], kind="stable")]), absent
