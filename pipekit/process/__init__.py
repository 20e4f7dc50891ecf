"""Run commands whose whole process tree ends with them. Usable without the rest of pipekit.

    from pipekit import Command
    from pipekit.process import ProcessSupervisor

    result = ProcessSupervisor(spool_dir=Path("logs")).execute(Command(argv=["make", "all"]))

The classes below are imported when they are first used.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipekit.process.cancel import Cancel as Cancel
    from pipekit.process.leftovers import kill_leftovers as kill_leftovers
    from pipekit.process.output.listener import OnLines as OnLines
    from pipekit.process.supervisor import ProcessSupervisor as ProcessSupervisor

_HOME = {
    "Cancel": "pipekit.process.cancel",
    "OnLines": "pipekit.process.output.listener",
    "ProcessSupervisor": "pipekit.process.supervisor",
    "kill_leftovers": "pipekit.process.leftovers",
}

__all__ = ["Cancel", "OnLines", "ProcessSupervisor", "kill_leftovers", "prepare"]


def prepare() -> object:
    """Start what commands will need, while the caller does something else; keep what it returns.

    On Linux that is the spawner process. If it cannot be started, the first command says why.
    """
    if sys.platform != "linux":
        return None
    from pipekit.process.linux import spawner_client  # only on Linux
    from pipekit.process.start import SpawnError

    try:
        return spawner_client.shared_spawner()
    except SpawnError:
        return None


if not TYPE_CHECKING:  # or the type checker would accept any name

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'pipekit.process' has no attribute {name!r}")
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
