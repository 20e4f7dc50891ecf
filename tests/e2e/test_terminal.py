"""What somebody at a terminal sees of a run, as the terminal shows it."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
from functools import partial

import pyte
import pytest

fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")

ROWS, COLUMNS = 40, 100


@pytest.fixture
def screens_of(project):
    """The screens that `pipekit run` drew, one for each time it wrote; `into` takes its stdout.

    `stop_at`: press Ctrl-C once this is seen.
    """

    def run(code: int, into=None, columns: int = COLUMNS, stop_at="") -> list[list[str]]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", ROWS, columns, 0, 0))
        with subprocess.Popen(
            [*(["setsid", "-c"] if stop_at else []), sys.executable, "-m", "pipekit", "run"],
            cwd=project.root,
            env={**project.env, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=into or theirs,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            screens = list(_screens(ours, columns, stop_at))
        os.close(ours)
        assert process.returncode == code
        return screens

    return run


@pytest.fixture
def seen(half, screens_of):
    """The screens of a run of one stage that is half a success."""
    half("sleep 1")
    return partial(screens_of, 1)


def _screens(terminal, columns, stop_at):
    screen = pyte.Screen(columns, ROWS)
    stream = pyte.ByteStream(screen)
    with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
        while data := os.read(terminal, 65536):
            stream.feed(data)
            lines = [line.rstrip() for line in screen.display if line.strip()]
            if stop_at and any(stop_at in line for line in lines):
                os.write(terminal, b"\x03")  # Ctrl-C
                stop_at = ""
            yield lines


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


UNITS = """
    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

    def plan(ctx, settings):
        units = [f"data/raw/exporter/2024/DataExport_{name}_20240217_UTC.csv" for name in "AB"]
        units += ["\u540d\u524d" * 40 + "_UTC.csv", "[/] _UTC.csv", "\x1b[2J" * 40 + "_UTC.csv"]
        command = Command.python(__name__, *units, env={"PYTHONPATH": PATH})
        return StagePlan(reason="always", tasks=[Task(name="all", command=command, units=units)])

    @hookimpl
    def pipekit_stages():
        yield StageSpec("units", plan)

    if __name__ == "__main__":
        import sys
        import time
        from pipekit.worker import report

        for name in sys.argv[1:]:
            with report.unit(name):
                report.progress(1, 2)
                time.sleep(0.3)
                if name.startswith("["):
                    raise ValueError("a long reason " * 20)
"""


@pytest.mark.parametrize("columns", [40, 60, 140])
def test_a_narrow_table_shortens_names_and_reasons_alone(project, screens_of, columns):
    """State and time of a unit stay whole, and so does the end of its name, whatever that is."""
    project.config('[pipeline]\nstages = ["units"]\n')
    project.plugin("units", UNITS.replace("PATH}", f"{str(project.site)!r}}}"))
    screens = screens_of(1, columns=columns)
    tables = [screen for screen in screens if not words([screen], "partial")]  # before the results
    lines = [line for screen in tables for line in screen if "UTC.csv" in line]
    whole = r"(.*UTC\.csv) +(running|success|failure)  [━╸╺ ]*\d+\.\d s(  \w.*|)"
    found = [match for line in lines if (match := re.fullmatch(whole, line))]
    assert len({match[1] for match in found}) >= 3  # where two paths have one end
    assert {match[2] for match in found} == {"running", "success", "failure"}
    assert len(found) > 0.9 * len(lines)  # some are seen while they are drawn
    assert all(len(screen) < 12 for screen in tables)  # no reason takes more than its line


@pytest.mark.skipif(shutil.which("setsid") is None, reason="gives a program its terminal")
def test_ctrl_c_leaves_nothing_of_the_table(project, screens_of):
    """The terminal prints ^C at the end of the table, which would else be a line longer."""
    project.config('[pipeline]\nstages = ["units"]\n')
    project.plugin("units", UNITS.replace("PATH}", f"{str(project.site)!r}}}"))
    *_, last = screens_of(130, columns=80, stop_at="success")
    assert last[0].startswith("cancelled  units: ")


BACKGROUND = """
import os, subprocess, sys, termios
mode = termios.tcgetattr(0)
mode[3] |= termios.TOSTOP
termios.tcsetattr(0, termios.TCSANOW, mode)
pid = subprocess.Popen(sys.argv[1:], process_group=0).pid
_, status = os.waitpid(pid, os.WUNTRACED)
if os.WIFSTOPPED(status):
    os.kill(pid, 9)
    sys.exit("it was stopped")
print("it ended with", os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("words", [["run"], ["exec", "--", "sh", "-c", "echo out; echo err >&2"]])
def test_what_supervises_is_not_stopped_by_a_terminal_that_is_another_ones(half, project, words):
    """`stty tostop` stops whoever writes from the background; its time-outs would stop as well."""
    half("true")
    argv = [sys.executable, "-c", BACKGROUND, sys.executable, "-m", "pipekit", *words]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.root)
        os.execve(sys.executable, argv, project.env)
    seen = b""
    with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
        while data := os.read(terminal, 65536):
            seen += data
    os.close(terminal)
    os.waitpid(pid, 0)
    assert f"it ended with {words[0] == 'run':d}".encode() in seen, seen.decode()
