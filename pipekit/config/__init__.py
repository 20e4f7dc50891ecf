"""The configuration: attrs classes, TOML, environment and flags, and where each value came from.

`find_project` and `load` are all that a run needs; the rest is imported where it is asked for:
`pipekit.config.checks`, `.digest`, `.schema` (describe), `.provenance`, `.units`.
"""

from __future__ import annotations

from pipekit.config.configuration import Configuration, load
from pipekit.config.sources import find_project

__all__ = ["Configuration", "find_project", "load"]
