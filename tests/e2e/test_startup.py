"""What a start imports, and above all what it does not: every command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_START = """
import sys

target, *words = sys.argv[1:]
sys.argv = ["pipekit", *words]
from pipekit.__main__ import main

code = main()
with open(target, "w") as file:
    print(*sys.modules, file=file)
sys.exit(code)
"""
_PLUGIN = """
import sys

from pipekit import Command, StagePlan, StageSpec, Task, hookimpl


def plan(ctx, settings):
    return StagePlan(reason="always", tasks=[Task(name="one", command=Command(argv=["true"]))])


@hookimpl
def pipekit_stages():
    yield StageSpec("tiny", plan)
"""

NEVER = {
    *("asyncio", "logging", "importlib.metadata", "psutil", "rich"),
    *("configparser", "traceback", "numpy", "pandas", "pyarrow"),
}
"""What no plain command needs, each 2 to 400 ms."""

FOR_WORK = {
    *("pipekit.run.execution", "pipekit.run.stages", "pipekit.run.running_task"),
    "pipekit.process.supervisor",
}
"""What runs and supervises processes: a tenth of the time of an idle run."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one trivial stage, its plugin and the metadata of that below `site`."""
    (tmp_path / "pipekit.toml").write_text('[pipeline]\nstages = ["tiny"]\n\n[sinks.console]\n')
    metadata = tmp_path / "site/pipekit_tiny-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "entry_points.txt").write_text("[pipekit]\ntiny = pipekit_tiny\n")
    (tmp_path / "site/pipekit_tiny.py").write_text(_PLUGIN)
    return tmp_path


def imported(project: Path, *words: str, stages: bool = False) -> set[str]:
    """The modules that a command has imported when it ends; those of a bare start left out.

    `stages`: with those that come with pipekit.
    """
    target = project / "modules.txt"
    environment = {**os.environ, "PYTHONPATH": str(project / "site"), "NO_COLOR": "1"}
    if not stages:
        off = "pipekit-analyzer,pipekit-merger,pipekit-translator"
        environment["PIPEKIT_DISABLE_PLUGINS"] = off
    started = [sys.executable, "-c", _START, str(target), *words]
    done = subprocess.run(
        started, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(target.read_text().split()) - set(bare.stdout.split())


def test_version_imports_no_click(project: Path) -> None:
    """`--version` is answered by a handful of modules."""
    found = imported(project, "--version")
    assert sorted(found & {"click", "attrs", "sqlite3", *NEVER}) == []


def test_help_imports_no_plugin_machinery(project: Path) -> None:
    """`--help` lists the plugins' commands, and imports neither plugins nor the model."""
    found = imported(project, "--help")
    assert "click" in found
    assert sorted(found & {"sqlite3", "tomllib", "attrs", "pluggy", *FOR_WORK, *NEVER}) == []


@pytest.mark.parametrize(
    "words",
    [("status",), ("history",), ("show",), ("events",), ("logs", "1", "tiny")],
    ids=lambda w: w[0],
)
def test_looking_imports_no_plugin_machinery(project: Path, words: tuple[str, ...]) -> None:
    """Commands that look at what a run has left import no plugin, and nothing that runs one."""
    imported(project, "run")
    found = imported(project, *words)
    assert "sqlite3" in found
    assert sorted(found & {"pipekit_tiny", "pluggy", *FOR_WORK, *NEVER}) == []


def test_run_imports_nothing_heavy(project: Path) -> None:
    """A plain run imports none of what is only needed on a terminal, on failure or elsewhere."""
    found = imported(project, "run")
    assert "pipekit_tiny" in found
    assert sorted(found & NEVER) == []


def test_an_idle_run_imports_nothing_that_runs_or_judges(tmp_path: Path) -> None:
    """A run after an idle one, in which the stages find nothing to do."""
    stages = '["translator", "analyzer", "merger"]'
    (tmp_path / "pipekit.toml").write_text(f"[pipeline]\nstages = {stages}\n")
    imported(tmp_path, "run", stages=True)
    found = imported(tmp_path, "run", stages=True)
    assert "pipekit_merger.plugin" in found
    assert sorted(found & (FOR_WORK | NEVER)) == []


@pytest.mark.parametrize(
    "left",
    [
        "atexit.register(print, 'the last word')",
        "threading.Thread(target=lambda: time.sleep(0.3) or print('the last word')).start()",
    ],
    ids=["at the exit", "in a thread"],
)
def test_the_quick_end_cuts_nothing_off(project: Path, left: str) -> None:
    """What a plugin leaves to the end of the process still happens, and its output arrives."""
    plugin = project / "site/pipekit_tiny.py"
    plugin.write_text(f"import atexit, threading, time\n\n{left}\n{plugin.read_text()}")
    done = subprocess.run(
        [sys.executable, "-m", "pipekit", "run"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the last word" in done.stdout.splitlines()
