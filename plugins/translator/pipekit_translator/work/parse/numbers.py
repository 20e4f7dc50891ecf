"""Reads the numbers of a block: plain ones at once, others as the source writes them.

First whatever `lines.decimals` reads; then the rest without blanks and quotes, and without the
characters between groups of three digits; then what is left, one by one.
"""

from __future__ import annotations

import math
import re

import numpy as np

from pipekit_translator.dialects import FileFormat
from pipekit_translator.work.parse import lines
from pipekit_translator.work.parse.header import SHOWN
from pipekit_translator.work.table import Bytes, Flags, Floats, Ints

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INFINITE = ("nan", "inf", "infinity")
_ABSENT = ("nan", "null", "none", "na", "n/a", "#n/a", "-")  # what stands for no volume
_TYPESET = {ord(blank): " " for blank in "\u00a0\u2009\u202f"} | {ord("\u2019"): "'"}
_MINUS, _POINT, _ZERO = 45, 46, 48
_GROUP = 3  # digits
_EXACT = 2**53  # whole numbers below it are exact as a double
_INVERSE = 1e-6  # by how much the inverse of a scale may differ from a whole number


class NumberReader:
    """Reads the numbers of one format."""

    def __init__(self, format: FileFormat) -> None:
        self._thousands = format.thousands
        self._whole_volume = format.volume_type == "int"
        self._comma = format.decimal == ","
        self._empty = {"bid", "ask", *(("price",) if format.carry else ())}
        self._missing = format.missing_volume
        if self._missing:
            self._empty.add("volume")

    @property
    def plain(self) -> bool:
        """Whether numbers have a point, so that compiled code can read those of usual form."""
        return not self._comma

    def buffer(self, buffer: Bytes) -> Bytes:
        """The block as numbers are read from it: points and commas change places if need be."""
        if not self._comma:
            return buffer
        swapped = np.arange(256, dtype=np.uint8)
        swapped[ord(",")], swapped[ord(".")] = ord("."), ord(",")
        return swapped[buffer]

    def read(
        self, buffer: Bytes, role: str, start: Ints, end: Ints, wanted: Flags
    ) -> tuple[Floats, dict[int, str]]:
        """The numbers of a role, NaN where absent; and why some of the `wanted` ones are none.

        `buffer`: see there.
        """
        values, plain = lines.decimals(buffer, start, end)
        rest = np.flatnonzero(~plain)
        problems: dict[int, str] = {}
        if len(rest):
            start, end = lines.trimmed(buffer, start[rest], end[rest])
            values[rest], plain = self._spelled(buffer, start, end)
            absent = (start == end) & (role in self._empty)
            values[rest[absent]] = np.nan
            for at in np.flatnonzero(~plain & ~absent & wanted[rest]).tolist():
                text = buffer[start[at] : end[at]].tobytes().decode("utf-8", "replace")
                if role == "volume" and self._missing and text.lower() in _ABSENT:
                    values[rest[at]] = np.nan
                    continue
                try:
                    values[rest[at]] = self._number(role, text)
                except ValueError as error:
                    problems[int(rest[at])] = str(error)
        if role == "volume" and self._missing:
            values[values == -1] = np.nan
        return values, problems

    def _spelled(self, buffer: Bytes, start: Ints, end: Ints) -> tuple[Floats, Flags]:
        """Numbers without blanks around them, that may have groups of digits."""
        if not self._thousands:
            return lines.decimals(buffer, start, end)
        separator = ord("," if self._comma and self._thousands == "." else self._thousands)
        length = end - start
        first = np.cumsum(length) - length
        places = np.repeat(start - first, length) + np.arange(int(length.sum()))
        text = buffer[places]
        kept = text != separator
        count = np.cumsum(kept)
        ends = np.append(0, count)[first + length]
        starts = np.append(0, count)[first]
        values, plain = lines.decimals(text[kept], starts, ends)
        return values, plain & _are_grouped(text, first, length, separator)

    def _number(self, role: str, text: str) -> float:
        """A number of unusual form. Raises ValueError."""
        shown = text.translate({44: 46, 46: 44}) if self._comma else text
        text = self._ungrouped(text.strip())  # of all blanks that Unicode has
        if not text and role == "volume":
            raise ValueError('volume is empty: set missing_volume = "zero" or "null" if it may be')
        if text.lower().lstrip("+-") in _INFINITE:
            raise ValueError(f"{role} is not finite: {shown}")
        if not _NUMBER.fullmatch(text):
            hint = self._hint(shown)
            raise ValueError(f"{role} is not a number: {shown[:SHOWN]!r}{hint}")
        value = float(text) + 0.0  # + 0.0: no negative zero
        whole = role == "volume" and self._whole_volume
        if not math.isfinite(value) or (whole and abs(value) >= _EXACT):
            raise ValueError(f"{role} is out of range: {shown[:SHOWN]}")
        return value

    def _ungrouped(self, text: str) -> str:
        """A number of unusual form without the characters between its groups of digits."""
        if not self._thousands:
            return text
        separator = "," if self._comma and self._thousands == "." else self._thousands
        plain = text.translate(_TYPESET)
        grouped = rf"[+-]?\d{{1,3}}({re.escape(separator)}\d{{3}})+(\.\d*)?([eE][+-]?\d+)?"
        return plain.replace(separator, "") if re.fullmatch(grouped, plain, re.ASCII) else text

    def _hint(self, text: str) -> str:
        """What to set for a number that is one in another country."""
        text = text.translate(_TYPESET)
        if not self._comma and not self._thousands and re.fullmatch(r"-?\d+,\d+", text):
            return ' (set decimal = ",", or thousands = ",")'
        if not self._thousands and (found := re.fullmatch(r"-?\d{1,3}([,.' _])\d{3}.*", text)):
            return f' (set thousands = "{found[1]}" if it is one)'
        return ""


def _are_grouped(text: Bytes, first: Ints, length: Ints, separator: int) -> Flags:
    """In which of the fields, all in `text`, separators stand between groups of three digits."""
    found = np.flatnonzero(text == separator)
    field = np.searchsorted(first + length, found, "right")
    begin, stop = first[field], (first + length)[field]
    right = stop - found > _GROUP
    for ahead in range(1, _GROUP + 1):
        right &= _is_digit(text, found + ahead)
    right &= (found + _GROUP + 1 >= stop) | ~_is_digit(text, found + _GROUP + 1)
    before = np.concatenate(([-1], found[:-1]))
    follows = (before >= begin) & (found - before == _GROUP + 1)
    signed = np.isin(text.take(begin, mode="clip"), (_MINUS, ord("+")))
    points = np.concatenate(([-1], np.flatnonzero(text == _POINT)))
    right &= points[np.searchsorted(points, found) - 1] < begin  # none before the separator
    leads = found - begin - signed
    right &= np.where(before >= begin, follows, (leads >= 1) & (leads <= _GROUP))
    wrong = np.bincount(field, ~right, len(first)) > 0
    grouped: Flags = ~wrong
    return grouped


def _is_digit(text: Bytes, at: Ints) -> Flags:
    digit: Flags = text.take(at, mode="clip") - np.uint8(_ZERO) <= 9
    return digit


def scaled(prices: Floats, scale: float) -> Floats:
    """Prices times a scale; divided where its inverse is whole, which rounds only once."""
    inverse = 1 / scale
    if abs(inverse - round(inverse)) < _INVERSE * inverse and round(inverse) > 1:
        return prices / float(round(inverse))
    return prices * scale
