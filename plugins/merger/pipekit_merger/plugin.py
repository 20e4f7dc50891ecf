"""The merger's hooks: merged monthly results as a stage of pipekit."""

from __future__ import annotations

from collections.abc import Iterator

from pipekit import Command, RunContext, StagePlan, StageSpec, hookimpl
from pipekit_merger import WORKER
from pipekit_merger.settings import Settings

PIPEKIT_API = "1"  # the hook API that this plugin is written for


def plan(ctx: RunContext, settings: Settings) -> StagePlan:
    """See `pipekit_merger.plan`: imported only where the stage is planned."""
    from pipekit_merger import plan  # a command does not plan

    return plan.plan(ctx, settings)


@hookimpl
def pipekit_stages() -> Iterator[StageSpec]:
    """The stage `merger`."""
    yield StageSpec(
        "merger",
        plan,
        settings=Settings,
        after={"analyzer": "partial"},  # or better
        check=lambda _settings: Command.python(WORKER, "--check"),
    )
