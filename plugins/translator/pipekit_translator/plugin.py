"""The translator as pipekit finds it: its stage. Loaded by every plan, so it imports no data."""

from __future__ import annotations

from collections.abc import Iterator

import pipekit  # Command is loaded where it is asked for
from pipekit import StageSpec, hookimpl
from pipekit_translator.plan import WORKER, plan
from pipekit_translator.settings import Settings

PIPEKIT_API = "1"


def check(_settings: Settings) -> pipekit.Command:
    """Whether the worker can start here: its libraries are there and load."""
    return pipekit.Command.python(WORKER, "--check")


@hookimpl
def pipekit_stages() -> Iterator[StageSpec]:
    """The stage `translator`: raw files to processed bars."""
    yield StageSpec("translator", plan, settings=Settings, check=check)
