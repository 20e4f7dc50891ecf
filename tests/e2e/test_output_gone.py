"""Output that cannot be written changes no exit code and breaks no run."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.fixture
def shell(project, half):
    """The exit code of `pipekit WORDS` in a shell that does this to its output."""
    half(":")

    def run(words: str, output: str) -> tuple[int, str]:
        script = f'"$0" -m pipekit {words} {output}; exit "${{PIPESTATUS[0]}}"'
        done = subprocess.run(
            ["bash", "-c", script, sys.executable],
            cwd=project.root,
            env=project.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize("words", ["run", "run --json", "run --force"])
@pytest.mark.parametrize(
    "output",
    ["| true", "2>&1 | true", "> /dev/full", "2> /dev/full", "> /dev/full 2>&1", ">&- 2>&- <&-"],
)
def test_a_run_ends_with_its_own_code_whatever_becomes_of_its_output(shell, project, words, output):
    """A scheduler that looks at the exit code is told the truth though nobody could read it."""
    code, said = shell(words, output)
    assert code == 1, said
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    assert ("the result cannot be printed: No space left" in said) is (output == "> /dev/full")
    assert project.events()[-1]["event"] == "partial"
    assert project.report()["status"] == "partial"


@pytest.mark.parametrize("words", ["status", "history --json", "events"])
def test_output_that_cannot_be_written_is_said(shell, words):
    shell("run", "")
    code, said = shell(words, "> /dev/full")
    assert (code, "the output cannot be written: No space left" in said) == (3, True), said


def test_a_reader_that_goes_away_is_no_failure(shell):
    """`pipekit events | head -1` ends well, and says nothing of it."""
    shell("run", "")
    for words in ("events", "events --json", "show", "history"):
        code, said = shell(words, "| head -c 1")
        assert (code, len(said)) == (0, 1), said
