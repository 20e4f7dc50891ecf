"""The commands that show runs, on a file system that nobody can write to."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

WORDS = ("status", "history --all", "show", "events", "logs", "plan", "lifecycle plan")
STAGE = """
    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

    def plan(ctx, settings):
        task = Task(name="t", command=Command(argv=["echo", "here"]))
        return StagePlan(reason="always", tasks=[task])

    @hookimpl
    def pipekit_stages():
        yield StageSpec("talk", plan)
"""
MOUNT = 'mount -o bind "$1" "$1" && mount -o remount,ro,bind "$1" && cd "$1" && shift && exec "$@"'


@pytest.fixture
def read_only(project):
    """Runs `pipekit WORDS` where the project is mounted read-only; only this command sees it so."""
    if sys.platform != "linux":
        pytest.skip("mount namespaces are Linux's")
    space = ["unshare", "--mount", "--map-root-user", "sh", "-c", MOUNT, "sh", str(project.root)]
    if subprocess.run([*space, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount")

    def run(words: str) -> subprocess.CompletedProcess[str]:
        command = [*space, sys.executable, "-m", "pipekit", *words.split()]
        return subprocess.run(command, env=project.env, capture_output=True, text=True, check=False)

    project.plugin("talk", STAGE)
    project.config('[pipeline]\nstages = ["talk"]\n')
    return run


def test_what_can_be_seen_needs_nothing_that_can_be_written(project, read_only):
    """SQLite, the lock and the journal."""
    assert project.pipekit("run").code == 0
    for path in (project.root / ".pipekit").glob("state.db-*"):
        path.unlink()
    for words in WORDS:
        done = read_only(words)
        assert (done.returncode, "pipekit:" in done.stderr) == (0, False), (words, done)
    assert json.loads(read_only("status --json").stdout)["last_run"]["status"] == "success"
    refused = read_only("run")
    assert refused.returncode == 3
    assert "Read-only file system" in refused.stderr
