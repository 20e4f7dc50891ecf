"""Finds the role of each column of a file, and its instrument; rejects files as a whole."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from pipekit_translator.columns import UNUSED, Reference, columns_of
from pipekit_translator.contracts import EXAMPLES
from pipekit_translator.dialects import FileFormat
from pipekit_translator.layout import NAMING, is_instrument
from pipekit_translator.work.parse import lines
from pipekit_translator.work.parse.lines import BadRow

SHOWN = 80  # characters of a line in a message
_EXCEL = re.compile(rb'"?sep=(.)"?', re.IGNORECASE)
_REMEDY = (
    "Say in the source's `columns` what its columns are called, or which they are (volume=#7 for "
    "the seventh), or set header = false if the first line is data"
)

_MISNAMED_REMEDY = "map it to one, or check the source's `instrument`"
_UNKNOWN_REMEDY = (
    "add it to the translator's setting `instruments`, ignore it in the source's `instrument`, or "
    "move the file away"
)
INSTRUMENT_REMEDIES = (_MISNAMED_REMEDY, _UNKNOWN_REMEDY)  # how `refusal` ends


class RejectedError(Exception):
    """The whole file cannot be used; the message names the line and the remedy."""


class Columns(NamedTuple):
    """The role of each column of a file. `spare`: rows may lack the last one, which has no name."""

    roles: tuple[str, ...]
    spare: bool = False


class Preamble:
    """The lines before the first row of a file: those to skip, Excel's `sep=;`, the header."""

    def __init__(self, format: FileFormat) -> None:
        self._format = format
        self._skip = format.skip_lines
        self._left = int(format.header)
        self._number = 0
        self._any = False  # whether a line has any text
        self._excel = True  # whether that line may still come
        self.headers: list[bytes] = []

    @property
    def done(self) -> bool:
        """Whether the next line is a row."""
        return not self._skip and not self._left and not self._excel

    def take(self, line: bytes) -> bool:
        """Whether a line, the next one, is part of the preamble. Raises RejectedError."""
        self._number += 1
        self._any |= bool(line.strip())
        if self._skip:
            self._skip -= 1
            return True
        text = line.strip()
        if not text:
            return True
        excel, self._excel = self._excel, False
        if excel and (found := _EXCEL.fullmatch(text)):
            self._check_excel(found[1].decode("ascii", "replace"))
            return True
        if not self._left:
            return False
        self._left -= 1
        self.headers.append(text)
        return True

    def check_ended(self) -> None:
        """Raises RejectedError if a text has ended before its header, or within it."""
        if self._any and (self._skip or self._left):
            skip, header = self._format.skip_lines, int(self._format.header)
            raise RejectedError(
                f"it ends at line {self._number}, before its rows may begin: skip_lines = {skip} "
                f"and header = {header} take all of its lines. Check the file and these settings"
            )

    def _check_excel(self, stated: str) -> None:
        if stated != self._format.separator:
            raise RejectedError(
                f"line {self._number}: the file says that its separator is {stated!r}, the source "
                f"{self._format.separator!r}: set separator = {stated!r} for such files"
            )

    def columns(self) -> Columns:
        """The columns that the header names. Raises RejectedError."""
        texts = tuple(header.decode("utf-8", "replace") for header in self.headers)
        return columns_of_header(self._format, texts, self._number)


@lru_cache(256)  # most files of a source have the same header
def columns_of_header(format: FileFormat, headers: tuple[str, ...], line: int) -> Columns:
    """The columns, from the lines that name them, of which `line` is the last.

    Raises RejectedError.
    """
    separator = format.separator
    rows = [[_name(text) for text in lines.split(header, separator)] for header in headers]
    if all(len(names) == 1 for names in rows):
        raise RejectedError(wrong_separator(format, headers[-1], line))
    width = max(map(len, rows))
    found = _Wanted(width, [(*names, *("",) * (width - len(names))) for names in rows])
    for role, references in _wanted(format):
        for reference in references:
            found.place(role, reference)
    if problem := found.problem():
        raise RejectedError(f"line {line}: {problem}: {headers[-1][:SHOWN]!r}. {_REMEDY}")
    roles = tuple(found.roles.get(at, UNUSED) for at in range(width))
    last = roles[-1] == UNUSED and not any(names[-1] for names in found.rows)
    return Columns(roles, last)


class _Wanted:
    """Finds the columns of a header that are wanted."""

    def __init__(self, width: int, rows: list[tuple[str, ...]]) -> None:
        self.rows = rows
        self.roles: dict[int, str] = {}
        self._width = width
        self._missing: list[str] = []
        self._several: list[str] = []

    def place(self, role: str, reference: Reference) -> None:
        """Note which column has a role."""
        if isinstance(reference, int):
            places = {reference - 1} if reference <= self._width else set()
        else:
            places = self._named(reference)
        shown = f"#{reference}" if isinstance(reference, int) else reference or "without a name"
        if not places:
            self._missing.append(shown)
        elif len(places) > 1:
            self._several.append(shown)
        elif (at := places.pop()) in self.roles:
            self._several.append(f"{shown} (which is {self.roles[at]} as well)")
        else:
            self.roles[at] = role

    def _named(self, name: str) -> set[int]:
        """The columns of this name; those without a name have none in any line."""
        columns = list(zip(*self.rows, strict=True))
        if not name:
            return {at for at, names in enumerate(columns) if not any(names)}
        return {at for at, names in enumerate(columns) if name in names}

    def problem(self) -> str:
        """What is wrong with the header."""
        if self._missing:
            return f"the header has no column {', '.join(self._missing)}"
        if self._several:
            return f"the header has several columns named {', '.join(self._several)}"
        return ""


def _name(text: str) -> str:
    return text.strip().strip('"').strip().lower()


def _wanted(format: FileFormat) -> list[tuple[str, tuple[Reference, ...]]]:
    """The roles with their columns; the column of the rule is that of the instrument."""
    wanted = {
        column.role: column.references
        for column in columns_of(format.columns)
        if column.role != UNUSED
    }
    if format.instrument.column:
        wanted["instrument"] = (format.instrument.column.lower(),)
    if format.has_own_contract_column:
        assert format.contract is not None
        wanted["contract"] = (format.contract.column.lower(),)
    return [*wanted.items()]


def is_same(format: FileFormat, row: BadRow, roles: tuple[str, ...]) -> bool:
    """Whether an invalid row names the wanted columns in the same places as the header.

    Raises RejectedError if it names them in other places.
    """
    wanted = [each for _, references in _wanted(format) for each in references]
    text = row.text.lower()
    if not all(isinstance(each, str) and each.encode() in text for each in wanted):
        return False
    try:
        found = columns_of_header(format, (row.text.decode("utf-8", "replace"),), row.line)
    except RejectedError:
        return False
    if found.roles != roles:
        raise RejectedError(
            f"line {row.line}: the file has a second header, with its columns in other places: "
            f"{row.text[:SHOWN].decode('utf-8', 'replace')!r}. Split the file there"
        )
    return True


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
    if problem := refusal(format, found):
        raise RejectedError(f"the file name: {problem}")
    return found


def code_of(format: FileFormat, name: str) -> str:
    """The code of the contract in a file name; empty if there is none. Raises RejectedError."""
    if format.has_contracts_in_rows:
        return ""
    code = format.code_in(name)
    if not code and format.contract:
        raise RejectedError(
            f"the file name has no contract, such as {EXAMPLES}, where the source's contract "
            f"pattern {format.contract.pattern!r} looks for it: rename the file or change the "
            "pattern"
        )
    if not code and format.roll:
        raise RejectedError(
            f"the file name has no contract, such as {EXAMPLES}, and roll needs one: rename the "
            "file, set contract for its source, or give it a source without roll"
        )
    return code


def refusal(format: FileFormat, instrument: str) -> str:
    """Why an instrument is not accepted; empty if it is."""
    known = format.instruments
    if not is_instrument(instrument):
        return (
            f"{instrument[:SHOWN]!r} is not a valid instrument name ({NAMING}): {_MISNAMED_REMEDY}"
        )
    if known and "*" not in known and instrument not in known:
        return f"unknown instrument {instrument[:SHOWN]!r}: {_UNKNOWN_REMEDY}"
    return ""
