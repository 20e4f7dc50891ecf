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


LONG = "convert_market_data_of_everything"


@pytest.fixture
def long_names(project):
    """A project with one run of a stage with a long name, whose two tasks fail."""
    code = WORDY.replace('"wordy"', f'"{LONG}"').replace("[task]", "[task, evolve(task, name='z')]")
    project.plugin(LONG, code.replace("import sys", "import sys\nfrom attrs import evolve"))
    project.config(f'[pipeline]\nstages = ["{LONG}"]\nquiet_seconds = 0\n')
    project.write("data/a.txt", "a")
    project.pipekit("run")
    return project


def test_a_long_name_goes_below_the_columns_that_leave_no_room_for_it(long_names, on_a_terminal):
    """Not broken by the terminal, and nothing of the columns is cut."""
    head, row, below = on_a_terminal(long_names.root, 60, "history", env=long_names.env)
    assert (len(head) < 60, row.split()[0], row.split()[3]) == (True, "1", "failure")
    assert below == f"     {LONG} failure"


def test_show_says_each_reason_once_and_a_task_has_a_line_of_its_own(long_names):
    """Reasons are those of the tasks; the stage has only what they do not say."""
    shown = long_names.pipekit("show").out
    assert shown.count("exited with code 3") == 2
    assert "error:" not in shown
    lines = [line.strip() for line in long_names.pipekit("status").out.splitlines()]
    assert "one: exited with code 3" in lines
    assert "z: exited with code 3" in lines
