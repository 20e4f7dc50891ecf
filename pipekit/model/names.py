"""Names of stages, policies and sinks, and ids of runs."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable
from typing import TypeGuard

from pipekit.errors import DefinitionError
from pipekit.model.system import is_device

LOCAL = "local"  # the executor that comes with pipekit, and is used unless another is named
RESERVED_NAMES = frozenset({"pipeline", "lifecycle", "sink", "plugin"})
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_NAME = 100  # characters; folders and files are named after stages
RUN_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def is_name(value: object) -> TypeGuard[str]:
    """Whether this can be the name of a stage."""
    return (
        isinstance(value, str)
        and bool(_NAME.fullmatch(value))
        and len(value) <= _LONGEST_NAME
        and value not in RESERVED_NAMES
    )


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
    check_file_name(value)


def check_file_name(name: str) -> None:
    """Raise DefinitionError if no file can be named after this, which only Windows forbids."""
    if sys.platform == "win32" and is_device(name):
        raise DefinitionError(
            f"files cannot be named after {name!r} on Windows: it is the name of a device"
        )


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


def is_run_id(text: str) -> bool:
    """Whether this has the form of a run's id."""
    return bool(re.fullmatch(RUN_ID, text))


def started_of(run_id: str) -> float:
    """The Unix time that a run's id was made at."""
    return int(run_id[:8] + run_id[9:13], 16) / 1000
