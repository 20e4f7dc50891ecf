"""Two stages that copy files: `one` from data/raw to data/mid, and `two` reads data/mid."""

from __future__ import annotations

import pytest

COPY = """
import json, sys
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

WORKER = '''
import os, sys
from pipekit.worker import fingerprint, look, report, request
job = request()
for path in job["paths"]:
    with report.unit(path):
        signature = look(path)
        text = open(path).read()
        if "bad" in text:
            raise ValueError("bad")
        if job["publish"] and "barren" not in text:
            out = job["to"] + "/" + os.path.basename(path)
            os.makedirs(job["to"], exist_ok=True)
            open(out, "w").write(text + job["stage"])
            report.wrote(out, fingerprint(out), detail={"series": "ES", "last": text[:10]})
        detail = {"quarantined": 1} if "dirty" in text else {}
        report.consumed(path, fingerprint(path), signature, detail=detail)
'''

def plan(ctx, settings):
    new = ctx.pending(ctx.files("SOURCE/*"))
    holds = [f.path for f in ctx.files("SOURCE/*") if "hold" in f.path]
    if not new:
        return StagePlan.skip(new.sentence("SOURCE"), new, holds=holds)
    paths = [item.path for item in new]
    job = {"paths": paths, "to": "TARGET", "stage": "NAME", "publish": bool("TARGET")}
    command = Command(argv=[sys.executable, "-c", WORKER], stdin=json.dumps(job).encode())
    return StagePlan(reason=new.sentence("SOURCE"), inputs=new.inputs, holds=holds,
                     tasks=[Task(name="copy", command=command, units=paths)])

@hookimpl
def pipekit_stages():
    yield StageSpec("NAME", plan, after=AFTER)
"""

CONFIG = """
[pipeline]
stages = ["one", "two"]
quiet_seconds = 0
[lifecycle]
roots = ["data"]
"""

RAW = """
[[lifecycle.rules]]
files = "data/raw/**"
consumed_by = ["one", "two"]
min_age = "0s"
"""


def stage(name, source, target="", **after):
    code = COPY.replace("SOURCE", source).replace("TARGET", target).replace("NAME", name)
    return code.replace("AFTER", repr(after))


@pytest.fixture
def chain(project):
    """Stage one copies data/raw to data/mid, stage two reads data/mid."""
    project.plugin("one", stage("one", "data/raw", "data/mid"))
    project.plugin("two", stage("two", "data/mid", one="partial"))
    project.config(CONFIG + RAW)
    return project
