"""Hosts that make it hard: what they block, ignore, weigh, lack, and what they may not kill."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pipekit.process
from pipekit.model.command import Outcome

from .conftest import BAD_CHILD, NOISE, SLACK, processes

HOST = """
import os, resource, signal, sys, time
from pipekit.model.command import Command
from pipekit.process import ProcessSupervisor
mark, *argv = sys.argv[1:]
command = Command(argv=argv, env={'LAB_MARK': mark}, timeout=20, grace=0.3, linger=0.1)
supervisor = ProcessSupervisor()
"""
ROOT = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, and setpriv"
)
RIGHTS = ["--inh-caps", "+dac_override,+dac_read_search"]
RIGHTS += ["--ambient-caps", "+dac_override,+dac_read_search"]  # to read this interpreter


@pytest.fixture
def host(lab):
    """Run a host program with a command; returns what it printed."""

    def run(code: str, *words, before=()) -> str:
        argv = [*before, sys.executable, "-c", HOST + code, lab.mark, *map(str, words)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def bad(way, *arguments):
    return [sys.executable, "-S", str(BAD_CHILD), way, *map(str, arguments)]


def test_command_gets_no_blocked_and_no_ignored_signals_from_its_host(lab, host):
    """But for 32 and 33, which the C library keeps to itself."""
    told = host(
        "every = {n for n in signal.Signals if n not in (signal.SIGKILL, signal.SIGSTOP)}\n"
        "for number in every - {signal.SIGCHLD}: signal.signal(number, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, every)\n"
        "print(supervisor.execute(command).stdout.tail)",
        *["grep", "^Sig[BI]", "/proc/self/status"],
    )
    masks = [int(line.split()[1], 16) for line in told.split("\n") if line]
    assert [mask & ~(3 << 31) for mask in masks] == [0, 0]


@pytest.mark.parametrize("how", ["SIG_BLOCK", "SIG_IGN"])
def test_host_that_blocks_or_ignores_sigterm_can_stop_its_command_politely(lab, host, how):
    shut = {
        "SIG_BLOCK": "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n",
        "SIG_IGN": "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n",
    }
    told = host(
        shut[how] + "import attrs\n"
        "result = supervisor.execute(attrs.evolve(command, timeout=0.5, grace=30))\n"
        "print(result.outcome, *[sent.name for sent in result.signals])",
        *["sleep", "60"],
    )
    assert told == "timed_out SIGTERM\n"


def test_start_from_a_process_of_two_gigabytes_copies_none_of_them(lab, host):
    """A fork of such a process copies 4 MB of page tables; the guardian is forked by another."""
    told = host(
        "ballast = bytearray(2 << 30)\n"
        "for at in range(0, len(ballast), 4096): ballast[at] = 1\n"
        "def limit():\n"
        "    used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "    return used.ru_minflt\n"
        "supervisor.execute(command)\n"
        "before = limit()\n"
        "good = [supervisor.execute(command).success for _ in range(20)]\n"
        "print(all(good), limit() - before < 20 * 100)",
        "true",
    )
    assert told == "True True\n"


@ROOT
def test_host_out_of_processes_gets_a_true_result_with_the_remedy(lab, host):
    """However few are left: it works, or the sentence says what is missing."""
    user = ["setpriv", "--reuid", "64123", "--regid", "64123", "--clear-groups"]
    told = host(
        "for most in range(1, 7):\n"
        "    resource.setrlimit(resource.RLIMIT_NPROC, (most, 7))\n"
        "    result = ProcessSupervisor().execute(command)\n"
        "    print(result.outcome, result.success, result.reason)",
        "true",
        before=[*user, *RIGHTS],
    )
    lines = told.splitlines()
    assert len(lines) == 6
    assert "out of processes or memory" in lines[0]
    assert lines[-1] == "exited True exited with code 0"
    for line in lines:
        assert line.startswith(("exited True", "spawn_failed False")), line


@ROOT
def test_host_that_can_have_no_thread_is_told_so_and_its_command_runs_on(lab, host):
    """Its callback is called in a thread: without one its lines are counted, and nothing fails."""
    user = ["setpriv", "--reuid", "64126", "--regid", "64126", "--clear-groups"]
    told = host(
        "for most in range(3, 9):\n"
        "    resource.setrlimit(resource.RLIMIT_NPROC, (most, 9))\n"
        "    heard = []\n"
        "    result = ProcessSupervisor().execute(command, lambda _, lines: heard.extend(lines))\n"
        "    print(result.outcome, heard, result.stdout.tail.split(), *result.warnings)",
        *["sh", "-c", "echo a; echo b; exec sleep 0.3"],
        before=[*user, *RIGHTS],
    )
    unheard = "on_lines had no thread (can't start new thread); lines not delivered to it: 2"
    ways = ["spawn_failed [] []", f"exited [] ['a', 'b'] {unheard}", "exited ['a', 'b'] ['a', 'b']"]
    lines = told.splitlines()
    assert set(lines) == set(ways), told
    assert len(lines) == 6


STARVE = """
import threading
def starve():
    resource.prlimit(int(sys.stdin.readline()), resource.RLIMIT_NPROC, (1, 1))
    print("starved", flush=True)
threading.Thread(target=starve, daemon=True).start()
"""


@ROOT
def test_hidden_daemon_is_ended_though_its_spawner_can_have_no_process(lab, eventually):
    """The spawner does not wait for a request when it cannot keep anybody ready for one."""
    code = HOST + STARVE + "supervisor.execute(command); time.sleep(60)"
    user = ["setpriv", "--reuid", "64125", "--regid", "64125", "--clear-groups", *RIGHTS]
    argv = [*user, sys.executable, "-c", code, lab.mark, *bad("scrubbed_daemon", 60, "stays")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(argv, text=True, **pipes) as host:
        try:
            eventually(lambda: len(lab.alive()) == 2)
            daemon = max(lab.alive(), key=lambda pid: not environment(pid))
            above = {pid: parent for pid, _, parent in processes()}
            guardian, spawner = above[daemon], above[above[daemon]]
            (ready,) = {pid for pid, parent in above.items() if parent == spawner} - {guardian}
            print(spawner, file=host.stdin, flush=True)
            assert host.stdout.readline() == "starved\n"
            os.kill(ready, signal.SIGKILL)
            time.sleep(0.2)
            os.kill(guardian, signal.SIGKILL)
            assert lab.gone_within(SLACK + NOISE)
        finally:
            for pid in [host.pid, *lab.alive()]:
                os.kill(pid, signal.SIGKILL)


@ROOT
def test_start_is_refused_in_words_while_the_spawner_can_have_no_process(host):
    """Nobody stands by, and nobody can be forked; then one can, and all is as before."""
    told = host(
        "def children(pid):\n"
        "    return [*map(int, open(f'/proc/{pid}/task/{pid}/children').read().split())]\n"
        "def tell():\n"
        "    result = supervisor.execute(command)\n"
        "    print(result.outcome, result.reason, f'{result.duration:.0f}', flush=True)\n"
        "tell()\n"
        "(spawner,) = children(os.getpid())\n"
        "resource.prlimit(spawner, resource.RLIMIT_NPROC, (1, 100))\n"
        "for ready in children(spawner): os.kill(ready, signal.SIGKILL)\n"
        "while children(spawner): time.sleep(0.01)\n"
        "tell()\n"
        "tell()\n"
        "resource.prlimit(spawner, resource.RLIMIT_NPROC, (100, 100))\n"
        "tell()\n"
        "print(children(os.getpid()) == [spawner])",
        "true",
        before=["setpriv", "--reuid", "64127", "--regid", "64127", "--clear-groups", *RIGHTS],
    )
    went = "exited exited with code 0 0"
    refused = (
        "spawn_failed the system is out of processes or memory "
        "(Resource temporarily unavailable; see ulimit -u) 0"
    )
    assert told.splitlines() == [went, refused, refused, went, "True"]


@ROOT
def test_process_that_may_not_be_killed_is_named_and_not_waited_for(lab):
    """Ours may not signal other users here, and the command becomes another user."""
    code = HOST + (
        "import attrs, json\n"
        "result = supervisor.execute(attrs.evolve(command, timeout=0.3))\n"
        "print(json.dumps([result.outcome, result.success, result.escaped, result.warnings,"
        " result.duration]), flush=True)\n"
        "os._exit(0)"
    )
    argv = ["setpriv", "--bounding-set", "-kill", sys.executable, "-c", code, lab.mark]
    argv += ["setpriv", "--reuid", "64124", "sleep", "60"]
    started = time.monotonic()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    outcome, success, escaped, warnings, duration = json.loads(done.stdout)
    assert (outcome, success) == ("timed_out", False)
    assert escaped == lab.alive()
    assert len(escaped) == 1
    assert "some of its processes could not be killed: see `escaped`" in warnings
    assert duration < 0.3 + 0.3 + SLACK + NOISE
    assert time.monotonic() - started < 10
    os.kill(escaped[0], signal.SIGKILL)
    assert lab.gone_within(5)


def test_a_thousand_children_are_ended(lab, within):
    started = time.monotonic()
    result = lab.run("brood", 1000, done_pattern="ready", linger=0, timeout=60, grace=5)
    within(started, 8)
    assert result.signals[0].count == 1001


def test_command_that_takes_more_memory_than_its_limit_fails_and_not_its_host(lab):
    result = lab.run("memory", 400, 0, max_memory=200_000_000)
    assert (result.outcome, result.returncode) == (Outcome.EXITED, 1)
    assert "MemoryError" in result.stderr.tail


@pytest.fixture
def small_group():
    """A control group of 60 MB, as root of a machine that lets us make one."""
    for root, limits in (
        ("/sys/fs/cgroup/memory", ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]),
        ("/sys/fs/cgroup", ["memory.max", "memory.swap.max"]),
    ):
        group = Path(root) / f"pipekit-test-{os.getpid()}"
        if not (Path(root) / "cgroup.procs").exists():
            continue
        try:
            group.mkdir()
            for limit, size in zip(limits, ("60000000", "60000000"), strict=True):
                with contextlib.suppress(FileNotFoundError):
                    (group / limit).write_text(size)
        except OSError:
            continue
        if (group / limits[0]).exists():
            yield group
            group.rmdir()
            return
        group.rmdir()
    pytest.skip("no control group with a limit of memory can be made here")


def test_sigkill_while_the_oom_killer_strikes_is_named(lab, small_group):
    script = f"echo $$ > {small_group}/cgroup.procs; exec {' '.join(bad('memory', 400, 0))}"
    result = lab.execute(lab.command("sh", "-c", script))
    assert (result.signal, result.success, result.out_of_memory) == ("SIGKILL", False, True)
    assert result.reason == "killed while the system ran out of memory"


def test_nothing_is_decided_by_the_wall_clock(lab, host):
    """It jumps by days with each look; nobody in the package looks but to tell when it was."""
    told = host(
        "import attrs, itertools\n"
        "leaps = itertools.cycle([0.0, 4e9, 1e5])\n"
        "time.time = lambda: next(leaps)\n"
        "for more in ({'timeout': 0.4}, {'timeout': None, 'hang_timeout': 0.4}):\n"
        "    result = supervisor.execute(attrs.evolve(command, **more))\n"
        "    print(result.outcome, 0.4 <= result.duration < 1.4)",
        *["sleep", "60"],
    )
    assert told == "timed_out True\nhung True\n"
    sources = Path(pipekit.process.__file__).parent.rglob("*.py")
    lines = [line.strip() for file in sources for line in file.read_text().splitlines()]
    looks = {line for line in lines if "time.time(" in line}
    assert looks == {
        "started, begun = time.time(), time.monotonic()",
        "began = time.time()",  # these three are told in the outcome of a node
        "outcome = TaskOutcome(spec.attempt, node, process, files, began, time.time())",
        "return ProcessResult(Outcome.SPAWN_FAILED, reason=reason, started=time.time())",
    }


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a spawner")
def test_prepared_spawner_serves_the_first_command(host):
    """It starts beside the caller's other work, and no second one is started."""
    told = host(
        "from pipekit.process import prepare\n"
        "children = lambda: open('/proc/self/task/%d/children' % os.getpid()).read().split()\n"
        "prepared = prepare()\n"
        "before = children()\n"
        "result = supervisor.execute(command)\n"
        "print(len(before), before == children(), bool(result))\n",
        "true",
    )
    assert told == "1 True True\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a spawner")
def test_spawner_that_cannot_be_prepared_is_reported_by_the_first_command(host):
    told = host(
        "from pipekit.process import prepare\n"
        "import pipekit.process.linux.child\n"  # while files can still be opened
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 100))\n"
        "prepared = prepare()\n"
        "print(prepared, supervisor.execute(command).outcome)\n",
        "true",
    )
    assert told == "None spawn_failed\n"
