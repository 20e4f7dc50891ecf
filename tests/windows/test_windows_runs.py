"""Runs of a project on Windows: what they recognise, what they leave, and how they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from xml.etree import ElementTree as ET

import psutil
import pytest

from pipekit.model.timetable import Timetable
from pipekit.process import console
from pipekit.schedule.job import Job, command_line
from pipekit.schedule.task_scheduler import NAMESPACE, task_xml

RULE = """
[lifecycle]
roots = ["data"]
[[lifecycle.rules]]
files = "data/raw/**"
consumed_by = ["nap"]
min_age = "0s"
"""


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).is_running()
    except psutil.Error:
        return False


def test_a_fresh_file_settles_in_the_run_that_waited_for_it(napping):
    """Windows has no change time, so a run looks at a file twice."""
    napping.config("[pipeline]\nstages = ['nap']\nquiet_seconds = '4s'\n")
    napping.write("data/raw/fresh.txt", "x")
    done = napping.pipekit("run")
    assert done.code == 0, done
    assert "2 written" in done.out
    assert "still being written" not in done.out + done.err


def test_a_path_that_a_worker_reports_with_backslashes_is_known_in_the_next_run(napping):
    done = napping.pipekit("run")
    assert done.code == 0, done
    assert "1 written" in done.out
    again = napping.pipekit("run")
    assert "nothing new" in again.out, again


def test_a_path_that_a_worker_reports_in_another_case_is_known_in_the_next_run(napping):
    """As by os.path.normcase, which many programs use on Windows."""
    napping.root.joinpath("data/raw/ü a.txt").rename(napping.root / "data/raw/ÜBER.txt")
    worker = napping.site / "nap_worker.py"
    code = worker.read_text("utf-8").replace("os.path.normpath(path)", "os.path.normcase(path)")
    worker.write_text(code, "utf-8")
    done = napping.pipekit("run")
    assert done.code == 0, done
    again = napping.pipekit("run")
    assert "nothing new" in again.out, again


def test_a_killed_run_leaves_no_process_and_the_next_one_goes_on(napping, eventually):
    first = napping.start("run", "--set", "stages.nap.settings.seconds=60")
    try:
        pids_file = napping.root / "pids"
        eventually(pids_file.exists, 30)
        pids = [int(pid) for pid in pids_file.read_text().split()]
        time.sleep(0.5)  # its lines are in the journal
        second = napping.pipekit("run")
        assert second.code == 75, second
        assert "another run" in second.err
    finally:
        first.kill()
        first.communicate()
    eventually(lambda: not any(map(alive, pids)), 5)
    third = napping.pipekit("run")
    assert third.code == 0, third
    assert "1 written" in third.out
    journals = sorted((napping.root / "logs/events").glob("*.jsonl"))
    assert len(journals) == 2
    for journal in journals:
        events = [json.loads(line) for line in journal.read_bytes().splitlines()]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1)), journal


def test_lines_of_logs_end_once(napping):
    napping.pipekit("run")
    logs = list((napping.root / "logs").glob("*.log"))
    assert logs
    for log in logs:
        assert b"\r\r\n" not in log.read_bytes()


def test_a_file_is_no_link_to_the_lifecycle(napping):
    napping.pipekit("run")
    napping.config((napping.root / "pipekit.toml").read_text() + RULE)
    planned = napping.pipekit("lifecycle", "plan", "--json")
    assert planned.json, planned
    [proposal] = planned.json
    assert (proposal["path"], proposal.get("refused", "")) == ("data/raw/ü a.txt", "")


@pytest.mark.parametrize(("name", "code"), [("SIGBREAK", 143), ("SIGINT", 130)])
def test_ctrl_break_stops_a_run_politely(napping, name, code):
    """Raised within the process, as the C library does when the console reports it."""
    script = f"""
import os, signal, sys, threading, time
def stop():
    while not os.path.exists("pids"):
        time.sleep(0.05)
    signal.raise_signal(signal.{name})
threading.Thread(target=stop, daemon=True).start()
from pipekit.__main__ import entry
sys.argv = ["pipekit", "run", "--set", "stages.nap.settings.seconds=60", "--set",
            "stages.nap.grace=0.2"]
entry()
"""
    done = napping.run_python(script)
    assert done.code == code, done
    assert napping.report()["status"] == "cancelled"


STUBBORN = ("--set", "stages.nap.settings.seconds=60", "--set", "stages.nap.grace=1h")


@pytest.mark.parametrize("words", [[], ["--now"]], ids=["politely", "at once"])
def test_stop_ends_a_run_that_has_no_console(napping, eventually, words):
    """Without a console nobody hears Ctrl-Break, so the programs use up their grace."""
    program = os.path.join(os.path.dirname(sys.executable), "pythonw.exe")
    settings = STUBBORN if words else (*STUBBORN[:2], "--set", "stages.nap.grace=0.5s")
    with subprocess.Popen(
        [program, "-m", "pipekit", "run", *settings],
        cwd=napping.root,
        env=napping.env,
        creationflags=subprocess.DETACHED_PROCESS,
    ) as run:
        pids_file = napping.root / "pids"
        eventually(pids_file.exists, 30)
        stopped = napping.pipekit("stop", *words)
        assert run.wait(10) == 143
    assert stopped.code == 0, stopped
    assert stopped.err.startswith("stopping run 1, process "), stopped
    assert stopped.out.startswith("stopped run 1, process "), stopped
    assert stopped.out.endswith(": cancelled\n"), stopped
    assert napping.report()["status"] == "cancelled"
    assert not any(alive(int(pid)) for pid in pids_file.read_text().split())
    assert napping.pipekit("stop").out == "no run is going on\n"


HOLDER = """
import sys, time
from pathlib import Path
from pipekit.storage.lock import RunLock
with RunLock(Path(".pipekit"), "the run"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_stop_says_so_if_the_run_cannot_hear_it(napping):
    napping.root.joinpath(".pipekit").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], cwd=napping.root, stdout=subprocess.PIPE
    ) as holder:
        holder.stdout.readline()
        stopped = napping.pipekit("stop")
        holder.kill()
    assert stopped.code == 3, stopped
    assert "hears no request to stop: end it in Task Manager" in stopped.err


def test_the_closing_of_the_console_waits_for_the_end(monkeypatch):
    """The system calls the handler in a thread of its own, and ends us when that returns."""
    closed, over = threading.Event(), threading.Event()
    handler = threading.Thread(target=console._ends, args=(2, closed.set, over))
    handler.start()
    assert closed.wait(5)
    assert handler.is_alive()
    over.set()
    handler.join(5)
    assert not handler.is_alive()
    assert not console._ends(1, closed.set, over)  # Ctrl-Break is for the next handler
    with console.on_console_close(closed.set):
        pass


def as_a_task(napping, command, cwd):
    """Start a command line as Task Scheduler does: no console, no streams, SYSTEM's variables."""
    system = os.path.join(os.environ["SYSTEMROOT"], "System32")
    kept = ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "TEMP", "TMP", "PATHEXT")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env |= {"PATH": system, "PYTHONPATH": str(napping.site), "USERNAME": "SYSTEM"}
    done = subprocess.run(
        command,
        cwd=cwd or system,
        env=env,
        creationflags=subprocess.DETACHED_PROCESS,
        close_fds=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert napping.report()["status"] == "success"
    [log] = (napping.root / "logs").glob("*.log")
    assert "at work" in log.read_text("utf-8")


def test_a_run_as_a_task_of_the_scheduler_works_and_logs(napping):
    program = os.path.join(os.path.dirname(sys.executable), "pythonw.exe")
    as_a_task(napping, [program, "-m", "pipekit", "-C", str(napping.root), "run"], cwd=None)


def test_the_task_of_pipekit_schedule_can_be_started(napping_in, tmp_path):
    """By its XML: program, arguments and folder, with what a command line has to quote."""
    (tmp_path / "a & b's 100% ü").mkdir()
    napping = napping_in(tmp_path / "a & b's 100% ü")
    job = Job("x", napping.root, command_line(napping.root), Timetable(900), napping.root / "log")
    root = ET.fromstring(task_xml(job).partition("\n")[2])
    program, arguments, folder = (
        root.findtext(f".//{{{NAMESPACE}}}{tag}")
        for tag in ("Command", "Arguments", "WorkingDirectory")
    )
    assert program.endswith("pythonw.exe")
    as_a_task(napping, f'"{program}" {arguments}', folder)


def test_a_configuration_with_crlf_is_read(napping):
    path = napping.root / "pipekit.toml"
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert napping.pipekit("config", "check").code == 0


def test_a_project_on_another_drive_is_run_from_here(napping):
    done = subprocess.run(
        [sys.executable, "-m", "pipekit", "-C", str(napping.root), "run"],
        cwd="C:\\",
        env=napping.env,
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done


@pytest.mark.parametrize("code", [0, 7, 259, 0x7FFFFFFF, 0xC0000005])
def test_exec_passes_output_and_exit_code_on(project, code):
    script = f"import ctypes; print('hi', flush=True); ctypes.windll.kernel32.ExitProcess({code})"
    done = project.pipekit("exec", "--", sys.executable, "-c", script)
    assert (done.code, done.out.strip()) == (code, "hi"), done
