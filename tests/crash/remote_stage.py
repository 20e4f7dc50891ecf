"""The stage of the rounds on a cluster: upper case, a task for each file, after a while."""

from __future__ import annotations

import time
from pathlib import Path

from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

PIPEKIT_API = "1"


def plan(ctx, settings):
    new = ctx.pending(ctx.files("data/raw/*"))
    if not new:
        return StagePlan.skip(new.sentence("data/raw"), new)
    tasks = [
        Task(
            name=Path(item.path).name,
            units=[item.path],
            command=Command.python(__name__, request=item.path),
        )
        for item in new
    ]
    return StagePlan(reason=new.sentence("data/raw"), inputs=new.inputs, tasks=tasks)


@hookimpl
def pipekit_stages():
    yield StageSpec("upper", plan)


if __name__ == "__main__":
    from pipekit.worker import hasher, look, publish, report, request

    path = request()
    with report.unit(path):
        signature = look(path)
        data = Path(path).read_bytes()
        time.sleep(float(data.split()[0]))
        publish(f"data/out/{Path(path).name}", data.upper())
        report.consumed(path, hasher(data).hexdigest(), signature)
