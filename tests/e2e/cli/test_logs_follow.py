"""`pipekit logs --tail` prints the last lines, and `--follow` what is printed meanwhile."""

from __future__ import annotations

import pytest

from tests.e2e.test_run import shell_stage

CONFIG = '[pipeline]\nstages = ["talks"]\n'


@pytest.fixture
def talks(project):
    def make(script: str) -> None:
        project.plugin("talks", shell_stage("talks", script))
        project.config(CONFIG)

    return make


@pytest.mark.parametrize(
    ("printed", "count", "expected"),
    [
        ("1\n2\n3\n", 2, "2\n3\n"),
        ("1\n2\n3", 2, "2\n3"),
        ("1\n2\n3", 1, "3"),
        ("1\n", 5, "1\n"),
        ("1", 1, "1"),
    ],
)
def test_the_last_lines(project, talks, printed, count, expected):
    talks(f"printf '{printed}'")
    assert project.pipekit("run").code == 0
    done = project.pipekit("logs", "--tail", str(count))
    assert (done.code, done.out.rstrip("\n")) == (0, expected.rstrip("\n"))


def test_a_run_is_followed_to_its_end(project, talks, eventually):
    talks("echo one; while [ ! -e go ]; do sleep 0.1; done; echo two; echo three >&2; printf ä")
    run = project.start("run")
    try:
        outputs = project.root / "logs/runs"
        eventually(lambda: any(p.stat().st_size for p in outputs.glob("*/talks/*.out")), 20)
        follower = project.start("logs", "--follow")
        assert follower.stdout is not None
        first = follower.stdout.readline()
        (project.root / "go").touch()
        out, err = follower.communicate(timeout=30)
    finally:
        run.communicate(timeout=30)
    assert follower.returncode == 0
    assert first == "one\n"
    assert out.replace("three\n", "") == "two\nä"
    assert "three\n" in out
    assert "--- talks/script.out ---" in err
    assert "--- talks/script.err ---" in err
    again = project.pipekit("logs", "--follow")
    assert again.out.startswith("three\n") or again.out.startswith("one\n")
