"""Names of stages, policies and sinks, and ids of runs."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable

from pipekit.errors import DefinitionError

RESERVED_NAMES = frozenset({"pipeline", "lifecycle", "sink", "plugin"})
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_NAME = 100  # characters; folders and files are named after stages


def checked_name(_instance: object, _attribute: object, value: str) -> None:
    """An attrs validator: names match `[a-z][a-z0-9_]*` and are not reserved."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise DefinitionError(f"invalid name {value!r}: use a-z, 0-9 and _, starting with a letter")
    if len(value) > _LONGEST_NAME:
        raise DefinitionError(
            f"the name {value[:20]!r}... is longer than {_LONGEST_NAME} characters"
        )
    if value in RESERVED_NAMES:
        reserved = ", ".join(sorted(RESERVED_NAMES))
        raise DefinitionError(f"the name {value!r} is reserved (as are all of: {reserved})")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'timezone'?`, or an empty string if no known name is close."""
    import difflib  # only a mistake needs it

    folded = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), folded, n=1)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""


def new_run_id() -> str:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then randomness.

    Ids sort by the time they were made.
    """
    value = int.from_bytes(os.urandom(10), "big") | ((time.time_ns() // 1_000_000) << 80)
    value = value & ~(0xF << 76) | (0x7 << 76)  # version
    value = value & ~(0x3 << 62) | (0x2 << 62)  # variant
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
