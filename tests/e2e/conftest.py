"""Stages that more than one file's tests run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .copying import chain

__all__ = ["chain"]

HALF = """
    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

    def plan(ctx, settings):
        tasks = [Task(name=code, command=Command(argv=["sh", "-c", f"{before}; exit {{code}}"]))
                 for code in ("0", "1")]
        return StagePlan(reason="always", tasks=tasks)

    @hookimpl
    def pipekit_stages():
        yield StageSpec("half", plan)
"""


@pytest.fixture
def half(project) -> Callable[[str], None]:
    """Gives the project a stage of two tasks, which do something and end with 0 and 1."""

    def make(before: str) -> None:
        project.config('[pipeline]\nstages = ["half"]\n')
        project.plugin("half", HALF.format(before=before))

    return make
