"""What the sink knows from run to run: what is wrong, who was told, and what is yet to be sent.

A JSON file in the project's state folder. It is written before anything is sent and again
afterwards, so that what could not be sent is sent by a later run. A process that is killed in
between tells something twice rather than never.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import cattrs

from pipekit.worker import Publication

NAME = "notify.json"
MOST_UNSENT = 200  # messages; older ones are dropped
MOST_LINES = 2_000  # of a digest
_LARGEST = 4 << 20  # bytes
_PRIVATE = 0o600


@attrs.define
class Trouble:
    """Something that is wrong. `runs`: in a row. `told`: `RULE:WORD` for what was told."""

    runs: int = 0
    since: int = 0
    told: list[str] = attrs.Factory(list)


@attrs.define
class Message:
    """Something to tell one address. `kind`: `failure`, `warning`, `success` or `info`."""

    rule: str
    to: str
    title: str
    text: str
    kind: str
    made: float


@attrs.define
class Digest:
    """What the next digest of a rule will say. `since`: Unix time of the last one."""

    since: float
    lines: list[str] = attrs.Factory(list)
    idle: int = 0
    totals: dict[str, float] = attrs.Factory(dict)


@attrs.define
class Memory:
    """All of it. `warned`: the warnings of the last run."""

    troubles: dict[str, Trouble] = attrs.Factory(dict)
    warned: list[str] = attrs.Factory(list)
    unsent: list[Message] = attrs.Factory(list)
    digests: dict[str, Digest] = attrs.Factory(dict)

    def record(self) -> dict[str, Any]:
        """It as JSON values."""
        self.unsent = self.unsent[-MOST_UNSENT:]
        made: dict[str, Any] = cattrs.unstructure(self)
        return made


def load(state: Path) -> Memory:
    """What the file says; nothing if it is missing or damaged."""
    with suppress(OSError, ValueError, RecursionError, cattrs.BaseValidationError):
        text = (state / NAME).read_bytes()
        return cattrs.structure(json.loads(text[:_LARGEST]), Memory)
    return Memory()


def save(state: Path, memory: Memory) -> None:
    """Replace the file. Raises OSError."""
    with Publication(state / NAME, reported=False, mode=_PRIVATE) as file:
        file.write(json.dumps(memory.record(), indent=1).encode())
