"""What a run file replaces: a set of (variant, session, slot, date) of one instrument.

The analyzer states it in its files' metadata (`pipekit.scope`), this module reads it. It knows
neither files nor rows, and no data library.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, NamedTuple

METADATA = b"pipekit.scope"
VERSION = 1
EVERY = "*"
_EPOCH = date(1970, 1, 1).toordinal()
_INSTRUMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

Slot = tuple[str, str]


class Part(NamedTuple):
    """A product of variants, slots (session, slot) and dates; None stands for all there are.

    `dates`: ranges of days since 1970-01-01, both ends included.
    """

    variants: frozenset[str] | None
    slots: frozenset[Slot] | None
    dates: tuple[tuple[int, int], ...]

    def takes(self, variant: str, slot: Slot) -> bool:
        """Whether rows of this variant and slot are replaced (on the part's dates)."""
        known = self.variants is None or variant in self.variants
        return known and (self.slots is None or slot in self.slots)


class Scope(NamedTuple):
    """The union of its parts, for one instrument."""

    instrument: str
    parts: tuple[Part, ...]

    def months(self, among: Collection[int]) -> set[int]:
        """Those of the months that a part's dates meet."""
        found: set[int] = set()
        for first, last in {(month_of(a), month_of(b)) for p in self.parts for a, b in p.dates}:
            few = range(first, last + 1) if last - first < len(among) else among
            found.update(m for m in few if first <= m <= last and m in among)
        return found


def parse(value: Any) -> Scope:
    """The scope in its JSON form. Raises ValueError, with a clause on what is wrong with it."""
    if not isinstance(value, Mapping) or value.get("version") != VERSION:
        raise ValueError(f"its scope is not of version {VERSION}, the one this merger reads")
    instrument = value.get("instrument")
    if not isinstance(instrument, str) or not _INSTRUMENT.fullmatch(instrument):
        raise ValueError(f"its scope names no instrument: {instrument!r}")
    try:
        return Scope(instrument, tuple(map(_part, value["parts"])))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"its scope cannot be read ({type(error).__name__}: {error})") from error


def _part(value: Mapping[str, Any]) -> Part:
    variants, slots = value["variants"], value["slots"]
    return Part(
        variants=None if variants == EVERY else frozenset(_words(variants)),
        slots=None if slots == EVERY else frozenset((str(a), str(b)) for a, b in slots),
        dates=tuple((_day(first), _day(last)) for first, last in value["dates"]),
    )


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        raise TypeError(f"{value!r} is a word where a list of them is expected")
    return [str(word) for word in value]


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal() - _EPOCH


# --- months: counted from year 0 ------------------------------------------------------------


def month_of(day: int) -> int:
    """The month of a day since 1970-01-01."""
    when = date.fromordinal(day + _EPOCH)
    return when.year * 12 + when.month - 1


def days_of(month: int) -> tuple[int, int]:
    """First and last day of a month, since 1970-01-01."""
    first = date(month // 12, month % 12 + 1, 1).toordinal()
    after = month + 1
    end = date.max.toordinal() + 1
    if after // 12 <= date.max.year:
        end = date(after // 12, after % 12 + 1, 1).toordinal()
    return first - _EPOCH, end - 1 - _EPOCH


def day_text(day: int) -> str:
    """A day since 1970-01-01 as ISO 8601."""
    return date.fromordinal(day + _EPOCH).isoformat()


class Group(NamedTuple):
    """What is merged and published as one: a month of a stream. As text `ES1/2020-01`."""

    stream: str
    month: int

    def __str__(self) -> str:
        return f"{self.stream}/{self.month // 12:04}-{self.month % 12 + 1:02}"

    @classmethod
    def parse(cls, text: str) -> Group:
        """The group that `str` gave this text for. Raises ValueError."""
        stream, _, month = text.rpartition("/")
        year, _, number = month.partition("-")
        return cls(stream, int(year) * 12 + int(number) - 1)

    @property
    def path(self) -> str:
        """Of its file, relative to the folder of merged results."""
        year, month = f"{self.month // 12:04}", f"{self.month % 12 + 1:02}"
        return f"{self.stream}/{year}/{self.stream}_{year}_{month}.parquet"

    @classmethod
    def of_path(cls, path: str) -> Group | None:
        """The group whose file this is, or None where it is none's."""
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        return cls(found["stream"], int(found["year"]) * 12 + int(found["month"]) - 1)


_PATH = re.compile(
    r"(?P<stream>[^/]+)/(?P<year>\d{4})/(?P=stream)_(?P=year)_(?P<month>0[1-9]|1[0-2])\.parquet"
)
