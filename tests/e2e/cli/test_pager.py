"""Long output on a terminal goes through the pager; short output, files and pipes do not."""

from __future__ import annotations

import pytest

from tests.e2e.test_run import shell_stage

PAGER = {"PAGER": "sed s/^/page:/", "TERM": "xterm", "NO_COLOR": "1"}
ROWS = 24  # of the terminal


@pytest.fixture(scope="module")
def talks(project_in, tmp_path_factory):
    """A project with one run, which printed a hundred lines."""
    project = project_in(tmp_path_factory.mktemp("talks"))
    project.plugin("talks", shell_stage("talks", "for n in $(seq 100); do echo line $n; done"))
    project.config('[pipeline]\nstages = ["talks"]\n')
    assert project.pipekit("run").code == 0
    return project


@pytest.fixture
def terminal(talks, on_a_terminal):
    def show(*words, **environment):
        return on_a_terminal(talks.root, 80, *words, env={**talks.env, **PAGER, **environment})

    return show


def test_what_does_not_fit_is_paged(terminal):
    assert terminal("logs") == [f"page:line {n}" for n in range(1, 101)]


def test_what_fits_is_printed(terminal):
    fits = ROWS - 1
    assert terminal("logs", "--tail", str(fits)) == [f"line {n}" for n in range(101 - fits, 101)]
    assert terminal("logs", "--tail", str(fits + 1))[0] == f"page:line {101 - fits - 1}"
    assert terminal("history")[0].startswith("run ")


@pytest.mark.parametrize(
    "environment", [{"PAGER": ""}, {"TERM": "dumb"}, {"PAGER": "/nope/less"}], ids=str
)
def test_without_a_pager_it_is_printed(terminal, environment):
    assert terminal("logs", **environment) == [f"line {n}" for n in range(1, 101)]


def test_no_pager_on_demand_or_in_a_pipe(terminal, talks):
    assert terminal("logs", "--no-pager")[0] == "line 1"
    assert talks.pipekit("logs", env=PAGER).out.startswith("line 1\n")


def test_events_and_history_are_paged_too(terminal, talks):
    assert terminal("events")[0][:5] != "page:"
    for _ in range(25):
        talks.pipekit("run", "--only", "talks")
    assert terminal("history", "-n", "30")[0].startswith("page:run ")
    assert terminal("history", "-n", "30", "--json")[0] == "["
    assert not terminal("history", "-n", "30", "--no-pager")[0].startswith("page:")


def test_a_user_who_leaves_the_pager_ends_the_command(terminal):
    assert terminal("logs", PAGER="head -n 1") == ["line 1"]


def test_a_stage_alone_is_that_of_the_last_run_with_work(talks, project_in, tmp_path):
    """A run in which it had nothing to do has no output of it."""
    project = project_in(tmp_path)
    once = shell_stage("talks", "echo here").replace(
        "def plan(ctx, settings):",
        "def plan(ctx, settings):\n"
        "    if ctx.files('done'):\n        return StagePlan.skip('done')\n",
    )
    project.plugin("talks", once)
    project.plugin("other", shell_stage("other", "echo other"))
    project.config('[pipeline]\nstages = ["talks", "other"]\n')
    assert project.pipekit("run").code == 0
    project.write("done", "")
    assert project.pipekit("run").code == 0
    assert project.pipekit("logs", "talks").out == "here\n"
    assert project.pipekit("logs", "2", "talks").out == ""
    wrong = project.pipekit("logs", "nope")
    assert (wrong.code, "there is no run 'nope'" in wrong.err) == (64, True)
