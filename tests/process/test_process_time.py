"""Time: deadlines, hangs that are none, and work that is done before its process ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from pipekit.model.command import Outcome


def test_timeout_ends_the_command_in_time(lab, within):
    started = time.monotonic()
    result = lab.run("sleep", 60, timeout=0.3)
    within(started, 0.3)
    assert (result.outcome, result.signal, result.success) == (Outcome.TIMED_OUT, "SIGTERM", False)
    assert [(signal.name, signal.count) for signal in result.signals] == [("SIGTERM", 1)]
    assert 0.3 <= result.signals[0].at <= result.duration


def test_timeout_of_nothing_is_over_at_once(lab, within):
    started = time.monotonic()
    assert lab.run("sleep", 60, timeout=0).outcome is Outcome.TIMED_OUT
    within(started, 0)


def test_exit_code_0_after_our_signal_is_still_a_timeout(lab):
    result = lab.run("slow_to_end", 0, timeout=0.3, grace=5)
    assert (result.outcome, result.returncode, result.success) == (Outcome.TIMED_OUT, 0, False)


def test_exit_racing_the_timeout_always_gives_a_consistent_result(lab):
    """Either it exited by itself and no signal was sent, or it timed out and one was."""
    outcomes = set()
    for number in range(200):
        timeout = 0.010 + 0.00005 * (number % 100)
        result = lab.supervisor.execute(lab.command("sleep", 0.012, timeout=timeout, grace=1))
        outcomes.add(result.outcome)
        if result.outcome is Outcome.EXITED:
            assert result.success
            assert result.signals == ()
        else:
            assert result.outcome is Outcome.TIMED_OUT
            # 0: it ended by itself between the decision and the signal, and the signal hit nobody.
            assert [sent.count for sent in result.signals] in ([1], [0])
            assert not result.success
    assert outcomes == {Outcome.EXITED, Outcome.TIMED_OUT}


def test_hang_is_noticed_in_time(lab, within):
    started = time.monotonic()
    result = lab.run("sleep", 60, hang_timeout=0.6)
    within(started, 0.6)
    assert result.outcome is Outcome.HUNG
    assert "for 0.6 s" in result.reason


def test_stopped_child_hangs_and_can_be_ended_politely(lab):
    result = lab.run("stops_itself", hang_timeout=0.5, grace=5)
    assert (result.outcome, result.signal) == (Outcome.HUNG, "SIGTERM")


@pytest.mark.parametrize("way", ["busy", "reads_and_writes", "pieces", "child"])
def test_sign_of_life_of_any_kind_is_no_hang(lab, tmp_path, way):
    """Silent but busy, silent but writing a file, talking, and a busy child of an idle one."""
    options = {"hang_timeout": 0.3}
    commands = {
        "busy": lab.bad("busy", 0.9, **options),
        "reads_and_writes": lab.bad("reads_and_writes", tmp_path / "file", 0.9, **options),
        "pieces": lab.bad("pieces", 0.2, *["2e"] * 5, **options),
        "child": lab.command("sh", "-c", f"{' '.join(lab.bad('busy', 1.2).argv)}; true", **options),
    }
    assert lab.execute(commands[way]).outcome is Outcome.EXITED


@contextmanager
def peer(family, *, sends=True):
    """Somebody who sends or reads a little, ten times, and then is silent until asked to stop."""
    stop = threading.Event()

    def talk(listener):
        # the command may have been ended by then
        with listener, listener.accept()[0] as connection, contextlib.suppress(ConnectionError):
            connection.settimeout(5)
            for _ in range(10):
                if sends:
                    connection.sendall(b"x" * 1000)
                elif not connection.recv(65536):
                    break
                if stop.wait(0.1):
                    return
            stop.wait(5)

    listener = socket.create_server(
        ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family
    )
    thread = threading.Thread(target=talk, args=(listener,))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("how", ["receives", "polls", "ipv6", "sends"])
def test_bytes_over_the_network_are_life_and_their_end_is_a_hang(lab, how):
    """By recv(2) and send(2), which are in no counter of the process."""
    family = socket.AF_INET6 if how == "ipv6" else socket.AF_INET
    with peer(family, sends=how != "sends") as port:
        result = lab.run("talks", port, how, hang_timeout=0.5)
    assert result.outcome is Outcome.HUNG
    assert 1.0 < result.duration < 4


def test_bytes_that_nobody_reads_are_no_life(lab):
    with peer(socket.AF_INET) as port:
        result = lab.run("talks", port, "ignores", hang_timeout=0.5)
    assert result.outcome is Outcome.HUNG
    assert result.duration < 1.0


@pytest.mark.parametrize("for_what", ["lock", "file lock", "poll", "datagram"])
def test_waiting_for_what_never_comes_is_a_hang(lab, within, for_what):
    started = time.monotonic()
    result = lab.run("waits", for_what, hang_timeout=0.6)
    within(started, 0.6)
    assert result.outcome is Outcome.HUNG


def test_growth_of_the_activity_file_by_somebody_else_is_life(lab, tmp_path):
    """Without it the same command hangs: its life is nowhere else to be seen."""
    activity = tmp_path / "activity"
    grower = os.fork()
    if grower == 0:
        with open(activity, "ab", buffering=0) as file:
            for _ in range(60):
                file.write(b"x")
                time.sleep(0.05)
        os._exit(0)
    try:
        alive = lab.run("sleep", 0.9, hang_timeout=0.4, activity=activity)
        hung = lab.run("sleep", 0.9, hang_timeout=0.4)
    finally:
        os.kill(grower, signal.SIGKILL)
        os.waitpid(grower, 0)
    assert (alive.outcome, hung.outcome) == (Outcome.EXITED, Outcome.HUNG)


def test_hang_is_told_after_life_has_ceased(lab, within):
    started = time.monotonic()
    result = lab.execute(
        lab.command(
            "sh", "-c", f"{' '.join(lab.bad('busy', 0.5).argv)}; sleep 60", hang_timeout=0.5
        )
    )
    within(started, 1.1)
    assert result.outcome is Outcome.HUNG
    assert result.duration >= 1.0


@pytest.mark.parametrize(
    "sign", [{"done_pattern": r"all \w+ now"}, {"done": lambda s: "DONE" in s}]
)
@pytest.mark.parametrize("completed_ok", [True, False])
def test_completion_without_exit_gets_linger_and_is_what_the_command_says(
    lab, within, sign, completed_ok
):
    """The sign is cut by two reads."""
    started = time.monotonic()
    result = lab.run("done", 60, 0, linger=0.3, completed_ok=completed_ok, **sign)
    within(started, 0.4)
    assert result.outcome is Outcome.COMPLETED
    assert result.success is completed_ok
    assert result.duration >= 0.3


@pytest.mark.parametrize(("code", "success"), [(0, True), (1, False)])
def test_exit_code_after_completion_counts(lab, code, success):
    result = lab.run("done", 0.1, code, done_pattern="DONE", linger=5, completed_ok=True)
    assert (result.outcome, result.returncode) == (Outcome.COMPLETED, code)
    assert result.success is success
    assert result.signals == ()


def test_predicate_that_raises_is_a_warning_and_no_completion(lab):
    result = lab.run("done", 0, 0, done=lambda _: 1 / 0)
    assert (result.outcome, result.success) == (Outcome.EXITED, True)
    assert "the done predicate raised ZeroDivisionError" in result.warnings[0]
    assert "(2 times)" in result.warnings[0]


@pytest.mark.parametrize("how", ["pattern", "predicate"])
def test_search_for_completion_that_takes_for_ever_stops_no_timeout(lab, within, how):
    end, others = threading.Event(), set(threading.enumerate())
    slow = {"pattern": {"done_pattern": "(a+)+$"}, "predicate": {"done": lambda _: end.wait(60)}}
    said = {"pattern": "no longer searched", "predicate": "the done predicate raised TimeoutError"}
    shown = "a" * 40 + "!"
    command = lab.command("sh", "-c", f"echo {shown}; exec sleep 60", timeout=3, **slow[how])
    started = time.monotonic()
    result = lab.execute(command)
    within(started, 3)
    end.set()
    for thread in set(threading.enumerate()) - others:
        thread.join(10)  # that of the predicate, which has just been let go
    assert (result.outcome, result.signal) == (Outcome.TIMED_OUT, "SIGTERM")
    assert said[how] in result.warnings[0]


def test_pattern_is_searched_in_every_line_whatever_its_bytes(lab):
    """No character ends a line for the search that does not end it elsewhere."""
    odd = r"a\0b\v\f\0205\342\200\250DONE\377"
    command = lab.command("sh", "-c", f"printf '{odd}\nx'", done_pattern="^a.*DONE", linger=5)
    assert lab.execute(command).outcome is Outcome.COMPLETED
    command = lab.command("sh", "-c", f"printf '{odd}\nx'", done_pattern="^DONE", linger=5)
    assert lab.execute(command).outcome is Outcome.EXITED


def test_timeout_counts_while_survivors_linger(lab, within):
    started = time.monotonic()
    result = lab.run("orphan", 60, "silent", timeout=0.5, linger=30)
    within(started, 0.5)
    assert (result.outcome, result.survivors) == (Outcome.EXITED, 1)
