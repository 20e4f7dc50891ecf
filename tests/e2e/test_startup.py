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
    *("asyncio", "logging", "importlib.metadata", "psutil", "rich", "ssl", "email"),
    *("configparser", "traceback", "numpy", "pandas", "pyarrow"),
}
"""What no command needs that ends well and writes to a pipe, each 1 to 400 ms."""

FOR_RUNS = {"pluggy", "pipekit.plugins.loader", "pipekit.run.orchestrator"}
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
    assert not imported(project, "--version") & {"click", "attrs", *NEVER}


def test_help_imports_no_plugin_machinery(project: Path) -> None:
    """`--help` lists the plugins' commands and imports neither them nor attrs."""
    found = imported(project, "--help")
    assert "click" in found
    assert not found & {"attrs", "sqlite3", "tomllib", *FOR_RUNS, *NEVER}


@pytest.mark.parametrize(
    "words",
    [("status",), ("history",), ("show",), ("events",), ("logs", "1", "tiny")],
    ids=lambda w: w[0],
)
def test_looking_imports_no_plugin_machinery(project: Path, words: tuple[str, ...]) -> None:
    """Commands that look at what runs have left import no plugin."""
    imported(project, "run")
    found = imported(project, *words)
    assert "sqlite3" in found
    assert not found & {"pipekit_tiny", *FOR_RUNS, *NEVER}


def test_run_imports_nothing_heavy(project: Path) -> None:
    """A run in a pipe imports none of what is needed on a terminal, on failure or elsewhere.

    Nor what hashes files and settings and knows time zones, since it has none of these.
    """
    found = imported(project, "run")
    assert "pipekit_tiny" in found
    assert sorted(found & {"hashlib", "zoneinfo", *NEVER}) == []


FOR_WORK = {
    *("pipekit.run.execution", "pipekit.run.running_task"),
    "pipekit.process.supervisor",
}
"""What supervises processes: a tenth of the time of an idle run."""


def test_an_idle_run_imports_nothing_that_supervises(tmp_path: Path) -> None:
    """A run in which the stages find nothing to do."""
    stages = '["translator", "analyzer", "merger"]'
    (tmp_path / "pipekit.toml").write_text(f"[pipeline]\nstages = {stages}\n")
    found = imported(tmp_path, "run", stages=True)
    assert "pipekit_merger.plugin" in found
    assert sorted(found & (FOR_WORK | NEVER)) == []


def answer(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What a command printed, and its exit code."""
    return subprocess.run(
        [sys.executable, "-m", "pipekit", *words],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "site")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "left",
    [
        "atexit.register(print, 'the last word')",
        "threading.Thread(target=lambda: time.sleep(1.5) or print('the last word')).start()",
    ],
    ids=["at the exit", "in a thread"],
)
def test_the_fast_exit_cuts_nothing_off(project: Path, left: str) -> None:
    """What a plugin leaves to the end of the process still happens; its output goes to stderr."""
    plugin = project / "site/pipekit_tiny.py"
    plugin.write_text(f"import atexit, threading, time\n\n{left}\n{plugin.read_text()}")
    done = answer(project, "run")
    assert done.returncode == 0
    assert "the last word" in done.stderr.splitlines()
    assert "the last word" not in done.stdout


_COUNTING = """
import os

from pipekit import Command, StagePlan, StageSpec, Task, hookimpl


def plan(ctx, settings):
    with open("/proc/thread-self/children") as file:
        seen = len(file.read().split())
    with open(ctx.root / "seen.txt", "a") as file:
        file.write(f"{seen}")
    if not (ctx.root / "work").exists():
        return StagePlan.skip("no work")
    return StagePlan(reason="work", tasks=[Task(name="one", command=Command(argv=["true"]))])


@hookimpl
def pipekit_stages():
    yield StageSpec("tiny", plan)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_a_run_starts_no_process_before_there_is_work(project: Path) -> None:
    """An idle run, which most are, costs no process; after work the next one does not guess."""
    (project / "site/pipekit_tiny.py").write_text(_COUNTING)
    assert answer(project, "run").stdout.split()[0] == "skipped"
    (project / "work").touch()
    assert [answer(project, "run").stdout.split()[0] for _ in range(2)] == ["success"] * 2
    assert (project / "seen.txt").read_text() == "000"
