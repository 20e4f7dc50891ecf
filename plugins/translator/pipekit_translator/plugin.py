"""The translator's hooks: raw files to Parquet as a stage of pipekit."""

from __future__ import annotations

from collections.abc import Iterator

from pipekit import Command, RunContext, StagePlan, StageSpec, hookimpl
from pipekit_translator import WORKER
from pipekit_translator.settings import Settings

PIPEKIT_API = "1"  # the hook API that this plugin is written for


def plan(ctx: RunContext, settings: Settings) -> StagePlan:
    """See `pipekit_translator.plan`: imported only where the stage is planned."""
    from pipekit_translator import plan  # a command does not plan

    return plan.plan(ctx, settings)


@hookimpl
def pipekit_stages() -> Iterator[StageSpec]:
    """The stage `translator`."""
    yield StageSpec(
        "translator",
        plan,
        settings=Settings,
        check=lambda settings: Command.python(WORKER, "--check", settings.kernels),
    )
