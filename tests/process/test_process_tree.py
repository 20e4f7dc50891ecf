"""Trees: whatever a command leaves behind is ended, counted and told; nothing of it is left."""

from __future__ import annotations

import time

import pytest

from pipekit.model.command import Outcome


def names(result):
    return [signal.name for signal in result.signals]


def test_child_that_ignores_sigterm_is_killed_after_the_grace(lab, within):
    started = time.monotonic()
    result = lab.run("ignores_term", timeout=0.3, grace=0.4)
    within(started, 0.7)
    assert (result.outcome, result.signal) == (Outcome.TIMED_OUT, "SIGKILL")
    assert names(result) == ["SIGTERM", "SIGKILL"]
    assert result.signals[1].at - result.signals[0].at >= 0.4


def test_child_that_needs_most_of_the_grace_gets_it(lab):
    result = lab.run("slow_to_end", 0.8, timeout=0.3, grace=1.0)
    assert (result.returncode, names(result)) == (0, ["SIGTERM"])


def test_child_that_ends_at_once_does_not_cost_the_grace(lab, within):
    started = time.monotonic()
    assert names(lab.run("slow_to_end", 0, timeout=0.3, grace=30)) == ["SIGTERM"]
    within(started, 0.3)


def test_all_of_a_shell_with_children_is_ended(lab, within):
    started = time.monotonic()
    argv = " ".join(lab.bad("ignores_term").argv)
    result = lab.execute(
        lab.command("sh", "-c", f"sleep 60 & {argv} & {argv}; sleep 60", timeout=0.5, grace=0.3)
    )
    within(started, 0.8)
    assert result.outcome is Outcome.TIMED_OUT
    assert result.signals[0].count == 4


def test_child_in_a_session_of_its_own_is_asked_politely_too(lab, within):
    started = time.monotonic()
    result = lab.execute(
        lab.command("sh", "-c", "setsid sleep 60 & exec sleep 60", timeout=0.3, grace=30)
    )
    within(started, 0.3)
    assert names(result) == ["SIGTERM"]


@pytest.mark.parametrize("how", ["holds", "silent", "writes", "stays", "stays silent"])
def test_daemon_that_left_the_session_is_ended(lab, within, how):
    started = time.monotonic()
    result = lab.run("daemon", *how.split(), timeout=0.4, linger=0.2, grace=0.2)
    within(started, 0.6)
    assert result.outcome is (Outcome.TIMED_OUT if "stays" in how else Outcome.EXITED)
    assert result.survivors == 1
    assert result.success is ("stays" not in how)
    assert result.warnings == ("1 process outlived the command and had to be killed",)


def test_daemon_that_is_a_new_process_every_millisecond_is_caught(lab, within):
    seen = 0  # every look may miss a process that is another one by then
    for count in (1, 1, 6, 6):
        started = time.monotonic()
        result = lab.run("hopper", count, linger=0.1, grace=0.1)
        within(started, 0.2)
        assert result.escaped == ()
        seen += result.survivors
    assert seen


@pytest.mark.slow
def test_swarm_of_daemons_that_are_new_processes_all_the_time_is_caught(lab, within):
    for _ in range(12):
        started = time.monotonic()
        result = lab.run("hopper", 20, linger=0.1, grace=0.1)
        within(started, 0.2)
        assert result.escaped == ()


def test_survivors_get_linger_and_are_told(lab, within):
    started = time.monotonic()
    result = lab.run("orphan", 60, "silent", "stubborn", linger=0.4, grace=0.2)
    within(started, 0.6)
    assert (result.outcome, result.success, result.survivors) == (Outcome.EXITED, True, 1)
    assert result.duration >= 0.6
    assert names(result) == ["SIGTERM", "SIGKILL"]


def test_process_that_ends_within_linger_is_no_survivor(lab):
    result = lab.run("orphan", 0.3, "silent", linger=5)
    assert (result.survivors, result.signals, result.warnings) == (0, (), ())
    assert result.duration >= 0.3


def test_daemon_that_dropped_its_session_and_its_environment_is_ended(lab, within):
    """It has nothing left to be known by but its descent: the guardian has adopted it."""
    started = time.monotonic()
    result = lab.run("scrubbed_daemon", 60, linger=0.3, grace=0.3)
    within(started, 0.6)
    assert result.success
    assert result.survivors == 1
    assert result.stdout.size == 10_000
    assert result.warnings == ("1 process outlived the command and had to be killed",)


@pytest.mark.parametrize(
    ("way", "options"),
    [
        ("close_output 0.5", {}),
        ("ignores_term", {"timeout": 0.5, "grace": 0.5}),
        ("orphan 60 silent stubborn", {"linger": 0.5, "grace": 0.5}),
        ("scrubbed_daemon 60", {"linger": 0.5}),
        ("done 60 0", {"done_pattern": "DONE", "linger": 0.5}),
        ("sleep 60", {"hang_timeout": 0.5}),
    ],
)
def test_waiting_is_no_spinning_whatever_is_waited_for(lab, way, options):
    """Any wait costs far less of a core than it takes."""
    before = time.process_time()
    result = lab.supervisor.execute(lab.bad(*way.split(), **options))
    assert result.duration > 0.4
    assert time.process_time() - before < 0.4 * result.duration


def test_hundreds_of_children_are_ended(lab, within):
    started = time.monotonic()
    result = lab.run("brood", 300, done_pattern="ready", linger=0, timeout=30, grace=5)
    within(started, 3)
    assert result.signals[0].count == 301


def test_zombies_of_the_command_are_no_survivors(lab):
    result = lab.run("zombies", 20, done_pattern="ready", linger=0, grace=5)
    assert (result.signals[0].count, result.survivors) == (1, 0)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGTERM"])
def test_death_by_a_signal_is_named(lab, name):
    """Of SIGKILL it depends on what else the machine does: see `judge`."""
    result = lab.run("signal", name)
    assert (result.outcome, result.signal, result.success) == (Outcome.EXITED, name, False)
    assert f"killed by {name}, which pipekit did not send" in result.reason
    assert not result.out_of_memory


def test_memory_and_cpu_of_the_tree_are_measured_and_their_source_named(lab):
    result = lab.execute(
        lab.command(
            "sh",
            "-c",
            f"{' '.join(lab.bad('memory', 64, 0.6).argv)}; {' '.join(lab.bad('burn', 0.3).argv)}",
        )
    )
    assert 64e6 < result.peak_rss < 120e6
    assert result.cpu_seconds >= 0.25
    assert result.usage_source == "memory: sampled; cpu: wait4"


def test_memory_of_a_short_command_is_not_that_of_its_parent(lab):
    """The kernel starts a child's peak at its parent's: better nothing than a wrong number."""
    ballast = bytearray(200_000_000)
    ballast[::4096] = b"x" * len(ballast[::4096])
    result = lab.execute(lab.command("true"))
    assert result.peak_rss is None or result.peak_rss < 50e6


def test_ten_commands_at_once_do_not_know_of_each_other(lab):
    """As threads of one process: each gets its own status, output and end."""
    from concurrent.futures import ThreadPoolExecutor

    def run(number: int) -> tuple[int | None, str]:
        script = f"echo {number}; exit {number}"
        command = lab.command("sh", "-c", script)
        result = lab.supervisor.execute(command, name=f"task{number}")
        return result.returncode, result.stdout.tail

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(run, range(60))) == [(n, f"{n}\n") for n in range(60)]


def test_many_commands_leave_nothing_behind(lab):
    """The fixture compares descriptors, threads and children before and after."""
    for number in range(300):
        assert lab.supervisor.execute(lab.command("echo", number)).stdout.tail == f"{number}\n"
    assert len(list(lab.spools.iterdir())) == 300
