"""The death of our own: of supervisor, guardian and spawner, one by one and together."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipekit.model.command import Outcome
from pipekit.process import kill_leftovers

from .conftest import BAD_CHILD, NOISE, SLACK, processes

GRACE = 0.3
HOST = """
import fcntl, os, sys
from pipekit.model.command import Command
from pipekit.process import ProcessSupervisor
mark, lock, cookie, grace, *argv = sys.argv[1:]
held = os.open(lock, os.O_RDWR | os.O_CREAT)
fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
supervisor = ProcessSupervisor(hold_fds=[held], cookie=cookie)
command = Command(argv=argv, grace=float(grace), linger=0.01, env={'LAB_MARK': mark})
print('locked', flush=True)
while True: supervisor.execute(command)
"""
WAYS = ["ignores_term", "daemon stays", "scrubbed_daemon 60", "hopper", "brood 20", "random 7"]


def parent(pid: int) -> int:
    return next(above for number, _, above in processes() if number == pid)


def free(lock: Path) -> bool:
    """Whether nobody holds the lock."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.fixture
def host(lab, tmp_path):
    """Start a host that runs the command again and again, and holds a lock."""
    started = []

    def start(*words, cookie="cookie") -> subprocess.Popen[str]:
        argv = [sys.executable, "-S", str(BAD_CHILD), *words]
        given = [lab.mark, str(tmp_path / "lock"), cookie, str(GRACE), *argv]
        process = subprocess.Popen(
            [sys.executable, "-c", HOST, *given], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "locked\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    kill_leftovers("cookie")
    assert lab.gone_within(5)


def kill_at_any_moment(lab, host, lock, number) -> None:
    """The lock is free in time, and when it is, nothing of the command lives any more."""
    dice = random.Random(number)
    process = host(*WAYS[number % len(WAYS)].split())
    time.sleep(dice.random() * dice.choice([0.01, 0.05, 0.3]))
    process.kill()
    process.wait()
    died = time.monotonic()
    while not free(lock):
        assert time.monotonic() - died < GRACE + SLACK + NOISE, f"number {number}: still held"
        time.sleep(0.002)
    assert not lab.alive(), f"number {number}"


def test_supervisor_killed_at_any_moment_leaves_nothing_and_keeps_the_lock_until_then(
    lab, host, tmp_path
):
    for number in range(18):
        kill_at_any_moment(lab, host, tmp_path / "lock", number)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_supervisor_killed_at_500_moments(lab, host, tmp_path):
    for number in range(500):
        kill_at_any_moment(lab, host, tmp_path / "lock", 1000 + number)


@pytest.fixture
def running(lab):
    """A command in a thread; its leader's number, and a function that gives the result."""
    results = []
    command = lab.bad("daemon", "stays", grace=0.2, linger=0.3)
    thread = threading.Thread(target=lambda: results.append(lab.supervisor.execute(command)))
    thread.start()
    deadline = time.monotonic() + 10
    while len(lab.alive()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    leader = min(lab.alive())

    def result():
        thread.join(10)
        assert results, "still running"
        return results[0]

    yield leader, result
    for pid in lab.alive():
        os.kill(pid, signal.SIGKILL)
    thread.join(10)


def test_command_whose_guardian_is_killed_is_lost_and_ended(lab, running):
    leader, result = running
    os.kill(parent(leader), signal.SIGKILL)
    assert result().outcome is Outcome.LOST
    assert "its guardian was killed" in result().reason
    assert (result().returncode, result().success) == (None, False)
    assert lab.gone_within(SLACK)
    assert lab.supervisor.execute(lab.command("true")).success


def test_killed_spawner_is_replaced_and_running_commands_go_on(lab, running):
    leader, result = running
    spawner = parent(parent(leader))
    os.kill(spawner, signal.SIGKILL)
    assert lab.supervisor.execute(lab.command("echo", "on")).stdout.tail == "on\n"
    assert leader in lab.alive()
    os.kill(leader, signal.SIGKILL)
    assert (result().signal, result().survivors) == ("SIGKILL", 1)


def test_command_whose_guardian_and_spawner_are_killed_is_lost_and_ended(lab, running):
    leader, result = running
    guardian = parent(leader)
    os.kill(parent(guardian), signal.SIGKILL)
    os.kill(guardian, signal.SIGKILL)
    assert result().outcome is Outcome.LOST
    assert lab.gone_within(SLACK)


def test_what_outlived_even_its_guardian_is_swept_by_the_cookie(lab, host):
    process = host("daemon", "stays", cookie="cookie")
    while len(lab.alive()) < 2:
        time.sleep(0.01)
    guardian = parent(min(lab.alive()))
    os.kill(guardian, signal.SIGSTOP)  # or it would be quicker
    process.kill()
    process.wait()
    os.kill(parent(guardian), signal.SIGKILL)
    os.kill(guardian, signal.SIGKILL)
    assert len(lab.alive()) == 2
    assert kill_leftovers("other") == (0, 0)
    assert kill_leftovers("cookie") == (2, 0)
    assert not lab.alive()


def test_a_child_that_the_host_forked_keeps_no_command_alive(lab, tmp_path):
    """It has copies of all our descriptors; only the supervisor's own end counts."""
    code = HOST.replace(
        "while True:",
        """
import threading, time
def fork():
    time.sleep(0.5)
    child = os.fork()
    if not child: time.sleep(20); os._exit(0)
    print(child, flush=True)
threading.Thread(target=fork).start()
while True:""",
    )
    argv = [sys.executable, "-S", str(BAD_CHILD), "daemon", "stays"]
    given = [lab.mark, str(tmp_path / "lock"), "cookie", str(GRACE), *argv]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, *given],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "locked\n"
    child = int(process.stdout.readline())
    try:
        assert len(lab.alive()) == 2
        process.kill()
        process.wait()
        assert lab.gone_within(GRACE + SLACK + NOISE)
        os.kill(child, 0)  # it lives, and that made no difference
    finally:
        os.kill(child, signal.SIGKILL)
        process.stdout.close()
