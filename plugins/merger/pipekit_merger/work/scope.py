"""What a run file replaces: a set of (variant, session, slot, date) of one instrument.

The analyzer writes it to the metadata of its files (docs/reference/data.md: scope of a run file).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from pipekit_merger.work.rows import day_of, months_of

METADATA = b"pipekit.scope"
VERSION = 1
EVERY = "*"
_INSTRUMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

Slot = tuple[str, str]  # a session and the time of one of its slots


class Part(NamedTuple):
    """Some variants x some slots x some dates; None stands for all variants, or all slots.

    `dates`: ranges of days since 1970-01-01, both ends included.
    """

    variants: frozenset[str] | None
    slots: frozenset[Slot] | None
    dates: tuple[tuple[int, int], ...]

    def covers(self, variant: str, slot: Slot) -> bool:
        """Whether rows of this variant and slot are replaced on the part's dates."""
        of_variant = self.variants is None or variant in self.variants
        return of_variant and (self.slots is None or slot in self.slots)


class Scope(NamedTuple):
    """The union of its parts, for one instrument."""

    instrument: str
    parts: tuple[Part, ...]

    def months(self, among: Collection[int]) -> set[int]:
        """Those of the months that have a day in the scope."""
        found: set[int] = set()
        days = [span for part in self.parts for span in part.dates]
        spans = months_of(np.array(days, np.int64).reshape(-1, 2))
        for first, last in set(map(tuple, spans.tolist())):
            candidates = range(first, last + 1) if last - first < len(among) else among
            found.update(m for m in candidates if first <= m <= last and m in among)
        return found


def parse_scope(value: Any) -> Scope:
    """Read a scope in its JSON form. Raises ValueError with a clause about the file: "its ..."."""
    if not isinstance(value, Mapping) or value.get("version") != VERSION:
        raise ValueError(f"its scope is not of version {VERSION}, the only one this merger reads")
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
        variants=None if variants == EVERY else frozenset(_strings(variants)),
        slots=None if slots == EVERY else frozenset((str(a), str(b)) for a, b in slots),
        dates=tuple(
            (day_of(date.fromisoformat(first)), day_of(date.fromisoformat(last)))
            for first, last in value["dates"]
        ),
    )


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        raise TypeError(f"expected a list of strings, got the string {value!r}")
    return [str(item) for item in value]
