"""The command line called in this process, with real projects and real plugins."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

from pipekit.cli.main import run_command_line

TINY = """
import sys

from pipekit import Command, StagePlan, StageSpec, Task, hookimpl


def stage(name, after=()):
    def plan(ctx, settings):
        if not ctx.files("data/*.txt"):
            return StagePlan(reason="nothing in data")
        task = Task(name="one", command=Command(argv=[sys.executable, "-c", "print('here')"]))
        return StagePlan(reason="always", tasks=[task])

    return StageSpec(name, plan, after=dict.fromkeys(after, "partial"))


@hookimpl
def pipekit_stages():
    yield stage("first")
    yield stage("second", after=["first"])
"""
CONFIG = """
[pipeline]
stages = ["first", "second"]
quiet_seconds = 0
"""


class Answer:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@pytest.fixture
def pipekit(project, monkeypatch, capsys) -> Iterator[Callable[..., Answer]]:
    """Calls `pipekit WORDS` in the project's folder; only its own plugins are loaded."""
    monkeypatch.chdir(project.root)
    monkeypatch.syspath_prepend(project.site)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("PATH", "")  # no scheduler is asked what is installed
    off = "pipekit-analyzer,pipekit-merger,pipekit-translator"
    monkeypatch.setenv("PIPEKIT_DISABLE_PLUGINS", off)
    before = set(sys.modules)

    def call(*words: str) -> Answer:
        capsys.readouterr()
        code = run_command_line(list(words))
        return Answer(code, *capsys.readouterr())

    yield call
    for name in set(sys.modules) - before:
        if name.endswith("_plugin"):
            del sys.modules[name]


@pytest.fixture
def tiny(project):
    """A project of two stages, which have nothing to do while `data` is empty."""
    project.plugin("tiny", TINY)
    project.config(CONFIG)
    return project
