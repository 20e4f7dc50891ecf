"""What is promised on Windows, with real processes and files; `nox -s windows` runs it on Linux."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if sys.platform == "win32":
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="needs Windows: see tools/windows"))


@pytest.fixture
def napping(project):
    """A project with a stage that naps `seconds`, then writes a file for each new one."""
    return make_napping(project)


@pytest.fixture
def napping_in(project_in):
    """The same, in a folder that is there."""
    return lambda folder: make_napping(project_in(folder))


def make_napping(project):
    project.plugin("nap", PLUGIN)
    project.site.joinpath("nap_worker.py").write_text(WORKER, "utf-8")
    project.config("[pipeline]\nstages = ['nap']\nquiet_seconds = '0s'\n")
    project.write("data/raw/ü a.txt", "hello")
    return project


PLUGIN = """
import attrs
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl, setting
PIPEKIT_API = "1"

@attrs.frozen
class Settings:
    seconds: float = setting("How long.", default=0.0)

def plan(ctx, settings):
    new = ctx.pending(ctx.files("data/raw/**/*.txt"))
    if not new:
        return StagePlan.skip(new.sentence("data/raw"), new)
    request = {"files": [file.path for file in new], "seconds": settings.seconds}
    task = Task(name="nap", command=Command.python("nap_worker", request=request), units=["all"])
    return StagePlan(reason=new.sentence("data/raw"), tasks=[task], inputs=new.inputs)

@hookimpl
def pipekit_stages():
    yield StageSpec("nap", plan, settings=Settings)
"""
WORKER = """
import os, subprocess, sys, time
from pipekit.worker import fingerprint, look, report, request
wanted = request()
with report.unit("all"):
    if wanted["seconds"]:
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)"],
            creationflags=subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        print("one line", flush=True)
        with open("pids.tmp", "w") as file:
            file.write(f"{os.getpid()} {child.pid}")
        os.replace("pids.tmp", "pids")
        time.sleep(wanted["seconds"])
    print("at work", flush=True)
    os.makedirs(r"data\\out", exist_ok=True)
    for path in wanted["files"]:
        signature, content = look(path), fingerprint(path)
        out = os.path.join("data", "out", os.path.basename(path))
        with open(out, "w") as file:
            file.write("x")
        source = os.path.normpath(path)  # with backslashes, as programs on Windows write paths
        report.wrote(out, sources=[source])
        report.consumed(source, content, signature)
"""
