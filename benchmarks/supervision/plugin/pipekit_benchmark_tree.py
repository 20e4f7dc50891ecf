"""A stage of COUNT tasks, each the command named by TREE, ended after TIMEOUT seconds."""

import os
import shlex

from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

PIPEKIT_API = "1"


def plan(ctx, settings):
    timeout, grace = float(os.environ["TIMEOUT"]), float(os.environ["GRACE"])
    command = Command(
        argv=shlex.split(os.environ["TREE"]), timeout=timeout or None, grace=grace, linger=grace
    )
    count = int(os.environ.get("COUNT", "1"))
    tasks = [Task(name=f"task-{number}", command=command) for number in range(count)]
    return StagePlan(reason="always", tasks=tasks)


@hookimpl
def pipekit_stages():
    yield StageSpec("tree", plan)
