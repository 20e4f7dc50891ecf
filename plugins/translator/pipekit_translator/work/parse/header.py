"""Finds the role of each column of a file, and its instrument; rejects files as a whole."""

from __future__ import annotations

import sys
from functools import lru_cache

from pipekit_translator.dialects import UNUSED, FileFormat, roles_of
from pipekit_translator.layout import INSTRUMENT

SHOWN = 80  # characters of a line in a message


class RejectedError(Exception):
    """The whole file cannot be used; the message names the line and the remedy."""


@lru_cache(256)  # most files of a source have the same header
def roles_of_header(format: FileFormat, header: str) -> tuple[str, ...]:
    """The role of each column, from the names in line 1. Raises RejectedError."""
    names = [name.strip().strip('"').lower() for name in header.split(format.separator)]
    if len(names) == 1:
        raise RejectedError(wrong_separator(format, header, 1))
    roles = {name.lower(): role for role, name in roles_of(format.columns) if role != UNUSED}
    if format.instrument.column:
        roles[format.instrument.column.lower()] = "instrument"
    missing = [name for name in roles if name not in names]
    if missing:
        raise RejectedError(
            f"line 1: the header has no column {', '.join(missing)}: {header[:SHOWN]!r}. Name its "
            "columns in the source's `columns`, or set header = false if the first line is data"
        )
    twice = [name for name in roles if names.count(name) > 1]
    if twice:
        raise RejectedError(
            f"line 1: the header has several columns named {', '.join(twice)}: rename all but one "
            "of them in the export, or use another column in the source's `columns`"
        )
    return tuple(roles.get(name, UNUSED) for name in names)


def wrong_separator(format: FileFormat, text: str, line: int) -> str:
    """Why a file is rejected: a line without any separator."""
    used = next((other for other in ",;\t|" if other in text), None)
    remedy = (
        f"it contains {used!r}: set separator = {used!r} for this source"
        if used
        else "check the file, and the source's `separator` and `header`"
    )
    return f"line {line}: no separator {format.separator!r} in {text[:SHOWN]!r}; {remedy}"


def instrument_of(format: FileFormat, name: str) -> str:
    """The instrument in a file name. Raises RejectedError."""
    (found,) = format.instrument.of_names([name])
    if found is None:
        raise RejectedError(
            f"the file name does not match the source's instrument pattern "
            f"{format.instrument.pattern!r}: rename the file or change the pattern"
        )
    return accepted(format, found, "the file name")


def accepted(format: FileFormat, instrument: str, where: str) -> str:
    """The instrument, if it is accepted. Raises RejectedError."""
    known = format.instruments
    if known and "*" not in known and instrument not in known:
        raise RejectedError(
            f"{where}: unknown instrument {instrument[:SHOWN]!r}: add it to the translator's "
            "setting `instruments`, or move the file away"
        )
    if not INSTRUMENT.fullmatch(instrument):
        raise RejectedError(
            f"{where}: {instrument[:SHOWN]!r} is not a valid instrument name (letters, digits, '_' "
            "and '-'): check the source's `instrument`"
        )
    return sys.intern(instrument)  # thousands of files name it
