"""What a stage, policy or sink may be called."""

from __future__ import annotations

import re

from pipekit.errors import DefinitionError

RESERVED_NAMES = frozenset({"pipeline", "lifecycle", "sink", "plugin"})
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def checked_name(_instance: object, _attribute: object, value: str) -> None:
    """An attrs validator: names are `[a-z][a-z0-9_]*` and none of the reserved ones."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise DefinitionError(
            f"{value!r} is no name: use lower-case letters, digits and _, a letter first"
        )
    if value in RESERVED_NAMES:
        reserved = ", ".join(sorted(RESERVED_NAMES))
        raise DefinitionError(f"the name {value!r} is reserved ({reserved})")
