"""Limits: they are the command's, of all that it starts, and of nobody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipekit.model.command import Outcome

from .conftest import processes

ALL = {"max_open_files": 40, "max_cpu": 100, "max_memory": 2_000_000_000, "nice": 3}


def limits(pid: int) -> dict[str, list[str]]:
    """Soft and hard, by name, as the kernel shows them."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[:2] for line in lines}


def test_limits_hold_for_all_that_the_command_starts(lab):
    script = "sh -c 'cat /proc/self/limits; nice'"
    told = lab.execute(lab.command("sh", "-c", f"{script}; true", **ALL)).stdout.tail
    seen = {line[:26].strip(): line[26:].split()[:2] for line in told.splitlines()}
    assert seen["Max open files"] == ["40", "40"]
    assert seen["Max cpu time"] == ["100", "101"]
    assert seen["Max data size"] == ["2000000000", "2000000000"]
    assert told.splitlines()[-1] == str(min(os.nice(0) + 3, 19))


def test_whoever_guards_the_command_keeps_to_none_of_its_limits(lab):
    """Or a command could take from its guardian what that needs to end it."""
    found = []

    def look(_: str, lines: list[str]) -> None:
        guardian = next(above for pid, _, above in processes() if pid == int(lines[0]))
        found.append((limits(guardian), os.getpriority(os.PRIO_PROCESS, guardian)))

    result = lab.execute(lab.command("sh", "-c", "echo $$; sleep 0.5", **ALL), look)
    assert result.warnings == ()
    assert found == [(limits(os.getpid()), os.getpriority(os.PRIO_PROCESS, 0))]


@pytest.mark.parametrize("most", [3, 4, 8, 12, 13, 14, 15, 16])
def test_nothing_survives_a_command_that_may_open_next_to_nothing(lab, most):
    result = lab.run("scrubbed_daemon", 60, linger=0.1, grace=0.1, max_open_files=most)
    assert result.outcome is Outcome.EXITED
    assert result.survivors == (result.returncode == 0)


def test_command_that_takes_more_cpu_time_than_its_limit_is_told_so(lab):
    result = lab.run("busy", 20, max_cpu=1, timeout=30)
    assert (result.outcome, result.signal, result.success) == (Outcome.EXITED, "SIGXCPU", False)
    assert result.reason == "killed by SIGXCPU: it used more CPU time than its max_cpu of 1 s"


@pytest.mark.parametrize(
    "limit", [{"max_open_files": 10**8}, {"max_memory": 2**70}, {"max_cpu": 2**64}]
)
def test_limit_that_the_system_does_not_take_is_told(lab, limit):
    result = lab.execute(lab.command("true", **limit))
    assert result.outcome is Outcome.SPAWN_FAILED
    assert result.reason.startswith("its limits could not be set: one exceeds what")
