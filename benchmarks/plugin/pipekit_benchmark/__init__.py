"""Stages of COUNT tasks, each the command named by COMMAND; `two` and `three` follow `one`.

An entry point for each stage, with its name, as the documentation advises.
"""

import os
import shlex

from pipekit import Command, StagePlan, Task


def plan(ctx, settings):
    times = {name: float(os.environ.get(name.upper(), "0")) for name in ("timeout", "grace")}
    times = {name: value for name, value in times.items() if value}
    if "grace" in times:
        times["linger"] = times["grace"]
    command = Command(argv=shlex.split(os.environ["COMMAND"]), **times)
    count = int(os.environ.get("COUNT", "1"))
    tasks = [Task(name=f"task-{number}", command=command) for number in range(count)]
    return StagePlan(reason="always", tasks=tasks)
