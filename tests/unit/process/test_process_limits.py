"""Limits where no guardian sets them: what a job is told, and what a shell is."""

from __future__ import annotations

import os
import struct
import sys

import pytest

from pipekit.model.command import Command, Outcome
from pipekit.process import ProcessSupervisor
from pipekit.process.limits import by_shell, of_job
from pipekit.process.macos import child as posix
from pipekit.process.start import SpawnError


def command(*words, **options):
    return Command(argv=words or ["program", "with space", "$HOME"], **options)


def flags(record):
    return struct.unpack_from("<I", record, 16)[0]


@pytest.mark.parametrize(("pointer", "size"), [(8, 144), (4, 112)])
def test_job_ends_with_its_last_handle_and_nobody_breaks_away(pointer, size):
    record = of_job(command(), pointer)
    assert (len(record), flags(record)) == (size, 0x2000)
    assert record.count(0) == size - 1  # nothing else is said


def test_limits_of_a_job_lie_where_windows_reads_them():
    record = of_job(command(max_memory=5_000_000_000, max_cpu=90, nice=5), 8)
    assert flags(record) == 0x2000 | 0x100 | 0x2 | 0x20
    assert struct.unpack_from("<q", record, 0)[0] == 90 * 10_000_000  # of 100 ns
    assert struct.unpack_from("<I", record, 56)[0] == 0x4000
    assert struct.unpack_from("<Q", record, 112)[0] == 5_000_000_000


def test_limits_of_a_job_on_32_bits():
    record = of_job(command(max_memory=5_000_000_000, nice=19), 4)
    assert struct.unpack_from("<I", record, 96)[0] == 0xFFFFFFFF  # more than it can address
    assert struct.unpack_from("<I", record, 36)[0] == 0x40


def test_limit_that_a_system_does_not_have_is_refused_by_name():
    with pytest.raises(SpawnError, match="max_open_files"):
        of_job(command(max_open_files=5), 8)
    with pytest.raises(SpawnError, match="max_memory"):
        by_shell(command(max_memory=5), memory=False)


def test_command_without_limits_gets_no_shell():
    assert by_shell(command(), memory=True) == ("program", "with space", "$HOME")


@pytest.fixture
def execute(monkeypatch):
    """Run a command as on macOS, where there is no guardian."""
    if sys.platform == "win32":
        pytest.skip("has no such backend")

    def start(_supervisor, command, tree, cancel):
        return posix.start(command, tree, cancel.fileno() if cancel is not None else -1)

    monkeypatch.setattr(ProcessSupervisor, "_start", start)
    return ProcessSupervisor().execute


def test_shell_sets_the_limits_and_hands_the_words_on_as_they_are(execute):
    script = 'ulimit -n; ulimit -S -t; ulimit -H -t; nice; echo "$1" "$2"'
    limits = {"max_open_files": 64, "max_cpu": 7, "nice": 3}
    result = execute(command("sh", "-c", script, "x", "with space", "$HOME", **limits))
    assert result.stdout.tail == f"64\n7\n8\n{os.nice(0) + 3}\nwith space $HOME\n"


def test_missing_program_behind_limits_is_still_one_that_cannot_be_started(execute):
    result = execute(command("no-such-program", nice=1))
    assert result.outcome is Outcome.SPAWN_FAILED
    assert "there is no program 'no-such-program'" in result.reason


def test_without_a_guardian_time_out_and_survivors_are_dealt_with_all_the_same(execute):
    result = execute(command("sh", "-c", "sleep 60 & sleep 60", timeout=0.2, grace=0.2))
    assert (result.outcome, result.escaped) == (Outcome.TIMED_OUT, ())
    result = execute(command("sh", "-c", "sleep 60 & exit 4", linger=0.1, grace=0.2))
    assert (result.outcome, result.returncode, result.survivors) == (Outcome.EXITED, 4, 1)
