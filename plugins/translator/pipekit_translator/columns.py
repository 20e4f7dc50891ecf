"""The columns of a raw file: the role of each, and where it is.

An entry of `columns` is `role`, `role=Name`, `role=""` (no name), `role=#3` (the third column), or
`volume=Up+Down` (the sum of columns). Plan and worker use it, so it imports no data library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from pipekit_translator.layout import BARS, TICKS, Series

UNUSED = "-"  # the role of a column that is ignored
ROLES = (
    *("date", "time", "timestamp", "open", "high", "low", "close"),
    *("price", "bid", "ask", "volume", "instrument"),
)
Reference = str | int
"""A column's name in lower case, or its position from 1."""

_PLACE = re.compile(r"#([1-9]\d{0,3})")


class Column(NamedTuple):
    """A role, and the columns that hold it: one, or those that are added up."""

    role: str
    references: tuple[Reference, ...]


@cache
def columns_of(entries: tuple[str, ...]) -> tuple[Column, ...]:
    """The columns that the entries of `columns` describe."""
    return tuple(_column(entry) for entry in entries)


def _column(entry: str) -> Column:
    role, stated, text = entry.partition("=")
    role, text = role.strip(), text.strip() if stated else role.strip()
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    parts = text.split("+") if role == "volume" and not quoted else [text]
    return Column(role, tuple(_reference(part.strip()) for part in parts))


def _reference(text: str) -> Reference:
    if found := _PLACE.fullmatch(text):
        return int(found[1])
    return text.strip('"').lower()


@cache
def has_two_stamps(entries: tuple[str, ...]) -> bool:
    """Whether date and time are two columns."""
    return all(column.role != "timestamp" for column in columns_of(entries))


@cache
def series_of(entries: tuple[str, ...]) -> Series:
    """What rows with these columns are: ticks have one price, and quotes."""
    return TICKS if any(column.role in TICKS.prices for column in columns_of(entries)) else BARS


def roles_in_order(entries: tuple[str, ...]) -> tuple[str, ...]:
    """The role of each column of a file without a header. Raises ValueError."""
    columns = columns_of(entries)
    places = {at: column.role for at, column in enumerate(columns, 1) if not _is_placed(column)}
    used = {at for at, role in places.items() if role != UNUSED}
    for column in filter(_is_placed, columns):
        for at in map(int, column.references):
            if at in used:
                raise ValueError(f"columns: column {at} is given two roles")
            used.add(at)
            places[at] = column.role
    width = max(places, default=0)
    return tuple(places.get(at, UNUSED) for at in range(1, width + 1))


def _is_placed(column: Column) -> bool:
    """Whether its position is stated, not given by its place in the list."""
    return column.role != UNUSED and all(isinstance(each, int) for each in column.references)


def check_columns(
    entries: tuple[str, ...], *, header: bool, absent: Iterable[str], dated: bool = False
) -> None:
    """Raises ValueError for columns that make neither a bar nor a tick.

    `absent`: roles of numbers that the file need not have. `dated`: the date is in its name.
    """
    columns = columns_of(entries)
    _check_roles(columns)
    if header:
        _check_names(columns)
    elif any(len(column.references) > 1 and not _is_placed(column) for column in columns):
        raise ValueError(
            "columns: without a header, columns that are added up have no names; write their "
            "positions, as in volume=#6+#7"
        )
    else:
        roles_in_order(entries)
    used = [column.role for column in columns]
    series = series_of(entries)
    other = BARS if series is TICKS else TICKS
    mixed = [role for role in other.prices if role in used]
    if mixed:
        raise ValueError(
            f"columns: {mixed[0]!r} does not belong to {series.noun}; a tick has price, bid and "
            "ask, a bar open, high, low and close"
        )
    needed = [role for role in series.columns[1:] if role not in absent]
    missing = [role for role in needed if role not in used]
    stamp = sorted({"timestamp", "date", "time"} & {*used})
    if missing or stamp not in ([["time"]] if dated else [["timestamp"], ["date", "time"]]):
        whole = "time (the date is in the file's name)"
        need = missing or [whole if dated else "timestamp (or date and time, not both)"]
        hint = ' (if the export has none, set volume = "none")' if missing == ["volume"] else ""
        raise ValueError(f"columns: {', '.join(need)} missing{hint}")


def _check_roles(columns: tuple[Column, ...]) -> None:
    used = [column.role for column in columns if column.role != UNUSED]
    if unknown := [role for role in used if role not in ROLES]:
        raise ValueError(
            f"columns: unknown role {unknown[0]!r}; use {', '.join(ROLES)}, or '-' for an ignored "
            "column"
        )
    if twice := [role for role in used if used.count(role) > 1]:
        raise ValueError(f"columns: the role {twice[0]!r} is given twice")


def _check_names(columns: tuple[Column, ...]) -> None:
    names = [each for column in columns if column.role != UNUSED for each in column.references]
    if shared := [name for name in names if names.count(name) > 1]:
        shown = f"#{shared[0]}" if isinstance(shared[0], int) else repr(shared[0])
        raise ValueError(f"columns: {shown} is the name of two columns")
