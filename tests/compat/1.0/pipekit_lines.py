"""The stage `lines`: counts the lines of each text file in data/in."""

import os

from pipekit import Command, StagePlan, StageSpec, Task, hookimpl
from pipekit.worker import hasher, look, publish, report, request

PIPEKIT_API = "1"


def plan(ctx, settings):
    new = ctx.pending(ctx.files("data/in/*.txt"))
    if not new:
        return StagePlan.skip(new.sentence("data/in"), new)
    paths = [item.path for item in new]
    task = Task(name="count", units=paths, command=Command.python("pipekit_lines", request=paths))
    more = {"waiting": new.waiting, "rejected": new.rejected}
    return StagePlan(reason=new.sentence("data/in"), tasks=[task], inputs=new.inputs, **more)


@hookimpl
def pipekit_stages():
    yield StageSpec("lines", plan)


if __name__ == "__main__":  # the worker: a process of its own, started in the project's folder
    for path in request():
        with report.unit(path):
            signature = look(path)  # before reading, so that the next run sees a later change
            with open(path, "rb") as file:
                data = file.read()
            publish(f"data/out/{os.path.basename(path)}.lines", f"{data.count(10)}\n".encode())
            report.consumed(path, hasher(data).hexdigest(), signature)
