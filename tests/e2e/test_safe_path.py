"""Programs of stages import nothing from the project's folder; a run names what is in the way."""

from __future__ import annotations

import os

import pytest

PLUGIN = """
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

def plan(ctx, settings):
    return StagePlan(reason="always", tasks=[
        Task(name="python", command=Command.python("safe_worker")),
    ])

@hookimpl
def pipekit_stages():
    yield StageSpec("safe", plan)
"""
WORKER = "import colorsys, sys, tinylib\nprint(colorsys.__file__, tinylib.__file__)\n"
DECOY = "open('decoy-was-imported', 'w').close()\n"


@pytest.fixture
def decoys(project):
    """A project whose folder has files named like modules: one of Python, one that is installed."""
    project.plugin("safe", PLUGIN)
    project.config('[pipeline]\nstages = ["safe"]\n')
    (project.site / "safe_worker.py").write_text(WORKER)
    (project.site / "tinylib.py").write_text("")
    for name in ("colorsys.py", "tinylib/__init__.py", "json.py", "click/__init__.py"):
        project.write(name, DECOY)
    project.write("unlike_any_module.py", DECOY)
    project.write("data/a.py", DECOY)
    return project


@pytest.mark.parametrize("after", ["", os.pathsep, f"{os.pathsep}."])
def test_a_worker_imports_nothing_from_the_project_s_folder(decoys, after):
    """Whatever PYTHONPATH says of the working directory; and neither does pipekit itself."""
    if after:
        (decoys.root / "json.py").unlink()
        (decoys.root / "click/__init__.py").unlink()
    run = decoys.pipekit("run", "--json", env={"PYTHONPATH": f"{decoys.site}{after}"})
    assert not (decoys.root / "decoy-was-imported").exists()
    assert run.json["status"] == "success", run
    logs = decoys.pipekit("logs", "1", "safe").out
    assert str(decoys.site / "tinylib.py") in logs
    assert str(decoys.root) not in logs


def test_a_run_names_the_files_that_have_the_name_of_an_installed_module(decoys):
    warnings = decoys.pipekit("run", "--json").json["warnings"]
    named = [text.split(" in the project's folder")[0] for text in warnings]
    assert named == ["click", "colorsys.py", "json.py", "tinylib"]
    assert "import the installed tinylib; rename the file" in warnings[-1]
