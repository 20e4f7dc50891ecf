"""The translator's entry point: its stage."""

from __future__ import annotations

from collections.abc import Iterator

from pipekit import Command, StageSpec, hookimpl
from pipekit_translator.plan import WORKER, plan
from pipekit_translator.settings import Settings

PIPEKIT_API = "1"


def check(_settings: Settings) -> Command:
    """The worker's self-check: whether its libraries can be imported."""
    return Command.python(WORKER, "--check")


@hookimpl
def pipekit_stages() -> Iterator[StageSpec]:
    """The stage `translator`: raw files to Parquet."""
    yield StageSpec("translator", plan, settings=Settings, check=check)
