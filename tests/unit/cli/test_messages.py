"""What the commands say when there is nothing to show or what is asked for cannot be: real runs."""

from __future__ import annotations

import shlex
import signal

import pytest

TINY = """
import sys

from pipekit import Command, StagePlan, StageSpec, Task, hookimpl


def stage(name, code, after=()):
    def plan(ctx, settings):
        if not ctx.files("data/*.txt"):
            return StagePlan(reason="nothing in data")
        task = Task(name="one", command=Command(argv=[sys.executable, "-c", code]))
        return StagePlan(reason="always", tasks=[task])

    return StageSpec(name, plan, after=dict.fromkeys(after, "partial"))


@hookimpl
def pipekit_stages():
    yield stage("first", "raise SystemExit(3)")
    yield stage("second", "print('here')", after=["first"])
"""
RUN_ID = "01a20c36-32a8-7f3f-9c0f-ccb7a0949f40"
CONFIG = """
[pipeline]
stages = ["first", "second"]
quiet_seconds = 0
"""


@pytest.fixture
def tiny(project):
    """A project of two stages; the first one fails once there is a file in data."""
    project.plugin("tiny", TINY)
    project.config(CONFIG)
    return project


@pytest.mark.parametrize(
    ("words", "empty"),
    [
        ("status", {"first": None, "second": None}),
        ("history", []),
        ("lifecycle plan", []),
    ],
)
def test_json_is_json_before_the_first_run_too(tiny, words, empty):
    """A program that reads stdout needs no special case for a new project."""
    done = tiny.pipekit(*words.split(), "--json")
    assert done.code == 0
    assert (done.json["stages"] if words == "status" else done.json) == empty


def _plain(project) -> dict[str, str]:
    return {**project.env, "NO_COLOR": "1"}


@pytest.mark.parametrize("words", ["status", "history", "show", "events", "logs 1 first"])
def test_before_the_first_run_the_command_that_makes_it_is_named(tiny, words):
    """Nobody looks at an empty table and wonders."""
    done = tiny.pipekit(*words.split())
    assert "`pipekit run` makes the first" in done.out + done.err


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("options", ["--from second --until first", "--only first --from second"])
def test_options_that_leave_no_stage_are_wrong_use_and_nothing_is_run(tiny, command, options):
    """A selection of nothing is a mistake, not a run with nothing to do."""
    done = tiny.pipekit(command, *options.split())
    assert done.code == 64
    assert "first, second" in done.err
    assert not (tiny.root / "logs").exists()


def test_history_says_what_it_left_out(tiny):
    """An empty table tells that there were idle runs, and how to see them."""
    tiny.pipekit("run")
    done = tiny.pipekit("history")
    assert "idle runs left out: 1 (--all lists them)" in done.err
    assert "idle" in tiny.pipekit("history", "--all").out
    assert tiny.pipekit("history", "-n", "0").code == 64


def test_after_a_failure_the_command_to_go_on_with_works_from_where_it_was_given(tiny):
    """A project named by -C is named again."""
    tiny.write("data/a.txt", "a")
    outside = tiny.root / "data"
    here = tiny.pipekit("-C", str(tiny.root), "run")
    assert here.code == 2
    (line,) = [line for line in here.err.splitlines() if line.startswith("to go on: ")]
    words = shlex.split(line.removeprefix("to go on: "))
    assert words == ["pipekit", "-C", str(tiny.root), "run", "--from", "first"]
    tiny.root = outside
    assert tiny.pipekit(*words[1:]).code == 2


def test_status_tells_which_run_it_speaks_of(tiny):
    """What came of a stage may be older than the last run."""
    tiny.write("data/a.txt", "a")
    tiny.pipekit("run")
    (tiny.root / "data/a.txt").unlink()
    tiny.pipekit("run")
    status = tiny.pipekit("status")
    assert "last run 2" in status.out
    assert "first: failure" in status.out
    assert "(run 1)" in status.out
    assert tiny.pipekit("status", "--json").json["stages"]["first"]["run"] == 1


@pytest.mark.parametrize("words", ["show 99", "events 99", "logs 99 first", "show x"])
def test_an_unknown_run_is_wrong_use_and_the_list_of_runs_is_named(tiny, words):
    """The remedy shows idle runs too: the one that was meant may be among them."""
    tiny.pipekit("run")
    done = tiny.pipekit(*words.split())
    assert done.code == 64
    assert "`pipekit history --all`" in done.err


def test_a_run_that_vanished_is_called_so_in_the_history_and_a_running_one_running(
    tiny, eventually
):
    """Both have no end; which it is, the lock knows."""
    slow = TINY.replace("raise SystemExit(3)", "import time; time.sleep(60)")
    tiny.plugin("tiny", slow)
    tiny.write("data/a.txt", "a")
    run = tiny.start("run")
    try:
        eventually(lambda: "running" in tiny.pipekit("history").out, 30)
    finally:
        run.kill()
        run.communicate(timeout=20)
    eventually(lambda: "vanished" in tiny.pipekit("history").out, 30)


def test_a_warning_of_a_run_is_shown_with_it(tiny):
    """What `run` warned of is still there when somebody looks later."""
    tiny.plugin("sour", "raise RuntimeError('not today')")
    tiny.pipekit("run")
    assert "not today" in tiny.pipekit("show").out


def test_a_wrong_key_is_wrong_use_and_a_table_is_explained_whole(tiny):
    """`config explain` needs no guessing."""
    wrong = tiny.pipekit("config", "explain", "pipeline.worker")
    assert wrong.code == 64
    assert "pipeline.workers" in wrong.err
    assert "`pipekit config show`" in wrong.err
    table = tiny.pipekit("config", "explain", "pipeline")
    assert table.code == 0
    keys = [line.partition(" = ")[0] for line in table.out.splitlines() if line[:1] != " "]
    assert keys == [
        *("pipeline.stages", "pipeline.workers", "pipeline.timezone", "pipeline.quiet_seconds"),
    ]


def test_a_wrong_folder_is_named_with_what_would_be_right(tiny):
    """No folder, a folder in a project and a folder without one are three things."""
    (tiny.root / "data").mkdir()
    nowhere = tiny.pipekit("-C", "nowhere", "status")
    assert (nowhere.code, "there is no folder" in nowhere.err) == (64, True)
    below = tiny.pipekit("-C", "data", "status")
    assert (below.code, f"but in {tiny.root}: name that" in below.err) == (64, True)
    outside = tiny.pipekit("-C", str(tiny.root.parent), "status")
    assert (outside.code, "`pipekit init` writes one" in outside.err) == (64, True)


def test_init_overwrites_nothing_and_says_how_to_go_on(project):
    """The next command can be copied, also for a folder with a space in its name."""
    made = project.pipekit("init", "my bars")
    assert made.code == 0
    assert "cd 'my bars' && pipekit plan" in made.out
    again = project.pipekit("init", "my bars")
    assert again.code == 64
    assert "edit it, or move it away first" in again.err


def test_demo_does_not_run_a_project_that_is_not_its_own(tiny):
    """A folder that was named by mistake is left as it is."""
    done = tiny.pipekit("demo", ".")
    assert done.code == 64
    assert "name another folder" in done.err
    assert not (tiny.root / "logs").exists()


def test_a_demo_that_is_stopped_ends_as_a_stopped_run_does(project, eventually):
    """Being stopped is not the same as not going as predicted."""
    demo = project.start("demo")
    eventually((project.root / "pipekit-demo/logs/events").exists, 60)
    demo.send_signal(signal.SIGTERM)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 143, (out, err)
    assert "not as predicted" not in err


def _plain(project) -> dict[str, str]:
    return {**project.env, "NO_COLOR": "1"}


@pytest.mark.parametrize("words", ["status", "history", "plan", "events", "show"])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_breaks_no_word(project, on_a_terminal, words, width):
    """Lines are broken between words, a table leaves out what has no room; nothing else goes."""
    reason = " ".join(f"nothing{number}" for number in range(40))
    project.plugin("tiny", TINY.replace("nothing in data", reason))
    project.config(CONFIG)
    project.write("data/a.txt", "a")
    project.pipekit("run")
    (project.root / "data/a.txt").unlink()
    project.pipekit("run")
    lines = on_a_terminal(project.root, width, *words.split(), env=_plain(project))
    assert max(map(len, lines)) <= width
    plain = project.pipekit(*words.split(), env={"NO_COLOR": "1"}).out
    missing = set(plain.split()) - set(" ".join(lines).split())
    assert words == "history" or missing == set()
    assert all(word == "id" or len(word) == len(RUN_ID) for word in missing)


def test_colours_are_for_terminals_that_want_them(tiny, on_a_terminal):
    """A terminal gets them, unless NO_COLOR is set; a pipe never does."""
    tiny.pipekit("run")
    with_them = {**tiny.env, "NO_COLOR": ""}
    assert "\x1b[" in "".join(on_a_terminal(tiny.root, 80, "status", env=with_them))
    assert "\x1b[" not in "".join(on_a_terminal(tiny.root, 80, "status", env=_plain(tiny)))
    assert "\x1b[" not in tiny.pipekit("status", env=with_them).out
