"""The instruments of a column, row by row: which they are, and which rows are left out.

Where rows have contracts, these are part of the names: see `contracts`.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np

from pipekit_translator.contracts import EXAMPLES, with_contract
from pipekit_translator.dialects import FileFormat
from pipekit_translator.work.parse import header
from pipekit_translator.work.table import Bytes, Ints


class Symbol(NamedTuple):
    """What a field stands for: an instrument, nothing that is read, or a reason to be invalid."""

    instrument: str = ""
    ignored: bool = False
    problem: str = ""


class Symbols(dict[bytes, Symbol]):
    """What the fields of a file's column stand for; found when a field is first met."""

    def __init__(self, format: FileFormat) -> None:
        super().__init__()
        self._format = format
        self._rule = format.instrument
        self._found: dict[tuple[Symbol, bytes], Symbol] = {}

    def __missing__(self, field: bytes) -> Symbol:
        found = self[field] = self._find(_text(field))
        return found

    def of_rows(self, buffer: Bytes, start: Ints, end: Ints) -> list[Symbol]:
        """What the fields from `start` to `end` stand for."""
        data = buffer.tobytes()
        places = zip(start.tolist(), end.tolist(), strict=True)
        return [self[data[begin:stop]] for begin, stop in places]

    def of_runs(
        self, data: bytes | memoryview, runs: Ints, rows: int
    ) -> list[tuple[str, Ints | slice]] | None:
        """The instruments of runs of rows, each with its rows; None if one is no instrument.

        `runs`: begin and end of the field, and first row, of each.
        """
        ends = [*runs[2, 1:].tolist(), rows][: runs.shape[1]]
        spans: dict[str, list[Ints]] = {}
        left = False
        for (begin, stop, first), last in zip(runs.T.tolist(), ends, strict=True):
            symbol = self[bytes(data[begin:stop])]
            if symbol.problem:
                return None
            left |= symbol.ignored
            if not symbol.ignored:
                spans.setdefault(symbol.instrument, []).append(np.arange(first, last))
        if len(spans) == 1 and not left:
            return [(name, slice(None)) for name in spans]
        return [(name, np.concatenate(of)) for name, of in spans.items()]

    def with_contracts(
        self, symbols: list[Symbol], buffer: Bytes, start: Ints, end: Ints
    ) -> list[Symbol]:
        """What rows stand for whose contracts are in the fields from `start` to `end`."""
        data = buffer.tobytes()
        places = zip(start.tolist(), end.tolist(), strict=True)
        fields = (data[begin:stop] for begin, stop in places)
        return [self._coded(each) for each in zip(symbols, fields, strict=True)]

    def _coded(self, both: tuple[Symbol, bytes]) -> Symbol:
        if both not in self._found:
            symbol, field = both
            self._found[both] = coded(self._format, symbol, _text(field))
        return self._found[both]

    def _find(self, text: str) -> Symbol:
        if self._rule.ignores(text):
            return Symbol(ignored=True)
        (name,) = self._rule.of_names([text])
        if name is None:
            shown = text[: header.SHOWN]
            return Symbol(
                problem=f"{shown!r} does not match the source's instrument pattern "
                f"{self._rule.pattern!r}: change the pattern, or map or ignore it"
                if text
                else "the instrument is empty"
            )
        if problem := header.refusal(self._format, name):
            return Symbol(problem=problem)
        if self._format.has_contracts_in_rows and not self._format.has_own_contract_column:
            return coded(self._format, Symbol(name), text)
        return Symbol(instrument=sys.intern(name))  # thousands of files name it


def coded(format: FileFormat, symbol: Symbol, text: str) -> Symbol:
    """An instrument with the contract that a text has."""
    if not symbol.instrument:
        return symbol
    code = format.code_in(text)
    if not code and (format.contract or format.roll):
        shown = text[: header.SHOWN]
        return Symbol(problem=f"there is no contract, such as {EXAMPLES}, in {shown!r}")
    return Symbol(instrument=sys.intern(with_contract(symbol.instrument, code)))


def _text(field: bytes) -> str:
    text = field.decode("utf-8", "replace").strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].strip()
    return text


def grouped(
    rows: Ints, symbols: list[Symbol]
) -> tuple[list[tuple[str, Ints]], list[tuple[str, Ints]]]:
    """The instruments of some rows, and the problems of others, each with its rows in order.

    `symbols`: of all rows.
    """
    if len(rows) == len(symbols) > 0 and symbols.count(symbols[0]) == len(symbols):
        found = {symbols[0]: rows}
    else:
        places: dict[Symbol, list[int]] = {}
        for row in rows.tolist():
            places.setdefault(symbols[row], []).append(row)
        found = {symbol: np.array(of, np.int64) for symbol, of in places.items()}
    names: dict[str, list[Ints]] = {}
    for symbol, of in found.items():
        if not symbol.problem:
            names.setdefault(symbol.instrument, []).append(of)
    problems = [(symbol.problem, of) for symbol, of in found.items() if symbol.problem]
    return [(name, np.sort(np.concatenate(of))) for name, of in names.items()], problems
