"""Reads time stamps of any format, with numpy: of no fixed width, with names, offsets, or epochs.

Stamps of fixed width are read as in `lines`; what is not of that width (blanks, quotes, numbers
without their zeros) is read part by part, with a position in each field that moves on.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import numpy as np

from pipekit_translator.stampformat import (
    DIGITS,
    EPOCHS,
    FRACTION,
    TIMES_OF_DAY,
    Part,
    Stamp,
    has_fixed_width,
    parts_of,
)
from pipekit_translator.work.parse import lines
from pipekit_translator.work.table import Bytes, Flags, Ints

EPOCH = "epoch"  # the part that stands for a whole time
WRONG_UNIT = 90 * 86_400  # seconds after 1970: earlier ones are of another unit
_FIRST, _LAST = -8_520_336_000, 9_214_646_400  # 1700 and 2262: nanoseconds fit into 64 bits
_LONG = 19  # digits of a number of 64 bits
_ZERO, _POINT, _COLON, _MINUS, _PLUS = 48, 46, 58, 45, 43
_CENTURY = 69  # two digits from here on are of the 20th century, as for strptime
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LOWER = 32
_DAY = 86_400  # seconds
_FARTHEST = 14 * 60  # minutes: no zone is farther from UTC


class Fields:
    """Fields of a block, and where reading is in each; `ok`: those read so far as they should."""

    def __init__(self, buffer: Bytes, start: Ints, end: Ints) -> None:
        self._buffer = buffer
        self.at, self._end = lines.trimmed(buffer, start, end)
        self.ok: Flags = self._end > self.at

    def byte(self, ahead: int = 0) -> Ints:
        """The byte of each field, `ahead` of its position; 0 after its end."""
        at = self.at + ahead
        byte = self._buffer.take(at, mode="clip").astype(np.int64)
        return np.where(at < self._end, byte, 0)

    def literal(self, text: bytes) -> None:
        """Read these bytes."""
        for byte in text:
            self.ok &= self.byte() == byte
            self.at = self.at + 1

    def blanks(self) -> None:
        """Read one blank or more."""
        count = np.zeros(len(self.at), np.int64)
        while (blank := self.byte() == ord(" ")).any():
            self.at = self.at + blank
            count += blank
        self.ok &= count > 0

    def number(self, most: int) -> tuple[Ints, Ints]:
        """The number that up to `most` digits make, as unsigned 64 bits, and how many they are."""
        value = np.zeros(len(self.at), np.uint64)
        count = np.zeros(len(self.at), np.int64)
        for place in range(most):
            digit = self.byte() - _ZERO
            here = (digit >= 0) & (digit <= 9) & (count == place)
            if not here.any():
                break
            value = np.where(here, value * np.uint64(10) + digit.astype(np.uint64), value)
            count += here
            self.at = self.at + here
        return value.view(np.int64), count

    def finish(self) -> Flags:
        """Which fields were read, to their end."""
        read: Flags = self.ok & (self.at == self._end)
        return read


class StampReader:
    """Reads the stamps of one column.

    `loose`: whether hours, minutes and seconds in one number may lack all leading zeros; else at
    most one, unless the seconds are 00.
    """

    def __init__(self, text: str, *, loose: bool) -> None:
        self.fixed = Stamp.of(text) if has_fixed_width(text) else None
        self._epoch = EPOCHS.get(text, 0)
        self._of_day = TIMES_OF_DAY.get(text, 0)
        self._steps = () if self._epoch or self._of_day else tuple(_steps(text))
        self._loose = loose

    def read(
        self, buffer: Bytes, start: Ints, end: Ints, unit: int
    ) -> tuple[dict[str, Ints], Flags]:
        """The parts (YmdHMSfz, or a whole time in units of 1/`unit` s) and which could be read."""
        if self.fixed is None:
            return self._any(buffer, start, end, unit)
        parts, ok = lines.stamps(buffer, start, end, self.fixed)
        rest = np.flatnonzero(~ok)
        if len(rest):
            others, ok[rest] = self._any(buffer, start[rest], end[rest], unit)
            for code, values in others.items():
                parts[code][rest] = values
        return parts, ok

    def _any(
        self, buffer: Bytes, start: Ints, end: Ints, unit: int
    ) -> tuple[dict[str, Ints], Flags]:
        fields = Fields(buffer, start, end)
        if self._epoch:
            return {EPOCH: _epochs(fields, self._epoch, unit)}, fields.finish()
        if self._of_day:
            return _times_of_day(fields, self._of_day), fields.finish()
        parts: dict[str, Ints] = {}
        for step in self._steps:
            if step.literal == b" ":
                fields.blanks()
            elif step.literal:
                fields.literal(step.literal)
            elif step.digits:
                parts |= self._numbers(fields, step)
            else:
                parts[step.code] = _OTHERS[step.code](fields)
        return _ordinary(parts, fields), fields.finish()

    def _numbers(self, fields: Fields, step: _Step) -> dict[str, Ints]:
        """The parts of a number made of several, whose leading zeros may be missing."""
        whole = sum(width for _, width in step.digits)
        value, count = fields.number(whole)
        parts = {}
        for code, width in reversed(step.digits):
            value, part = np.divmod(value, 10**width)
            parts[code] = part * 10 ** (FRACTION - width) if code == "f" else part
        fewest = whole if step.digits[0][0] in "Yyf" else whole - 1
        enough = count >= max(fewest, 1)
        if step.digits[0][0] == "H" and len(step.digits) > 1:  # 100 for 00:01:00
            plain = self._loose or "S" not in parts
            enough |= (count > 0) & (True if plain else parts["S"] == 0)
        fields.ok &= enough
        return parts


class _Step(NamedTuple):
    """What is read at once: bytes, a number that holds several parts, or another part."""

    literal: bytes = b""
    digits: tuple[tuple[str, int], ...] = ()
    code: str = ""


def _steps(text: str) -> Iterator[_Step]:
    for kind, parts in groupby(parts_of(text), _kind):
        found = list(parts)
        if kind == "literal":
            yield from _literals("".join(part.literal for part in found))
        elif kind == "digits":
            yield _Step(digits=tuple((p.code, p.width or DIGITS[p.code]) for p in found))
        else:
            yield from (_Step(code=part.code) for part in found)


def _kind(part: Part) -> str:
    if part.literal:
        return "literal"
    return "digits" if part.code in DIGITS or part.width else "other"


def _literals(text: str) -> Iterator[_Step]:
    """A blank stands for any number of them, as for strptime."""
    for blank, characters in groupby(text, lambda character: character == " "):
        yield _Step(literal=b" " if blank else "".join(characters).encode())


def _fraction(fields: Fields) -> Ints:
    """A fraction of any length, in billionths."""
    value, count = fields.number(FRACTION)
    fields.ok &= count > 0
    billionths: Ints = value * 10 ** np.maximum(FRACTION - count, 0)
    return billionths


def _month(fields: Fields) -> Ints:
    """The first three letters of an English month: 1 to 12."""
    word = sum((fields.byte(at) | _LOWER) << 8 * at for at in range(3))
    fields.at = fields.at + 3
    known = np.array([int.from_bytes(name.encode(), "little") for name in _MONTHS])
    order = np.argsort(known)
    place = np.searchsorted(known[order], word).clip(max=len(known) - 1)
    fields.ok &= known[order][place] == word
    month: Ints = order[place] + 1
    return month


def _half(fields: Fields) -> Ints:
    """AM (0) or PM (1), in upper or lower case."""
    first, second = fields.byte() | _LOWER, fields.byte(1) | _LOWER
    fields.at = fields.at + 2
    fields.ok &= ((first == ord("a")) | (first == ord("p"))) & (second == ord("m"))
    half: Ints = (first == ord("p")).astype(np.int64)
    return half


def _offset(fields: Fields) -> Ints:
    """Seconds that local time is ahead of UTC: `Z`, `+00:00`, `-0500`, `+01`."""
    byte = fields.byte()
    zulu = (byte | _LOWER) == ord("z")
    sign = np.where(byte == _MINUS, -1, 1)
    fields.ok &= zulu | (byte == _MINUS) | (byte == _PLUS)
    fields.at = fields.at + 1
    hours = _two_digits(fields, ~zulu)
    colon = fields.byte() == _COLON
    more = ~zulu & (colon | _is_digit(fields.byte()))
    fields.at = fields.at + (colon & ~zulu)
    minutes = hours * 60 + _two_digits(fields, more)
    fields.ok &= (minutes <= _FARTHEST) & (minutes - hours * 60 < 60)
    ahead: Ints = sign * minutes * 60
    return ahead


def _two_digits(fields: Fields, wanted: Flags) -> Ints:
    """The number of two digits where one is wanted, and 0 elsewhere."""
    tens, ones = fields.byte(), fields.byte(1)
    fields.ok &= ~wanted | (_is_digit(tens) & _is_digit(ones))
    fields.at = fields.at + 2 * wanted
    return np.where(wanted, (tens - _ZERO) * 10 + ones - _ZERO, 0)


def _is_digit(byte: Ints) -> Flags:
    found: Flags = (byte >= _ZERO) & (byte <= _ZERO + 9)
    return found


_OTHERS = {"f": _fraction, "b": _month, "p": _half, "z": _offset}


def _ordinary(parts: dict[str, Ints], fields: Fields) -> dict[str, Ints]:
    """Years of four digits, months of two, hours of 24."""
    if "y" in parts:
        year = parts.pop("y")
        parts["Y"] = year + np.where(year < _CENTURY, 2000, 1900)
    if "b" in parts:
        parts["m"] = parts.pop("b")
    if "I" in parts:
        hour = parts.pop("I")
        fields.ok &= (hour >= 1) & (hour <= 12)
        parts["H"] = hour % 12 + 12 * parts.pop("p")
    return parts


def _epochs(fields: Fields, per_second: int, unit: int) -> Ints:
    """Times in units of 1/`unit` s, from numbers of 1/`per_second` s with or without a fraction."""
    negative = fields.byte() == _MINUS
    fields.at = fields.at + negative
    whole, count = fields.number(_LONG)
    point = fields.byte() == _POINT
    fields.at = fields.at + point
    fraction, places = fields.number(FRACTION)
    _skip_digits(fields, places == FRACTION)
    fields.ok &= (count > 0) & (point == (places > 0)) & (whole >= 0)
    fits = whole // per_second < np.where(negative, -_FIRST, _LAST)
    fields.ok &= fits
    whole = np.where(fits, whole, 0)
    billionths = fraction * 10 ** np.maximum(FRACTION - places, 0)
    if unit >= per_second:
        finer = unit // per_second
        time = whole * finer + billionths * finer // 10**FRACTION
    else:
        time = whole // (per_second // unit)
    times: Ints = np.where(negative, -time, time)
    return times


def _times_of_day(fields: Fields, per_second: int) -> dict[str, Ints]:
    """The parts of times since midnight, in 1/`per_second` s, with or without a fraction."""
    time = _epochs(fields, per_second, 10**FRACTION)
    seconds, fraction = np.divmod(time, 10**FRACTION)
    fields.ok &= (seconds >= 0) & (seconds < _DAY)
    return {"H": seconds // 3600, "M": seconds // 60 % 60, "S": seconds % 60, "f": fraction}


def _skip_digits(fields: Fields, wanted: Flags) -> None:
    """Go on after further digits, which are finer than any time."""
    while (more := wanted & _is_digit(fields.byte())).any():
        fields.at = fields.at + more


def of_wrong_unit(time: Ints, unit: int) -> Flags:
    """Which epochs are so near to 1970 that they count something coarser than they should."""
    wrong: Flags = np.abs(time) < WRONG_UNIT * unit
    return wrong
