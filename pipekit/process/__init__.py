"""One supervisor for every process: a whole tree lives and dies with its command. Usable alone.

    from pipekit.process import Cancel, ProcessSupervisor

    result = ProcessSupervisor(spool_dir=Path("logs")).execute(Command(argv=["make", "all"]))

The public names, imported when they are first used; knows neither stages nor runs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipekit.process.cancel import Cancel as Cancel
    from pipekit.process.output.listener import OnLines as OnLines
    from pipekit.process.supervisor import ProcessSupervisor as ProcessSupervisor
    from pipekit.process.supervisor import sweep as sweep

_HOME = {
    "Cancel": "pipekit.process.cancel",
    "OnLines": "pipekit.process.output.listener",
    "ProcessSupervisor": "pipekit.process.supervisor",
    "sweep": "pipekit.process.supervisor",
}

__all__ = ["Cancel", "OnLines", "ProcessSupervisor", "sweep"]


if not TYPE_CHECKING:  # else every misspelt name would pass the type checker

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'pipekit.process' has no attribute {name!r}")
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
