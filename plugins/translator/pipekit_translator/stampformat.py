"""Formats of time stamps: what a source may write, their parts, and the zone that they state.

Plan and worker use it, so it imports no data library.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pipekit_translator import timezones

EPOCHS = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}  # in a second
TIMES_OF_DAY = {"s_of_day": 1, "ms_of_day": 10**3}  # since midnight on the clock
DIGITS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2}
FRACTION = 9  # digits of the longest one
_ORDINARY = "YmdHMSf"  # a stamp of these alone can have a fixed width
_OTHER = "bpzf"
_PART = re.compile(r"%(\d?)(.?)|([^%])", re.DOTALL)
_NEEDED = {  # what a stamp needs exactly once, and how it may be written
    "%Y": ("Y", "y"),
    "%m": ("m", "b"),
    "%d": ("d",),
    "%H": ("H", "I"),
    "%M": ("M",),
}
_HALF_DAY = re.compile(r"(?<![A-Za-z])[ap]\.?m\.?(?![A-Za-z])", re.IGNORECASE)
_OFFSET = re.compile(r"([+-])(\d{1,2})(?::?(\d\d))?(?!\d)")
_ZONE = re.compile(r"(?<![A-Za-z])(?:UTC|GMT|[A-Z][A-Za-z]+/[A-Z][A-Za-z_/+\-0-9]+)(?![A-Za-z])")


class Part(NamedTuple):
    """A code with the digits of its fraction (0: as many as there are), or a literal character."""

    code: str = ""
    width: int = 0
    literal: str = ""


def parts_of(text: str) -> list[Part]:
    """The parts of a format in order."""
    return [
        Part(code, int(width or 0), literal)
        if literal or code != "%"
        else Part(code="%", width=int(width or 0))
        for width, code, literal in _PART.findall(text)
    ]


def _literals(text: str) -> list[str]:
    """The runs of literal characters between codes."""
    return re.split(r"%\d?.", text)


def is_epoch(text: str) -> bool:
    """Whether time stamps count from 1970."""
    return text in EPOCHS


def halves(text: str) -> tuple[str, str] | None:
    """The formats of a date column and a time column, which one space joins; None if it is none."""
    for space in re.finditer(" ", text):
        date, time = text[: space.start()], text[space.end() :]
        codes = {part.code for part in parts_of(date)}
        if "d" in codes and codes & {"m", "b"} and codes & {"Y", "y"}:
            return date, time
    return None


def stated_zone(text: str) -> str | None:
    """The zone that the stamps state themselves; None if they are naive.

    `%z` and epochs are UTC; others have an offset, `Z`, `UTC` or a zone's name among the literals.
    """
    if is_epoch(text) or has_offsets(text) or text.endswith("Z"):
        return timezones.UTC
    for literal in _literals(text):
        if found := _OFFSET.search(literal):
            sign, hours, minutes = found.groups()
            offset = int(hours) * 3600 + int(minutes or 0) * 60
            return timezones.named(-offset if sign == "-" else offset)
        if found := _ZONE.search(literal):
            return timezones.UTC if found[0] == "GMT" else found[0]
    return None


def has_offsets(text: str) -> bool:
    """Whether each stamp has an offset of its own (`%z`)."""
    return any(part.code == "z" for part in parts_of(text))


def check_zone(text: str, zone: str) -> None:
    """Raises ValueError if the stamps state another zone than the source does."""
    stated = stated_zone(text)
    if not zone:
        if stated is None:
            raise ValueError(
                'its time stamps have no time zone; set timezone = "UTC" if they are UTC, or the '
                'zone they were exported in, such as timezone = "America/Chicago"'
            )
        timezones.zone_name(stated)
        return
    timezones.zone_name(zone)
    if stated is None or has_offsets(text) or timezones.are_same(stated, zone):
        return
    remedy = "leave timezone out"
    if not is_epoch(text):
        remedy += ", or write %z for an offset that is read in each row"
    raise ValueError(
        f"timestamp_format {text!r} says that the time stamps are {stated}, but timezone is "
        f"{zone!r}: {remedy}"
    )


def check(text: str, *, in_two: bool) -> None:
    """Raises ValueError for a format that cannot be read. `in_two`: date and time are columns."""
    if is_epoch(text):
        if in_two:
            raise ValueError(f"timestamp_format {text!r} needs one column, with the role timestamp")
        return
    if text in TIMES_OF_DAY:
        raise ValueError(f"timestamp_format {text!r} is a time without a date: say where it is")
    _check_codes(text)
    _check_half_days(text)
    if in_two and halves(text) is None:
        raise ValueError(
            f"timestamp_format {text!r}: date and time are two columns, so write both formats with "
            "one space between them"
        )
    codes = [part.code for part in parts_of(text) if part.code]
    for needed, choices in _NEEDED.items():
        if sum(code in choices for code in codes) != 1:
            either = " or ".join(f"%{code}" for code in choices)
            raise ValueError(
                f"timestamp_format: each of %Y %m %d %H %M is needed exactly once; for {needed} "
                f"write one {either}"
            )
    _check_once(text, codes)


def _check_once(text: str, codes: list[str]) -> None:
    if len(codes) != len(set(codes)):
        raise ValueError("timestamp_format: a part is written twice")
    if re.search(r"%\d?[^%]%f", text):
        raise ValueError("timestamp_format: %f beside another number needs its digits, as in %3f")
    if "f" in codes and "S" not in codes:
        raise ValueError("timestamp_format: a fraction (%f) needs seconds: add %S")


def check_date(text: str) -> None:
    """Raises ValueError for a format of dates in names that cannot be read."""
    parts = parts_of(text)
    codes = [part.code for part in parts if part.code]
    whole = sorted("Y" if c == "y" else "m" if c == "b" else c for c in codes) == ["Y", "d", "m"]
    if not whole or any(part.width for part in parts):
        raise ValueError(
            f"date.format {text!r}: write one %Y (or %y), one %m (or %b) and one %d, as in '%Y%m%d'"
        )


def check_time(text: str) -> None:
    """Raises ValueError for a format of times that cannot be read; the date is elsewhere."""
    if text in TIMES_OF_DAY:
        return
    _check_codes(text)
    _check_half_days(text)
    codes = [part.code for part in parts_of(text) if part.code]
    hours, minutes = sum(code in "HI" for code in codes), codes.count("M")
    if is_epoch(text) or hours != 1 or minutes != 1 or {*codes} & {*"Yymbdz"}:
        raise ValueError(
            f"timestamp_format {text!r}: the date is in the file's name, so write a time alone, "
            f"such as %H:%M:%S, or one of {', '.join(TIMES_OF_DAY)}"
        )
    _check_once(text, codes)


def _check_codes(text: str) -> None:
    for part in parts_of(text):
        known = part.literal or part.code in DIGITS or (part.code and part.code in _OTHER)
        if not known or (part.width and part.code != "f"):
            code = f"{part.width or ''}{part.code}"
            raise ValueError(
                f"timestamp_format: %{code} is not supported; use %Y %y %m %b %d %H %M %S, "
                "%I with %p, %z, and %3f for a fraction of three digits (%1f to %9f, %f for any), "
                f"or one of {', '.join(EPOCHS)}"
            )


def _check_half_days(text: str) -> None:
    codes = {part.code for part in parts_of(text)}
    if found := next(filter(None, map(_HALF_DAY.search, _literals(text))), None):
        raise ValueError(
            f"timestamp_format {text!r}: {found[0]!r} is the same in each row, so half of the day "
            "could not be read: write %p, and %I for the hour"
        )
    if ("I" in codes) != ("p" in codes):
        missing, given = ("p", "I") if "I" in codes else ("I", "p")
        raise ValueError(
            f"timestamp_format {text!r}: %{given} needs %{missing}: %I is an hour from 1 to 12, "
            "%p AM or PM, and %H an hour from 0 to 23"
        )


class Stamp(NamedTuple):
    """A time stamp of fixed width: the positions of its digits and of the literals between them."""

    width: int
    digits: dict[str, tuple[int, ...]]  # of Y, m, d, H, M, S, f: positions of the digits
    literals: tuple[tuple[int, str], ...]

    @classmethod
    def of(cls, text: str) -> Stamp:
        """The layout of a format with `has_fixed_width`."""
        at, digits, literals = 0, {}, []
        for part in parts_of(text):
            if part.code:
                count = part.width or DIGITS[part.code]
                digits[part.code] = tuple(range(at, at + count))
                at += count
            else:
                literals.append((at, part.literal))
                at += 1
        return cls(at, digits, tuple(literals))


def has_fixed_width(text: str) -> bool:
    """Whether padded stamps of this format have one width, and digits alone for its parts."""
    if is_epoch(text) or text in TIMES_OF_DAY:
        return False
    coded = [part for part in parts_of(text) if part.code]
    return all(p.code in _ORDINARY and (p.width or p.code in DIGITS) for p in coded)
