"""The back end of macOS, run here: sessions, groups and psutil instead of a guardian."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from pipekit.model.command import Outcome
from pipekit.process import ProcessSupervisor
from pipekit.process.macos import child as macos


@pytest.fixture(autouse=True)
def without_guardian(monkeypatch):
    """Start commands as on macOS."""

    def start(_supervisor, command, tree, cancel):
        return macos.start(command, tree, cancel.fileno() if cancel is not None else -1)

    monkeypatch.setattr(ProcessSupervisor, "_start", start)


def test_shell_sets_the_limits_and_hands_the_words_on_as_they_are(lab):
    script = 'ulimit -n; ulimit -S -t; ulimit -H -t; nice; echo "$1" "$2"'
    limits = {"max_open_files": 64, "max_cpu": 7, "nice": 3}
    result = lab.execute(lab.command("sh", "-c", script, "x", "with space", "$HOME", **limits))
    assert result.stdout.tail == f"64\n7\n8\n{os.nice(0) + 3}\nwith space $HOME\n"


def test_missing_program_behind_limits_is_still_one_that_cannot_be_started(lab):
    result = lab.execute(lab.command("no-such-program", nice=1))
    assert result.outcome is Outcome.SPAWN_FAILED
    assert "there is no program 'no-such-program'" in result.reason


def test_timeout_and_survivors_are_dealt_with_all_the_same(lab):
    result = lab.execute(lab.command("sh", "-c", "sleep 60 & sleep 60", timeout=0.2, grace=0.2))
    assert (result.outcome, result.escaped) == (Outcome.TIMED_OUT, ())
    result = lab.execute(lab.command("sh", "-c", "sleep 60 & exit 4", linger=0.1, grace=0.2))
    assert (result.outcome, result.returncode, result.survivors) == (Outcome.EXITED, 4, 1)


def test_daemons_are_found_by_the_name_of_their_tree(lab, within):
    started = time.monotonic()
    for how in ("holds", "stays silent"):
        result = lab.run("daemon", *how.split(), timeout=0.5, linger=0.3, grace=0.3)
        assert result.survivors == 1
    within(started, 2.5)


def test_tree_that_is_silent_but_busy_does_not_hang(lab):
    result = lab.run("busy", 0.6, hang_timeout=0.3)
    assert result.outcome is Outcome.EXITED
    assert result.peak_rss > 1e6


def test_what_hung_is_described(lab):
    result = lab.run("sleep", 60, hang_timeout=0.3)
    assert result.outcome is Outcome.HUNG
    assert result.snapshot[0].state == "sleeping"
    assert "bad_child.py" in result.snapshot[0].command


def test_status_that_somebody_else_took_is_lost_and_never_a_success(lab, monkeypatch):
    start = ProcessSupervisor._start

    def start_and_reap(supervisor, command, tree, cancel):
        child = start(supervisor, command, tree, cancel)
        os.waitpid(child.pid, 0)
        return child

    monkeypatch.setattr(ProcessSupervisor, "_start", start_and_reap)
    result = lab.execute(lab.command("true"))
    assert (result.outcome, result.success) == (Outcome.LOST, False)


def test_exit_of_a_process_is_seen_where_nothing_reports_it():
    with subprocess.Popen(["sleep", "60"]) as process:
        assert not macos.has_exited(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert macos.has_exited(process.pid)
    assert macos.has_exited(process.pid)
