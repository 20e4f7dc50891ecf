"""What the commands print at the width of a terminal, and in which colours."""

from __future__ import annotations

import pytest

WORDY = """
import sys

from pipekit import Command, StagePlan, StageSpec, Task, hookimpl


def plan(ctx, settings):
    if not ctx.files("data/*.txt"):
        return StagePlan(reason="{reason}")
    task = Task(name="one", command=Command(argv=[sys.executable, "-c", "raise SystemExit(3)"]))
    return StagePlan(reason="always", tasks=[task])


@hookimpl
def pipekit_stages():
    yield StageSpec("wordy", plan)
"""
RUN_ID = "01a20c36-32a8-7f3f-9c0f-ccb7a0949f40"


@pytest.fixture(scope="module")
def wordy(project_in, tmp_path_factory):
    """A project with a failed and an idle run, whose reason has forty words."""
    project = project_in(tmp_path_factory.mktemp("wordy"))
    reason = " ".join(f"nothing{number}" for number in range(40))
    project.plugin("wordy", WORDY.replace("{reason}", reason))
    project.config('[pipeline]\nstages = ["wordy"]\nquiet_seconds = 0\n')
    file = project.write("data/a.txt", "a")
    project.pipekit("run")
    file.unlink()
    project.pipekit("run")
    return project


@pytest.mark.parametrize("words", ["status", "history", "plan", "events", "show"])
def test_a_terminal_breaks_no_word(wordy, on_a_terminal, words):
    """Lines are broken between words, a table leaves out what has no room; nothing else goes."""
    plain = wordy.pipekit(*words.split(), env={"NO_COLOR": "1"}).out
    for width in (60, 80, 120):
        env = {**wordy.env, "NO_COLOR": "1"}
        lines = on_a_terminal(wordy.root, width, *words.split(), env=env)
        assert max(map(len, lines)) <= width
        missing = set(plain.split()) - set(" ".join(lines).split())
        assert words == "history" or missing == set()
        assert all(word == "id" or len(word) == len(RUN_ID) for word in missing)


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({"NO_COLOR": "", "TERM": "xterm-256color"}, True),
        ({"NO_COLOR": "1", "TERM": "xterm-256color"}, False),
        ({"NO_COLOR": "", "TERM": "dumb"}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(wordy, on_a_terminal, variables, coloured):
    """A terminal gets them unless NO_COLOR is set or it is a dumb one; a pipe never does."""
    env = {**wordy.env, **variables}
    for words in ("status", "history"):
        lines = on_a_terminal(wordy.root, 80, words, env=env)
        assert ("\x1b[" in "".join(lines)) is coloured
        assert "\x1b[" not in wordy.pipekit(words, env=variables).out
