"""A start or a guardian that stands still, and a start that is broken off at its worst moment."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipekit.model.command import Outcome
from pipekit.process import Cancel, kill_leftovers
from pipekit.process.linux import child as guarded

from .conftest import SLACK, processes


def children(pid: int) -> list[int]:
    return [number for number, _, parent in processes() if parent == pid]


def guards() -> list[int]:
    """The spawner, and whoever is its child."""
    (spawner,) = children(os.getpid())
    return [spawner, *children(spawner)]


def send(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def test_guardian_that_somebody_stopped_ends_its_command_all_the_same(lab, within):
    """It is continued, as a stopped command is."""
    results = []
    command = lab.bad("ignores_term", timeout=0.8, grace=0.2)
    thread = threading.Thread(target=lambda: results.append(lab.execute(command)))
    started = time.monotonic()
    thread.start()
    while not lab.alive():
        time.sleep(0.01)
    send([pid for pid in guards() if set(children(pid)) & set(lab.alive())], signal.SIGSTOP)
    thread.join()
    within(started, 0.8 + 0.2)
    (result,) = results
    assert (result.outcome, result.signal, result.escaped) == (Outcome.TIMED_OUT, "SIGKILL", ())


def test_spawner_that_somebody_stopped_starts_the_next_command_all_the_same(lab):
    assert lab.execute(lab.command("true")).success
    send(guards(), signal.SIGSTOP)
    assert lab.execute(lab.command("true")).success


@pytest.fixture
def standing(lab):
    """Nobody starts what is asked for, until the end of the test or the call of this."""
    assert lab.execute(lab.command("true")).success
    stopped = guards()
    send(stopped, signal.SIGSTOP)
    yield lambda: send(stopped, signal.SIGCONT)
    send(stopped, signal.SIGCONT)


@pytest.fixture
def program(lab, tmp_path):
    """A program, and whether it was ever executed: the system notes when a file was read last."""
    path = tmp_path / "program"
    shutil.copy(shutil.which("true"), path)

    def executed() -> bool:
        return path.stat().st_atime > 1

    os.utime(path, (1, time.time()))
    assert lab.execute(lab.command(path)).success
    if not executed():
        pytest.skip("this file system does not note when a file was read last")
    os.utime(path, (1, time.time()))
    return path, executed


def test_start_that_is_cancelled_is_not_waited_for_and_comes_no_more(lab, program, standing):
    path, executed = program
    with Cancel() as cancel:
        threading.Timer(0.1, cancel.set).start()
        started = time.monotonic()
        result = lab.execute(lab.command(path), cancel=cancel)
        assert time.monotonic() - started < 5
    assert (result.outcome, result.success) == (Outcome.CANCELLED, False)
    assert result.reason == "cancelled before it had started"
    standing()
    assert lab.execute(lab.command("true")).success
    time.sleep(0.2)
    assert not executed()


def test_start_that_takes_longer_than_the_command_may_take_is_given_up(lab, program, standing):
    path, executed = program
    result = lab.execute(lab.command(path, timeout=0.1, grace=0))
    assert (result.outcome, result.success) == (Outcome.LOST, False)
    assert result.reason == "its guardian did not answer within 0.5 s"
    standing()
    time.sleep(0.2)
    assert not executed()


class Interrupted(Exception):  # noqa: N818  # no error
    pass


def test_exception_just_after_the_start_ends_also_who_has_dropped_its_name(lab):
    """And though the exception is kept, with all that was there when it came."""

    def interrupt(frame, event, _argument):
        if event == "call" and frame.f_code is guarded.GuardedChild.__init__.__code__:
            while not any(Path(f"/proc/{pid}/environ").read_bytes() == b"" for pid in lab.alive()):
                time.sleep(0.01)
            raise Interrupted

    sys.setprofile(interrupt)
    try:
        with pytest.raises(Interrupted) as kept:
            lab.supervisor.execute(lab.bad("scrubbed_daemon", 60, "stays", grace=0.1))
    finally:
        sys.setprofile(None)
    assert lab.gone_within(0.1 + SLACK)
    del kept


LOADING = """
import ctypes, sys, time
stat = open("/proc/self/stat").read().rpartition(")")[2].split()
code, end_code, stack = stat[23:26]
data = stat[42:44]
start_brk, arguments, end_arguments, environment, end = stat[44:49]
libc = ctypes.CDLL(None, use_errno=True)
libc.sbrk.restype = ctypes.c_void_p
def show(end_arguments, end):  # PR_SET_MM_MAP, see prctl(2) and linux/prctl.h
    numbers = [code, end_code, *data, start_brk, libc.sbrk(0), stack]
    numbers += [arguments, end_arguments, environment, end, 0, 0xFFFFFFFF << 32]
    memory = (ctypes.c_ulong * 13)(*map(int, numbers))
    if libc.prctl(35, 14, ctypes.byref(memory), ctypes.c_ulong(ctypes.sizeof(memory)), 0):
        print("refused", ctypes.get_errno(), flush=True)
        sys.exit()
show(arguments, environment)
print("loading", flush=True)
time.sleep(0.04)
show(end_arguments, end)
time.sleep(60)
"""


def test_sweep_waits_for_who_is_just_becoming_another_program():
    """Linux shows neither its environment nor its arguments then, and its parent goes on."""
    argv = [sys.executable, "-c", LOADING]
    environment = {**os.environ, "PIPEKIT_TREE": "loading.1"}
    output = subprocess.PIPE
    with subprocess.Popen(argv, env=environment, stdout=output, start_new_session=True) as process:
        told = process.stdout.readline().decode().strip()
        if told.startswith("refused"):
            pytest.skip(f"this kernel lets nobody hide what a process was started with: {told}")
        assert Path(f"/proc/{process.pid}/environ").read_bytes() == b""
        try:
            assert kill_leftovers("loading") == (1, 0)
        finally:
            process.kill()
