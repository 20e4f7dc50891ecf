"""Our own end: a cancel from anywhere, Ctrl-C, and exceptions of the caller."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import uuid

import pytest

from pipekit.model.command import Outcome
from pipekit.process import Cancel

HOST = """
import signal, sys
from pipekit.model.command import Command
from pipekit.process import Cancel, ProcessSupervisor
command = Command(argv=sys.argv[3:], grace=float(sys.argv[2]), env={'LAB_MARK': sys.argv[1]})
cancel = Cancel()
"""
POLITE_ONCE = """
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: cancel.set(now=cancel.is_set()))
"""
EXECUTE = """
result = ProcessSupervisor().execute(
    command, lambda _, lines: print(*lines, flush=True), cancel)
print(result.outcome, *[signal.name for signal in result.signals])
"""


@pytest.fixture
def host(lab):
    """Start a host program around a misbehaving child, and wait for its first line."""
    started = []

    def start(code: str, grace: float, way: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", code, lab.mark, str(grace), *lab.bad(way).argv]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("when", ["before", "during"])
def test_cancel_from_another_thread_is_heeded_at_once(lab, within, when):
    with Cancel() as cancel:
        timer = threading.Timer(0.0 if when == "before" else 0.3, cancel.set)
        timer.start()
        if when == "before":
            timer.join()
        started = time.monotonic()
        result = lab.execute(lab.bad("sleep", 60), None, cancel)
        timer.join()
    within(started, 0.3)
    assert (result.outcome, result.success) == (Outcome.CANCELLED, False)
    assert len(result.signals) == (0 if when == "before" else 1)


def test_one_cancel_stops_commands_in_many_threads(lab, within):
    with Cancel() as cancel:
        results = []
        threads = [
            threading.Thread(
                target=lambda n=n: results.append(
                    lab.supervisor.execute(lab.bad("sleep", 60), None, cancel, name=f"t{n}")
                )
            )
            for n in range(5)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        started = time.monotonic()
        cancel.set()
        for thread in threads:
            thread.join()
    within(started, 0)
    assert [result.outcome for result in results] == [Outcome.CANCELLED] * 5


def test_cancel_with_now_ends_the_grace(lab, within):
    with Cancel() as cancel:
        timers = [
            threading.Timer(0.3, cancel.set),
            threading.Timer(0.5, cancel.set, kwargs={"now": True}),
        ]
        for timer in timers:
            timer.start()
        started = time.monotonic()
        result = lab.execute(lab.bad("ignores_term", grace=60), None, cancel)
        for timer in timers:
            timer.join()
    within(started, 0.5)
    assert [sent.name for sent in result.signals] == ["SIGTERM", "SIGKILL"]


def test_cancel_from_the_callback_stops_the_command(lab, within):
    started = time.monotonic()
    with Cancel() as cancel:
        result = lab.execute(lab.bad("slow_to_end", 0), lambda *_: cancel.set(), cancel)
    within(started, 0)
    assert result.outcome is Outcome.CANCELLED


def test_ctrl_c_once_is_polite(lab, host):
    process = host(HOST + POLITE_ONCE + EXECUTE, 30, "slow_to_end")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (out, err) == ("cancelled SIGTERM\n", "")
    assert not lab.alive()


def test_ctrl_c_twice_is_now(lab, host):
    process = host(HOST + POLITE_ONCE + EXECUTE, 60, "ignores_term")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert lab.alive()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (out, err) == ("cancelled SIGTERM SIGKILL\n", "")
    assert not lab.alive()


def test_ctrl_c_that_nobody_handles_ends_the_tree_before_it_passes(lab, host):
    process = host(HOST + EXECUTE, 60, "ignores_term")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert "KeyboardInterrupt" in err
    assert not lab.alive()


INTERRUPTED = """
class Interrupted(Exception): pass
def interrupt(*_): raise Interrupted
signal.signal(signal.SIGALRM, interrupt)
command = Command(argv=sys.argv[3:], grace=0, linger=0.02, env={'LAB_MARK': sys.argv[1]})
for number in range(int(sys.argv[2])):
    try:
        # Again, for Python itself may ignore an exception: in a callback of an import's lock.
        signal.setitimer(signal.ITIMER_REAL, 0.001 + 0.0014 * number, 5)
        while True: ProcessSupervisor().execute(command)
    except Interrupted:
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(number, flush=True)
        sys.stdin.readline()
"""


@pytest.mark.slow
def test_exception_out_of_a_signal_handler_leaves_no_process(lab):
    """At many moments of a command's life, its start included; looked at after each."""
    argv = [sys.executable, "-c", HOST + INTERRUPTED, lab.mark, "30"]
    orphan = lab.bad("orphan", 60, "stubborn").argv
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*argv, *orphan], text=True, **pipes) as host:
        for number in range(30):
            assert host.stdout.readline() == f"{number}\n"
            assert lab.gone_within(0)
            print(file=host.stdin, flush=True)
    assert host.returncode == 0


AT_EVERY_CALL = """
import gc, os, pathlib, subprocess, time
class Interrupted(Exception): pass
command = Command(argv=["sh", "-c", "sleep 60 & exit 0"], grace=0, linger=0.01,
                  env={'LAB_MARK': sys.argv[1]})
calls = 0
def interrupt_at(number):
    global calls
    calls = 0
    def profile(frame, event, argument):
        global calls
        calls += 1
        if calls == number:
            raise Interrupted(f"{frame.f_code.co_filename}:{frame.f_lineno} {event}")
    return profile
def execute(number):
    try:
        sys.setprofile(interrupt_at(number))
        try:
            result = ProcessSupervisor().execute(command)
        finally:
            sys.setprofile(None)
    except Interrupted as error:  # once only, so that what follows is not met
        sys.setprofile(None)
        return str(error)
    return repr(result)
def left():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if sys.argv[1].encode() in open(f"/proc/{pid}/environ", "rb").read():
                yield int(pid)
        except OSError:
            pass
own = os.getpid()
execute(0)
execute(0)
total = calls
for number in [*range(1, total, 1 + total // 150)]:
    where = execute(number)
    for pid in left():
        print("left", number, where, open(f"/proc/{pid}/stat").read(), flush=True)
        os.kill(pid, 9)
def children():
    return pathlib.Path(f"/proc/self/task/{own}/children").read_text().split()
def zombies():
    stats = [pathlib.Path(f"/proc/{pid}/stat").read_text() for pid in children()]
    return [stat for stat in stats if stat.rpartition(")")[2].split()[0] == "Z"]
gc.collect()  # an interrupted supervisor is in a cycle with its traceback, and its spawner with it
ProcessSupervisor().execute(command)  # takes leave of those whose goodbye was interrupted
deadline = time.monotonic() + 5
while len(children()) > len(zombies()) and time.monotonic() < deadline:
    time.sleep(0.01)
print(total > 300, len(children()) - len(zombies()), len(zombies()) <= 1)
"""


@pytest.mark.slow
def test_exception_at_any_call_leaves_no_process():
    """Interrupted at 150 places spread over all that one command takes, from start to end.

    None of ours lives on, and a spawner whose goodbye was interrupted is reaped with the next. But
    an exception at the very return of the call that starts it loses its number: it ends by itself,
    since nobody holds the other end of its socket, and is a zombie until its host ends. The return
    takes six calls and the places are 36 apart, so it is met once: one zombie is allowed.
    """
    argv = [sys.executable, "-c", HOST + AT_EVERY_CALL, uuid.uuid4().hex, "0", "true"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == "True 0 True\n"


def test_cancel_may_be_closed_twice_and_set_after():
    cancel = Cancel()
    cancel.close()
    cancel.close()
    cancel.set()
    assert cancel.is_set()
