"""The virtual environments to measure in: pipekit with three stages, and its peers; no cases."""

from __future__ import annotations

import shutil
from pathlib import Path

from venvs import REPOSITORY, Environment, peer, pipekit

PEERS = {"doit": "doit==0.37.0", "luigi": "luigi==3.8.1"}  # an index may offer much older ones

_PLUGIN_PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "pipekit-trivial"
version = "1.0.0"
dependencies = ["pipekit>=1,<2"]

[project.entry-points.pipekit]
trivial = "pipekit_trivial"
"""

_PLUGIN = '''\
"""Three stages that run the command named by TRIVIAL, one after the other."""

import os

from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

PIPEKIT_API = "1"


def plan(ctx, settings):
    command = Command(argv=os.environ["TRIVIAL"].split())
    return StagePlan(reason="always", tasks=[Task(name="only", command=command)])


@hookimpl
def pipekit_stages():
    yield StageSpec("one", plan)
    yield StageSpec("two", plan, after={"one": "success"})
    yield StageSpec("three", plan, after={"two": "success"})
'''


def build_all(cache: Path, *, with_pipekit: bool) -> dict[str, Environment]:
    """An environment for each peer, from the cache where it is there, and a new one for pipekit."""
    environments = {name: peer(cache / name, [wanted]) for name, wanted in PEERS.items()}
    if with_pipekit:
        sources = REPOSITORY, _plugin(cache / "plugin")
        environments["pipekit"] = pipekit(cache / "pipekit", sources)
    return environments


def _plugin(folder: Path) -> Path:
    """The project of the three stages, made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(_PLUGIN_PROJECT)
    (folder / "pipekit_trivial.py").write_text(_PLUGIN)
    return folder
