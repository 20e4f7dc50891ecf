"""Which column of a file means what, and which instrument it is of; knows no values.

What makes a whole file unusable is found here, and said with line and remedy.
"""

from __future__ import annotations

from pipekit_translator.dialects import UNUSED, Reading
from pipekit_translator.layout import INSTRUMENT

SHOWN = 80  # characters of a line in a message


class RejectedError(Exception):
    """The whole file cannot be used; the text names the line and the remedy."""


def named(reading: Reading, header: str) -> list[str]:
    """The role of each column, from the names in line 1. Raises RejectedError."""
    names = [name.strip().strip('"').lower() for name in header.split(reading.separator)]
    if len(names) == 1:
        raise RejectedError(wrong_separator(reading, header, 1))
    roles = {name.lower(): role for role, name in reading.roles() if role != UNUSED}
    if reading.instrument.column:
        roles[reading.instrument.column.lower()] = "instrument"
    missing = [name for name in roles if name not in names]
    if missing:
        raise RejectedError(
            f"line 1: the header has no column {', '.join(missing)}; it reads "
            f"{header[:SHOWN]!r}: name its columns in the source's `columns`, or set "
            "header = false if the first line is data"
        )
    return [roles.get(name, UNUSED) for name in names]


def fixed(reading: Reading) -> list[str]:
    """The role of each column of a file without header."""
    return [role for role, _ in reading.roles()]


def wrong_separator(reading: Reading, text: str, line: int) -> str:
    """Why a line without any separator rejects its file."""
    used = next((other for other in ",;\t|" if other in text), None)
    remedy = (
        f"it has {used!r}: write separator = {used!r} for this source"
        if used
        else "check what the file is, and the source's `separator` and `header`"
    )
    return f"line {line}: no separator {reading.separator!r} in {text[:SHOWN]!r}; {remedy}"


def instrument_of(reading: Reading, name: str) -> str:
    """The instrument that a file's name says. Raises RejectedError."""
    found = reading.instrument.of_name(name)
    if found is None:
        raise RejectedError(
            f"the file's name does not match the source's instrument pattern "
            f"{reading.instrument.pattern!r}: rename the file or change the pattern"
        )
    return accepted(reading, found, "the file's name")


def accepted(reading: Reading, instrument: str, where: str) -> str:
    """The instrument, if bars of it are taken. Raises RejectedError."""
    known = reading.instruments
    if known and "*" not in known and instrument not in known:
        raise RejectedError(
            f"{where}: unknown instrument {instrument[:SHOWN]!r}: add it to the translator's "
            "setting `instruments`, or move the file away"
        )
    if not INSTRUMENT.fullmatch(instrument):
        raise RejectedError(
            f"{where}: {instrument[:SHOWN]!r} cannot name an instrument (letters, digits, '_' "
            "and '-'): check the source's `instrument`"
        )
    return instrument
