"""Limits where no guardian sets them: what a Windows job and a shell are told."""

from __future__ import annotations

import ctypes
import sys

import pytest

from pipekit.model.command import Command
from pipekit.process.start import SpawnError
from pipekit.process.windows.limits import job_limits

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no shell to set limits")


def command(**options):
    return Command(argv=["program", "with space", "$HOME"], **options)


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="offsets of a 64-bit system")
def test_limits_of_a_job_lie_where_windows_reads_them():
    record = bytes(job_limits(command(max_memory=5_000_000_000, max_cpu=90, nice=5)))
    assert len(record) == 144
    assert int.from_bytes(record[16:20], "little") == 0x2000 | 0x100 | 0x2 | 0x20
    assert int.from_bytes(record[:8], "little") == 90 * 10_000_000  # of 100 ns
    assert int.from_bytes(record[56:60], "little") == 0x4000
    assert int.from_bytes(record[112:120], "little") == 5_000_000_000


def test_job_without_limits_ends_with_its_last_handle_and_nobody_breaks_away():
    record = bytes(job_limits(command()))
    assert job_limits(command()).flags == 0x2000
    assert record.count(0) == len(record) - 1  # nothing else is set


def test_limits_of_a_job_are_at_most_what_it_can_hold():
    limits = job_limits(command(max_memory=2**70, nice=19))
    assert limits.process_memory == ctypes.c_size_t(-1).value
    assert limits.priority_class == 0x40


def test_limit_that_a_job_does_not_have_is_refused_by_name():
    with pytest.raises(SpawnError, match="max_open_files"):
        job_limits(command(max_open_files=5))


@posix
def test_limit_that_macos_does_not_have_is_refused_by_name():
    from pipekit.process.macos.child import with_limits

    with pytest.raises(SpawnError, match="max_memory"):
        with_limits(command(max_memory=5))


@posix
def test_command_without_limits_gets_no_shell():
    from pipekit.process.macos.child import with_limits

    assert with_limits(command()) == ("program", "with space", "$HOME")
