"""What a start imports, and above all what it does not: every command in a process of its own."""

from __future__ import annotations

import os
import re
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

FOR_RUNS = {"attrs", "pluggy", "pipekit.plugins", "pipekit.model.stage", "pipekit.model.command"}
"""What only commands need that deal with plugins: half of the time of a run's start."""


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
    assert not imported(project, "--version") & {"click", "attrs", "json", *NEVER}


def test_help_imports_no_plugin_machinery(project: Path) -> None:
    """`--help` lists the plugins' commands, and imports neither plugins nor the model."""
    found = imported(project, "--help")
    assert "click" in found
    assert not found & {"sqlite3", "tomllib", *FOR_RUNS, *NEVER}


@pytest.mark.parametrize(
    "words",
    [("status",), ("history",), ("show",), ("events",), ("logs", "1", "tiny")],
    ids=lambda w: w[0],
)
def test_looking_imports_no_plugin_machinery(project: Path, words: tuple[str, ...]) -> None:
    """Commands that look at what a run has left import no plugin and nothing that loads one."""
    imported(project, "run")
    found = imported(project, *words)
    assert "sqlite3" in found
    assert not found & {"pipekit_tiny", "pluggy", "pipekit.plugins", *NEVER}


UNWATCHED = {"click", "shutil", "textwrap", "uuid"}
"""What a run needs on a terminal alone, or not at all: 20 ms."""


def test_run_imports_nothing_heavy(project: Path) -> None:
    """A plain run imports none of what is only needed on a terminal, on failure or elsewhere."""
    for words in (("run",), ("-C", str(project), "run"), ("run", "--only", "tiny")):
        found = imported(project, *words)
        assert "pipekit_tiny" in found
        assert sorted(found & (NEVER | UNWATCHED)) == []


FOR_WORK = {
    *(
        "pipekit.run.execution",
        "pipekit.run.verdict",
        "pipekit.model.command",
        "pipekit.model.task",
    ),
    "pipekit.process.supervisor",
}
"""What supervises processes and judges what came of them: a tenth of the time of an idle run."""


def test_an_idle_run_imports_nothing_that_runs_or_judges(tmp_path: Path) -> None:
    """A run after an idle one, in which the stages find nothing to do."""
    stages = '["translator", "analyzer", "merger"]'
    (tmp_path / "pipekit.toml").write_text(f"[pipeline]\nstages = {stages}\n")
    imported(tmp_path, "run", stages=True)
    found = imported(tmp_path, "run", stages=True)
    assert "pipekit_merger.plugin" in found
    assert sorted(found & (FOR_WORK | NEVER | UNWATCHED)) == []


def said(project: Path, *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command, without what differs from run to run."""
    done = subprocess.run(
        [sys.executable, "-m", "pipekit", *words],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    texts = [
        re.sub(r"run \d+(?: \([^)]*\))?|[0-9a-f-]{36}|\d+[_:.]\d+\S*", "#", text)
        for text in (done.stdout, done.stderr)
    ]
    return done.returncode, *texts


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
    code, stdout, _ = said(project, "run")
    assert code == 0
    assert "the last word" in stdout.splitlines()
