"""Which formats time stamps may have, by their texts alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

Kind = Literal["stamp", "date", "time"]

_DATES = (
    ("%Y-%m-%d", r"\d{4}-\d{1,2}-\d{1,2}"),
    ("%Y/%m/%d", r"\d{4}/\d{1,2}/\d{1,2}"),
    ("%Y.%m.%d", r"\d{4}\.\d{1,2}\.\d{1,2}"),
    ("%m/%d/%Y", r"(?:0?\d|1[0-2])/\d{1,2}/\d{4}"),
    ("%d/%m/%Y", r"\d{1,2}/(?:0?\d|1[0-2])/\d{4}"),
    ("%d.%m.%Y", r"\d{1,2}\.(?:0?\d|1[0-2])\.\d{4}"),
    ("%m-%d-%Y", r"(?:0?\d|1[0-2])-\d{1,2}-\d{4}"),
    ("%d-%m-%Y", r"\d{1,2}-(?:0?\d|1[0-2])-\d{4}"),
    ("%m/%d/%y", r"(?:0?\d|1[0-2])/\d{1,2}/\d\d"),
    ("%d/%m/%y", r"\d{1,2}/(?:0?\d|1[0-2])/\d\d"),
    ("%d.%m.%y", r"\d{1,2}\.(?:0?\d|1[0-2])\.\d\d"),
    ("%d-%b-%Y", r"\d{1,2}-[A-Za-z]{3}-\d{4}"),
    ("%d %b %Y", r"\d{1,2} [A-Za-z]{3} \d{4}"),
    ("%b %d %Y", r"[A-Za-z]{3} \d{1,2} \d{4}"),
    ("%Y%m%d", r"(?:19|20)\d\d[01]\d[0-3]\d"),
)
_TIMES = (
    ("%H:%M:%S.{n}f", r"\d{1,2}:\d\d:\d\d\.(?P<n>\d{1,9})"),
    ("%H:%M:%S.%f", r"\d{1,2}:\d\d:\d\d\.\d{1,9}"),
    ("%I:%M:%S %p", r"\d{1,2}:\d\d:\d\d [AaPp][Mm]"),
    ("%I:%M %p", r"\d{1,2}:\d\d [AaPp][Mm]"),
    ("%H:%M:%S", r"\d{1,2}:\d\d:\d\d"),
    ("%H:%M", r"\d{1,2}:\d\d"),
    ("%H%M%S {n}f", r"\d{6} (?P<n>\d{7})"),
    ("%H%M%S{n}f", r"\d{6}(?P<n>\d{3})"),
    ("%H%M%S", r"\d{5,6}"),
    ("%H%M", r"\d{3,4}"),
)
_ENDS = (
    ("", ""),
    ("Z", "Z"),
    ("%z", r"[+-]\d\d:?\d\d"),
    (" %z", r" [+-]\d\d:?\d\d"),
    (" GMT%z", r" GMT[+-]\d\d:?\d\d"),
    (" UTC", " UTC"),
    (" {zone}", r" (?P<zone>[A-Z][A-Za-z]+/[A-Za-z_]+)"),
)
_EPOCHS = {10: "epoch_s", 13: "epoch_ms", 16: "epoch_us", 19: "epoch_ns"}
_NUMBER = re.compile(r"(1\d{9}(?:\d{3}){0,3})(?:\.\d+)?|(2\d{9}(?:\d{3}){0,2})(?:\.\d+)?")


def formats_of(texts: Sequence[str], kind: Kind) -> list[str]:
    """The formats that all of these texts may have, the likelier ones first.

    `stamp`: date and time together, or a number since 1970. `date`, `time`: one of them.
    """
    if not texts or not all(texts):
        return []
    if kind == "stamp" and (epoch := _epoch(texts)):
        return [epoch]
    found: dict[str, re.Pattern[str]] = {}
    for text in (texts[0], texts[-1]):  # a day after the 12th tells it from the month
        for format, pattern in _candidates(text, kind):
            found.setdefault(format, re.compile(pattern))
    formats = [f for f, pattern in found.items() if all(map(pattern.fullmatch, texts))]
    exact = [f for f in formats if "%f" not in f]
    return exact or formats


def _epoch(texts: Sequence[str]) -> str:
    numbers = [_NUMBER.fullmatch(text) for text in texts]
    lengths = {len(found[1] or found[2]) for found in numbers if found}
    if not all(numbers) or len(lengths) != 1:
        return ""
    return _EPOCHS[lengths.pop()]


def _candidates(text: str, kind: Kind) -> Iterator[tuple[str, str]]:
    """The formats of one text, each with a pattern for others of the same format."""
    if kind == "date":
        yield from ((f, p) for f, p in _DATES if re.fullmatch(p, text))
    elif kind == "time":
        yield from _times(text)
    else:
        for date, pattern in _DATES:
            found = re.match(rf"{pattern}( +|T)(?=\d)", text)
            if found is None:
                continue
            join = "T" if found[1] == "T" else " "
            for time, rest in _times(text[found.end() :]):
                yield f"{date}{join}{time}", f"{pattern}{'T' if join == 'T' else ' +'}{rest}"


def _times(text: str) -> Iterator[tuple[str, str]]:
    for time, pattern in _TIMES:
        for end, rest in _ENDS:
            found = re.fullmatch(pattern + rest, text)
            if found is None:
                continue
            digits = len(found["n"]) if "n" in found.groupdict() else 0
            zone = found.groupdict().get("zone", "")
            format = (time + end).replace("{n}", f"%{digits}").replace("{zone}", zone)
            exact = re.sub(r"\(\?P<n>.*?\)", rf"\\d{{{digits}}}", pattern)
            yield format, exact + (re.escape(f" {zone}") if zone else rest)
