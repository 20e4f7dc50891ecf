"""What somebody at a terminal sees of a run, as the terminal shows it."""

from __future__ import annotations

import contextlib
import os
import pty
import struct
import subprocess
import sys

import pyte
import pytest

fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")

ROWS, COLUMNS = 40, 100


@pytest.fixture
def seen(project, half):
    """The screens that `pipekit run` drew, one for each time it wrote; `into` takes its stdout."""
    half("sleep 1")

    def run(into=None) -> list[list[str]]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", ROWS, COLUMNS, 0, 0))
        with subprocess.Popen(
            [sys.executable, "-m", "pipekit", "run"],
            cwd=project.root,
            env={**project.env, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=into or theirs,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            screens = list(_screens(ours))
        os.close(ours)
        assert process.returncode == 1
        return screens

    return run


def _screens(terminal):
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
        while data := os.read(terminal, 65536):
            stream.feed(data)
            yield [line.rstrip() for line in screen.display if line.strip()]


def words(screens, *wanted):
    """Whether one of the screens has a line that begins with these words."""
    return any(line.split()[: len(wanted)] == [*wanted] for lines in screens for line in lines)


def test_table_is_seen_while_the_run_goes_on_and_its_outcome_once_at_the_end(seen):
    *before, last = seen()
    assert words(before, "half", "running")
    assert [line.split()[:2] for line in last if "half" in line.split()[:1]] == []
    assert sum(line.startswith("partial    half: ") for line in last) == 1
    assert sum(line.startswith("partial    run 1: ") for line in last) == 1


def test_table_stays_where_the_outcome_is_written_to_a_file(seen, tmp_path):
    with (tmp_path / "out").open("w") as file:
        *_, last = seen(file)
    assert words([last], "half", "partial")
    assert "partial    half: " in (tmp_path / "out").read_text()
