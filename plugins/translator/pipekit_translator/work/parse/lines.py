"""Splits a block of whole lines into rows, numbers and time stamps, with numpy.

Fields of unusual form (numbers with exponents or more than 15 digits, signs other than `-`) are
marked as not read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipekit_translator.stampformat import Stamp
from pipekit_translator.work.parse.scan import FIRST_YEAR, LAST_YEAR, days_since_1970
from pipekit_translator.work.table import Bytes, Flags, Floats, Ints
from pipekit_translator.work.zones import DAY

QUOTE = 34
_NEWLINE, _RETURN, _SPACE = 10, 13, 32
NARROW = 1_000_000  # units in a second, beyond which 64 bits only hold FIRST_YEAR to LAST_YEAR

_DIGITS = 15  # a whole number with at most these is exact as a double
_LONGEST = 16  # bytes of a plain number


class BadRow(NamedTuple):
    """An invalid row: its line number (from 1), the reason, and the line itself."""

    line: int
    reason: str
    text: bytes


class Block:
    """Whole lines of a file, split into rows of `width` fields; blank lines are left out.

    `start`, `end` (positions in `buffer`) and `number` (line, from 1) are of all rows. `rows` are
    those with the right number of fields; methods take and return positions in `rows`.

    An empty field more, after a separator at the end, does no harm. `spare`: nor does it if the
    last column, which is not used, is missing.
    """

    def __init__(
        self,
        data: bytes | memoryview,
        first_line: int,
        separator: int,
        width: int,
        *,
        spare: bool = False,
    ) -> None:
        self.buffer: Bytes = np.frombuffer(data, np.uint8)
        self.width = width
        self.start, self.end, self.number = _lines(self.buffer, first_line)
        self._separator = separator
        self._reasons: dict[int, str] = {}
        self._found = separators(self.buffer, self.start, self.end, separator)
        self.rows, self._separators, self._stop = self._split(spare)

    @property
    def total(self) -> int:
        """How many rows, valid and invalid."""
        return len(self.start)

    def field(self, at: int) -> tuple[Ints, Ints]:
        """Where a field begins and ends in each of `rows`."""
        start = self.start[self.rows] if at == 0 else self._separators[:, at - 1] + 1
        end = self._stop if at == self.width - 1 else self._separators[:, at]
        return start, end

    def texts(self, rows: Ints, at: int) -> list[str]:
        """A field of some of `rows`, for messages."""
        if not len(rows):
            return []
        start, end = (places[rows].tolist() for places in self.field(at))
        fields = (self.buffer[first:last] for first, last in zip(start, end, strict=True))
        return [field.tobytes().decode("utf-8", "replace") for field in fields]

    def mark_bad(self, rows: Ints | Flags, reason: str) -> None:
        """Note that some of `rows` are invalid."""
        self._reasons.update(dict.fromkeys(self.rows[rows].tolist(), reason))

    def bad(self) -> list[BadRow]:
        """All invalid rows in order, including those with a wrong number of fields."""
        odd = np.ones(self.total, np.bool_)
        odd[self.rows] = False
        reasons = {row: self._width_reason(row) for row in np.flatnonzero(odd).tolist()}
        reasons |= self._reasons
        return [
            BadRow(int(self.number[row]), reasons[row], self.line(row)) for row in sorted(reasons)
        ]

    def leave_out(self, rows: Flags) -> None:
        """Take some of `rows` out of the block, as if they had not been there."""
        kept = np.ones(self.total, np.bool_)
        kept[self.rows[rows]] = False
        at = np.cumsum(kept) - 1
        self.rows, self._separators = at[self.rows[~rows]], self._separators[~rows]
        self._stop = self._stop[~rows]
        self.start, self.end, self.number = self.start[kept], self.end[kept], self.number[kept]

    def _width_reason(self, row: int) -> str:
        first, last = np.searchsorted(self._found, [self.start[row], self.end[row]])
        fields = last - first + 1
        return f"{fields} field{'s' if fields > 1 else ''} instead of {self.width}"

    def line(self, row: int) -> bytes:
        """The bytes of one of all rows."""
        return self.buffer[self.start[row] : self.end[row]].tobytes()

    def _split(self, spare: bool) -> tuple[Ints, Ints, Ints]:
        """Rows with the right number of fields, their separators, and where their fields end."""
        inner, found = self.width - 1, self._found
        first = np.searchsorted(found, self.start)
        count = np.searchsorted(found, self.end) - first
        right = count == inner
        if right.all():
            return np.arange(len(first)), found[first[:, None] + np.arange(inner)], self.end
        trailing = count == inner + 1
        trailing &= self.buffer.take(self.end - 1, mode="clip") == self._separator
        short = (count == inner - 1) & spare
        rows = np.flatnonzero(right | trailing | short)
        stop = self.end[rows] - trailing[rows]
        places = first[rows, None] + np.arange(inner)
        inside = np.append(found, len(self.buffer)).take(places, mode="clip")
        return rows, np.where(places < (first + count)[rows, None], inside, stop[:, None]), stop


def separators(buffer: Bytes, start: Ints, end: Ints, separator: int) -> Ints:
    """Where fields are separated; not by separators between quotes.

    Quotes count where each pair in a line encloses a whole field; elsewhere they are characters.
    """
    found = np.flatnonzero(buffer == separator)
    quotes = np.flatnonzero(buffer == QUOTE)
    if not len(quotes) or not len(start):
        return found
    line = np.searchsorted(start, quotes, "right") - 1
    nth = np.arange(len(quotes)) - np.searchsorted(quotes, start[line])
    opens = nth % 2 == 0
    beside = np.where(opens, quotes - 1, quotes + 1)
    border = np.where(opens, quotes == start[line], quotes + 1 == end[line])
    byte = buffer.take(beside, mode="clip")
    proper = border | (byte == separator) | ((byte == QUOTE) & ((nth > 0) | ~opens))
    count = np.bincount(line, minlength=len(start))
    whole = (count % 2 == 0) & (np.bincount(line, ~proper, len(start)) == 0)
    line = np.searchsorted(start, found, "right") - 1
    before = np.searchsorted(quotes, found) - np.searchsorted(quotes, start[line])
    separated: Ints = found[~(whole[line] & (before % 2 == 1))]
    return separated


def split(line: str, separator: str) -> list[str]:
    """The fields of a line."""
    data = line.encode()
    ends = np.array([0]), np.array([len(data)])
    places = separators(np.frombuffer(data, np.uint8), *ends, ord(separator)).tolist()
    return [
        data[begin:end].decode("utf-8", "replace")
        for begin, end in zip([0, *(at + 1 for at in places)], [*places, len(data)], strict=True)
    ]


def _lines(buffer: Bytes, first_line: int) -> tuple[Ints, Ints, Ints]:
    """Begin, end and number of lines that are not blank; the last one may have no newline."""
    ends = np.flatnonzero(buffer == _NEWLINE)
    if len(buffer) and buffer[-1] != _NEWLINE:
        ends = np.append(ends, len(buffer))
    starts = np.append(0, ends[:-1] + 1)[: len(ends)]
    ends = ends - ((buffer[ends - 1] == _RETURN) & (ends > starts))
    number = np.arange(first_line, first_line + len(starts))
    kept = ends > starts
    spaced = kept & (buffer.take(starts, mode="clip") == _SPACE)
    for line in np.flatnonzero(spaced & (buffer.take(ends - 1, mode="clip") == _SPACE)).tolist():
        kept[line] = bool(buffer[starts[line] : ends[line]].tobytes().strip(b" "))
    return (starts, ends, number) if kept.all() else (starts[kept], ends[kept], number[kept])


def decimals(buffer: Bytes, start: Ints, end: Ints) -> tuple[Floats, Flags]:
    """The numbers in the fields [start, end), and which are plain decimal numbers."""
    length = end - start
    if not len(buffer):
        return np.zeros(len(start)), np.zeros(len(start), np.bool_)
    place = np.arange(min(length.max(initial=1), _LONGEST))[:, None]
    text = buffer.take(start + place, mode="clip")
    text[place >= length] = 0
    digits = (text - np.uint8(48) <= 9).sum(0)  # wraps: all other bytes are above 9
    points = (text == ord(".")).sum(0)
    ok = digits + points + (text[0] == ord("-")) == length
    ok &= (points <= 1) & (digits > 0) & (digits <= _DIGITS)
    text[:, ~ok] = ord("0")
    values = np.ascontiguousarray(text.T).view(f"S{len(text)}")[:, 0].astype(np.float64)
    return values + 0.0, ok  # + 0.0: no negative zero


def trimmed(buffer: Bytes, start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Fields without the blanks around them, and without a pair of quotes and blanks in it."""
    start, end = _without_blanks(buffer, start, end)
    quoted = end - start > 1
    quoted &= buffer.take(start, mode="clip") == QUOTE
    quoted &= buffer.take(end - 1, mode="clip") == QUOTE
    return _without_blanks(buffer, start + quoted, end - quoted) if quoted.any() else (start, end)


def _without_blanks(buffer: Bytes, start: Ints, end: Ints) -> tuple[Ints, Ints]:
    while (blank := (start < end) & _is_blank(buffer.take(start, mode="clip"))).any():
        start = start + blank
    while (blank := (start < end) & _is_blank(buffer.take(end - 1, mode="clip"))).any():
        end = end - blank
    return start, end


def _is_blank(byte: Bytes) -> Flags:
    blank: Flags = (byte == ord(" ")) | (byte == ord("\t"))
    return blank


def stamps(buffer: Bytes, start: Ints, end: Ints, layout: Stamp) -> tuple[dict[str, Ints], Flags]:
    """The parts (YmdHMSf) of the time stamp in each field, and which fields could be read."""
    ok = end - start == layout.width
    for position, literal in layout.literals:
        ok &= buffer.take(start + position, mode="clip") == ord(literal)
    parts = {}
    for code, positions in layout.digits.items():
        value = np.zeros(len(start), np.int64)
        for position in positions:
            digit = buffer.take(start + position, mode="clip") - np.uint8(48)
            ok &= digit <= 9
            value = value * 10 + digit
        parts[code] = value * 10 ** (9 - len(positions)) if code == "f" else value
    return parts, ok


def instants(parts: dict[str, Ints], ok: Flags, unit: int) -> tuple[Ints, Flags]:
    """Times since 1970, `unit` of them in a second, and which parts make a time that exists.

    `parts["f"]`: a fraction of seconds in billionths.
    """
    time, ok = _seconds(parts, ok)
    if unit > NARROW:
        ok &= (parts["Y"] >= FIRST_YEAR) & (parts["Y"] <= LAST_YEAR)
    fraction = parts["f"] // (1_000_000_000 // unit) if "f" in parts else 0
    return time * unit + fraction, ok


def _seconds(parts: dict[str, Ints], ok: Flags) -> tuple[Ints, Flags]:
    year, month, day = parts["Y"], parts["m"], parts["d"]
    hour, minute, second = parts["H"], parts["M"], parts.get("S", 0 * parts["M"])
    ok = ok & (month >= 1) & (month <= 12) & (day >= 1) & (year >= 1)
    ok &= (hour < 24) & (minute < 60) & (second < 60)
    month = np.where(ok, month, 1)
    ok &= day <= month_lengths(year, month)
    days: Ints = days_since_1970(np.where(ok, year, 1970), month, np.where(ok, day, 1))
    return days * DAY + hour * 3600 + minute * 60 + second, ok


def month_lengths(year: Ints, month: Ints) -> Ints:
    """Days of each month."""
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    lengths = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
    days: Ints = lengths[month] + (leap & (month == 2))
    return days
