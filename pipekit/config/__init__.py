"""The configuration: attrs classes, TOML, environment and flags, and where each value came from.

`find_project` and `load` are all that a run needs; they are imported when they are first used, the
rest where it is asked for: `pipekit.config.checks`, `.digest`, `.outline`, `.schema` (describe),
`.provenance`, `.units`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipekit.config.loading import Configuration as Configuration
    from pipekit.config.loading import load as load
    from pipekit.config.sources import find_project as find_project

_HOME = {
    "Configuration": "pipekit.config.loading",
    "find_project": "pipekit.config.sources",
    "load": "pipekit.config.loading",
}

__all__ = ["Configuration", "find_project", "load"]


if not TYPE_CHECKING:  # else every misspelt name would pass the type checker

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'pipekit.config' has no attribute {name!r}")
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
