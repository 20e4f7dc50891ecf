"""A stage that copies data/raw to data/mid, and a policy that archives; for killed lifecycles."""

import json
import os
import sys
from pathlib import Path

from pipekit.worker import fingerprint, look, publish, report, request

ARCHIVED = "old"


def plan(ctx, _settings):
    """A task for the new files; those that are gone have been removed on purpose."""
    import pipekit

    new = ctx.pending(ctx.files("data/raw/*"))
    if not new:
        return pipekit.StagePlan.skip("nothing new", new)
    paths = json.dumps([item.path for item in new]).encode()
    command = pipekit.Command(argv=[sys.executable, __file__], stdin=paths)
    return pipekit.StagePlan(
        reason="new", inputs=new.inputs, tasks=[pipekit.Task(name="copy", command=command)]
    )


def archive(view, _settings):
    """Archive all files that were copied."""
    import pipekit

    for file in view.files("data/raw/*"):
        if view.why_not_consumed(file, ["copy"]) is None:
            target = f"{ARCHIVED}/{os.path.basename(file.path)}"
            yield pipekit.FileAction(pipekit.ActionKind.ARCHIVE, file.path, "copied", target)


def main() -> None:
    """Copy what was asked for."""
    for path in request():
        signature = look(path)
        publish(f"data/mid/{os.path.basename(path)}", Path(path).read_bytes(), sources=[path])
        report.consumed(path, fingerprint(path), signature)


if __name__ == "__main__":
    main()
else:
    import pipekit

    @pipekit.hookimpl
    def pipekit_stages():
        """The stage."""
        yield pipekit.StageSpec("copy", plan)

    @pipekit.hookimpl
    def pipekit_lifecycle_policies():
        """The policy."""
        yield pipekit.LifecyclePolicy("archive", archive)
