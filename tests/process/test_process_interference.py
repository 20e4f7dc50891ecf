"""What holds also when somebody interferes: reaps our children, kills a guardian, forks us."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipekit.model.command import Outcome
from pipekit.process import ProcessSupervisor, signals
from pipekit.process.linux import guardian

from .conftest import NOISE, SLACK, processes


def about(pid: int) -> tuple[str, int]:
    """State and parent of a process."""
    return next((state, parent) for each, state, parent in processes() if each == pid)


def only(lab) -> int:
    """The one process of this lab, as soon as it is there."""
    while len(alive := lab.alive()) != 1:
        time.sleep(0.01)
    return alive[0]


@pytest.fixture
def background(lab):
    """Run a command in a thread; a function that gives its result, once it is over."""
    threads = []

    def start(command):
        results = []
        thread = threading.Thread(target=lambda: results.append(lab.supervisor.execute(command)))
        threads.append(thread)
        thread.start()

        def result():
            thread.join(20)
            assert results, "still running"
            return results[0]

        return result

    yield start
    for pid in lab.alive():
        os.kill(pid, signal.SIGKILL)
    for thread in threads:
        thread.join(10)


def _slow_after_send(_frame, event, what):
    if event == "c_return" and what.__name__ == "send":
        time.sleep(0.1)


def test_hard_signal_of_ours_is_always_among_those_that_were_sent(lab):
    """Also when the guardian is quicker than our next look: this host is slow after each word."""
    command = lab.bad("ignores_term", done_pattern="ready", linger=0, grace=0)
    sys.setprofile(_slow_after_send)
    try:
        result = lab.execute(command)
    finally:
        sys.setprofile(None)
    assert [(sent.name, sent.count) for sent in result.signals] == [("SIGTERM", 1), ("SIGKILL", 1)]


def test_exit_code_0_that_a_slow_guardian_brought_about_is_no_success(lab, background):
    """The guardian signals, and its host hears of it late: that was no exit of its own."""
    result = background(lab.bad("slow_to_end", 0, done_pattern="never", timeout=0.6, grace=5))
    leader = only(lab)
    guarding = about(leader)[1]
    time.sleep(0.3)
    os.kill(guarding, signal.SIGSTOP)  # until it has not answered for half a second
    assert (result().outcome, result().returncode) == (Outcome.TIMED_OUT, 0)
    assert not result().success
    assert [sent.name for sent in result().signals] == ["SIGTERM"]


def test_number_of_the_leader_stays_taken_while_anything_of_it_lives(lab, background, eventually):
    """It is a zombie until the end: no late signal can hit a stranger who got its number."""
    result = background(lab.command("sh", "-c", "sleep 1 & echo $$", linger=10))
    eventually(lambda: len(lab.alive()) == 1)
    time.sleep(0.2)
    orphan = lab.alive()[0]
    guardian_of_it = about(orphan)[1]
    siblings = {pid: state for pid, state, parent in processes() if parent == guardian_of_it}
    leader = int(result().stdout.tail)
    assert siblings == {leader: "Z", orphan: "S"}


def test_guardian_that_can_open_nothing_still_knows_who_lives_and_ends_it(lab, background):
    """As on a system whose table of open files is full: nothing found is not nobody there."""
    script = "setsid sleep 60 & sleep 0.6"
    result = background(lab.command("sh", "-c", script, linger=0.2, grace=0.2))
    while len(lab.alive()) != 3:
        time.sleep(0.01)
    resource.prlimit(about(min(lab.alive()))[1], resource.RLIMIT_NOFILE, (3, 3))
    assert (result().outcome, result().success, result().survivors) == (Outcome.EXITED, True, 1)
    assert not lab.alive()


def test_process_that_a_thread_forked_is_asked_politely_too(lab):
    """The kernel keeps children by thread."""
    result = lab.run("thread_forks", done_pattern="ready", linger=0, grace=20)
    assert sorted(result.stdout.tail.split()) == ["bye", "ready"]
    assert [sent.name for sent in result.signals] == ["SIGTERM"]


def test_host_that_reaps_every_child_takes_nothing_from_us(lab):
    """A thread that waits for all children, as some libraries have one, also when we are idle."""
    ended = threading.Event()

    def reap() -> None:
        while not ended.is_set():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, os.WNOHANG)
            time.sleep(0.0002)

    thread = threading.Thread(target=reap)
    thread.start()
    try:
        codes = [lab.run("exit", code).returncode for code in (0, 3, 0, 7)]
        for _ in range(5):  # or we may be the quicker every time
            lab.supervisor = None  # ends the spawner, which is our child
            lab.supervisor = ProcessSupervisor(lab.spools)
            codes.append(lab.run("exit", 0).returncode)
        late = lab.run("ignores_term", done_pattern="ready", linger=0, grace=0.1)
    finally:
        ended.set()
        thread.join()
    assert codes == [0, 3, 0, 7, *[0] * 5]
    assert (late.outcome, late.signal) == (Outcome.COMPLETED, "SIGKILL")


def test_what_a_guardian_said_is_heard_though_it_did_not_hear_all_of_us():
    """The kernel says first that words of ours were lost, and then gives what was said to us."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.send(b"unheard")
    theirs.send(b"exited 3")
    theirs.close()
    assert [guardian.receive(ours), guardian.receive(ours)] == [b"exited 3", b""]
    ours.close()


def test_hidden_daemon_whose_guardian_is_killed_is_ended(lab, background, eventually):
    """It has no session and no environment of ours: only the spawner can have adopted it."""
    result = background(lab.bad("scrubbed_daemon", 60, "stays"))
    eventually(lambda: len(lab.alive()) == 2)
    daemon = max(lab.alive(), key=lambda pid: Path(f"/proc/{pid}/environ").read_bytes() == b"")
    os.kill(about(daemon)[1], signal.SIGKILL)
    assert result().outcome is Outcome.LOST
    assert lab.gone_within(SLACK + NOISE)


HOST = """
import os, sys, time
from pipekit.model.command import Command
from pipekit.process import ProcessSupervisor
mark, grace, *argv = sys.argv[1:]
supervisor = ProcessSupervisor()
command = Command(argv=argv, grace=float(grace), linger=0.01, env={'LAB_MARK': mark})
"""


@pytest.fixture
def host(lab):
    """Start a host program with a command; both are gone at the end."""
    started = []

    def start(code: str, grace: float, *argv: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-W", "ignore", "-c", HOST + code, lab.mark, str(grace), *argv]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_command_of_a_killed_supervisor_gets_its_grace(lab, host, tmp_path, eventually):
    """It is asked first, and may tidy up; nobody reads its output any more, so it is silent."""
    tidy = f"sleep 0.4; touch {tmp_path}/tidied; exit"
    script = (
        f"exec >/dev/null 2>&1; trap '{tidy}' TERM; touch {tmp_path}/up; while :; do sleep 0.02"
    )
    process = host("supervisor.execute(command)", 5, "sh", "-c", f"{script}; done")
    eventually((tmp_path / "up").exists)
    process.kill()
    process.wait()
    assert lab.gone_within(0.4 + SLACK + NOISE)
    assert (tmp_path / "tidied").exists()


FORKS = """
supervisor.execute(command)
child = os.fork()
if not child:
    time.sleep(30)
    os._exit(0)
print(child, *open(f'/proc/self/task/{os.getpid()}/children').read().split(), flush=True)
"""


@pytest.mark.parametrize("end", ["killed", "released"])
def test_spawner_ends_with_its_host_though_a_child_that_it_forked_lives_on(host, end, eventually):
    """That child has copies of all descriptors of the host."""
    then = {
        "killed": "time.sleep(30)",
        "released": "del supervisor; print(flush=True); time.sleep(30)",
    }
    process = host(FORKS + then[end], 0, "true")
    forked, *others = map(int, process.stdout.readline().split())
    (spawner,) = set(others) - {forked}
    try:
        if end == "killed":
            process.kill()
            process.wait()
        else:
            process.stdout.readline()
        eventually(lambda: spawner not in [pid for pid, state, _ in processes() if state != "Z"], 3)
        os.kill(forked, 0)
    finally:
        os.kill(forked, signal.SIGKILL)


FORKED_WHILE_LOCKED = """
import threading
from pipekit.process.linux import spawner_client
supervisor.execute(command)
held, forked = threading.Event(), threading.Event()
def hold():
    with spawner_client._locks[os.getpid()]: held.set(); forked.wait()
thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if not child:
    os._exit(0 if supervisor.execute(command).success else 1)
forked.set()
thread.join()
deadline = time.monotonic() + 10
while time.monotonic() < deadline and not (ended := os.waitpid(child, os.WNOHANG))[0]:
    time.sleep(0.01)
if not ended[0]: os.kill(child, 9)
print(ended[1] if ended[0] else 'stuck')
"""


def test_process_forked_while_another_thread_started_a_spawner_can_start_its_own(host):
    """The lock of that thread is copied, and nobody is there to give it back."""
    assert host(FORKED_WHILE_LOCKED, 0, "true").stdout.read() == "0\n"


def test_two_threads_may_find_the_same_spawner_ended(monkeypatch):
    """Each looks whether it can be reaped; the kernel says so to one, and the other knows then."""
    ended = [1 << 30]
    other = threading.Thread(target=signals.reap, args=[ended])

    def waitpid(pid: int, _options: int) -> tuple[int, int]:
        if other.ident is None:
            other.start()
            other.join()
            return pid, 0
        raise ChildProcessError

    monkeypatch.setattr(os, "waitpid", waitpid)
    signals.reap(ended)
    assert ended == []


OLD = """#!{python}
import os, sys, time
os.closerange = lambda low, high: time.sleep(high * 1e-7)
os.sysconf = lambda name: 1 << 30
code, folder = sys.argv[-2:]
sys.argv[1:] = [folder]
exec(code)
"""


def test_start_does_not_take_longer_where_a_billion_descriptors_are_allowed(
    lab, tmp_path, monkeypatch
):
    """As in many containers, with a Python that closes a range of them one by one."""
    python = tmp_path / "python"
    python.write_text(OLD.format(python=sys.executable))
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert lab.execute(lab.command("echo", "on")).stdout.tail == "on\n"
