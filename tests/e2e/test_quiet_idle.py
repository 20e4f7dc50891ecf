"""`pipekit run --quiet-idle`: a scheduler that mails what is printed mails about trouble alone."""

from __future__ import annotations

import pytest

from tests.e2e.test_run import CONFIG, COUNT


@pytest.fixture
def counting(project):
    """A project whose stage reads texts; `bad` and `reject` in them are trouble."""
    project.plugin("upper", COUNT)
    project.config(CONFIG)
    return project


def test_nothing_is_printed_if_all_is_well(counting):
    def run():
        done = counting.pipekit("run", "--quiet-idle")
        return done.code, done.out, done.err

    assert run() == (0, "", ""), "idle"
    counting.write("data/in/a.txt", "a")
    assert run() == (0, "", ""), "success"
    assert counting.report()["status"] == "success"
    counting.pipekit("hold", "--for", "1h", "--reason", "x")
    assert run() == (0, "", ""), "held"


def test_trouble_is_printed_once_and_no_progress(counting):
    counting.write("data/in/a.txt", "good")
    counting.write("data/in/b.txt", "bad")
    done = counting.pipekit("run", "--quiet-idle")
    assert done.code == 1
    assert "the text is bad" in done.out
    assert "task_start" not in done.err
    assert "upper        start" not in done.err
    assert "to resume: pipekit run" not in done.out


def test_the_warnings_of_an_otherwise_successful_run_are_printed(project):
    project.plugin("upper", COUNT.replace("rejected=new.rejected", "warnings=['look at this']"))
    project.config(CONFIG)
    project.write("data/in/a.txt", "a")
    done = project.pipekit("run", "--quiet-idle")
    assert done.code == 0
    assert done.out.splitlines()[-1].startswith("success")
    assert "upper: warning: look at this" in done.err


def test_a_refused_run_says_why(project):
    project.config('[pipeline]\nstages = ["nowhere"]\n')
    done = project.pipekit("run", "--quiet-idle")
    assert (done.code, done.out) == (3, "")
    assert "nowhere" in done.err
