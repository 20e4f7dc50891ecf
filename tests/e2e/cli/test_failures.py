"""What the commands say of runs that failed, were stopped or died: real runs."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys

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
    yield stage("first", "raise SystemExit('something bad')")
    yield stage("second", "print('here')", after=["first"])
"""
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


def test_a_failure_ends_with_the_programs_last_line_and_the_command_for_all_of_it(tiny):
    """Both can be read where the failure is, in the run's output and later in `show`."""
    tiny.write("data/a.txt", "a")
    run = tiny.pipekit("run")
    assert run.code == 2
    assert "; last line: something bad" in run.out
    assert "Full output: pipekit logs 1 first" in run.out
    assert "something bad" in tiny.pipekit("logs", "1", "first").out
    shown = tiny.pipekit("show").out
    assert "last line: something bad" in shown
    assert "full output: pipekit logs 1 first" in shown
    status = tiny.pipekit("status").out
    assert "\n    | something bad\n" in status
    assert status.count("something bad") == 1
    assert "Full output: pipekit logs 1 first" in status


def test_the_command_to_resume_with_works_from_where_it_was_given(tiny):
    """A project named by -C is named again."""
    tiny.write("data/a.txt", "a")
    outside = tiny.root / "data"
    here = tiny.pipekit("-C", str(tiny.root), "run")
    assert here.code == 2
    (line,) = [line for line in here.err.splitlines() if line.startswith("to resume: ")]
    words = shlex.split(line.removeprefix("to resume: "))
    assert words == ["pipekit", "-C", str(tiny.root), "run", "--from", "first"]
    tiny.root = outside
    assert tiny.pipekit(*words[1:]).code == 2


def test_status_names_the_run_in_which_a_stage_last_had_work(tiny):
    """That may be older than the last run."""
    tiny.write("data/a.txt", "a")
    tiny.pipekit("run")
    (tiny.root / "data/a.txt").unlink()
    tiny.pipekit("run")
    status = tiny.pipekit("status")
    assert "last run 2" in status.out
    assert "first: failure" in status.out
    assert "(run 1)" in status.out
    assert tiny.pipekit("status", "--json").json["stages"]["first"]["run"] == 1


def test_a_run_without_an_end_is_running_or_has_died(tiny, eventually):
    """Both have no end in the ledger; which it is, the lock knows."""
    slow = TINY.replace("raise SystemExit('something bad')", "import time; time.sleep(60)")
    tiny.plugin("tiny", slow)
    tiny.write("data/a.txt", "a")
    run = tiny.start("run")
    try:
        eventually(lambda: "running" in tiny.pipekit("history").out, 30)
        assert "run 1 is still going on" in tiny.pipekit("show").out
    finally:
        run.kill()
        run.communicate(timeout=20)
    eventually(lambda: "died" in tiny.pipekit("history").out, 30)
    assert "run 1 died before it could write its report" in tiny.pipekit("show").out


def test_a_demo_that_is_stopped_ends_like_a_stopped_run(project, eventually):
    """Being stopped is not a wrong prediction."""
    demo = project.start("demo")
    eventually((project.root / "pipekit-demo/logs/events").exists, 60)
    demo.send_signal(signal.SIGTERM)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 143, (out, err)
    assert "not as predicted" not in err


BROKEN = """
raise RuntimeError("boom")

"""
SINK = """
import contextlib

from pipekit import EventSink, hookimpl


@contextlib.contextmanager
def opened(context, settings):
    yield lambda event: None


@hookimpl
def pipekit_sinks():
    yield EventSink("quiet", opened)
"""


def test_nothing_is_said_twice_where_stdout_and_stderr_go_to_one_place(tiny):
    """As in a scheduler's mail: the results come once, warnings once, and nothing is missing."""
    tiny.write("data/a.txt", "a")
    tiny.plugin("first", BROKEN, dist="other")
    done = subprocess.run(
        [sys.executable, "-m", "pipekit", "run"],
        cwd=tiny.root,
        env=tiny.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in done.stdout.splitlines()]
    for words in ("boom", "not run: first failed", "run 1: failure", "run 1: first, second"):
        assert len([line for line in lines if words in line]) == 1, (words, lines)


def test_a_warning_is_shown_once_on_stderr_and_in_no_case_is_it_lost(tiny):
    """By the sink `console` as it comes, or at the end if there is no such sink."""
    tiny.plugin("quiet", SINK)
    tiny.plugin("first", BROKEN, dist="other")
    for sinks in ("", "[sinks.quiet]\n"):
        tiny.config(CONFIG + sinks)
        assert tiny.pipekit("run").err.count("boom") == 1
