"""The analyzer's hooks: breakout analysis as a stage of pipekit."""

from __future__ import annotations

from collections.abc import Iterator

from pipekit import Command, RunContext, StagePlan, StageSpec, hookimpl
from pipekit_analyzer import WORKER
from pipekit_analyzer.settings import Settings

PIPEKIT_API = "1"  # the hook API that this plugin is written for


def plan(ctx: RunContext, settings: Settings) -> StagePlan:
    """See `pipekit_analyzer.plan`: imported only where the stage is planned."""
    from pipekit_analyzer import plan  # a command does not plan

    return plan.plan(ctx, settings)


@hookimpl
def pipekit_stages() -> Iterator[StageSpec]:
    """The stage `analyzer`."""
    yield StageSpec(
        "analyzer",
        plan,
        settings=Settings,
        after={"translator": "partial"},  # or better
        check=lambda settings: Command.python(WORKER, "--check", settings.kernels),
    )
