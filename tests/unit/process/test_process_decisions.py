"""What is decided, on any system: the loop, the ladder and the vigil over a backend with a script.

The script stands for Linux (somebody tells when the tree is empty), and for macOS and Windows (one
has to look): each decision is made for both.
"""

from __future__ import annotations

import itertools
import threading

import pytest

from pipekit.model.command import Command, Outcome
from pipekit.process import verdict
from pipekit.process.cancel import Cancel
from pipekit.process.loop import Run
from pipekit.process.output.stream import OutputStream

from .fake_child import FakeChild

TOLD = pytest.mark.parametrize("told", [False, None], ids=["told", "looked at"])


def see(child, cancel=None, **options):
    """The finished run of a command whose backend is `child`, and its verdict."""
    command = Command(argv=["x"], **{"linger": 0.1, "grace": 0.2, **options})
    cut = "done_pattern" in options
    streams = {s: OutputStream(None, "utf-8", cut=cut) for s in ("stdout", "stderr")}
    run = Run(command, child, streams, None, cancel)
    try:
        run.supervise()
    finally:
        run.close()
    facts = verdict.Facts(outcome=run.outcome or Outcome.EXITED, stopped=run.stopped, exit=run.exit)
    assert child.closed
    return run, verdict.judge(command, facts)


def names(child):
    """The signals in their order, each once."""
    return [name for name, _ in itertools.groupby(name for name, _, _ in child.sent)]


@TOLD
@pytest.mark.parametrize("order", list(itertools.permutations(["exit 0", "gone", "eof"])), ids=str)
def test_exit_empty_and_end_of_output_may_come_in_any_order(told, order):
    child = FakeChild(*[(0.03 * n, step) for n, step in enumerate(order)], told=told)
    run, result = see(child, timeout=5)
    assert (result.outcome, result.success) == (Outcome.EXITED, True)
    assert child.sent == []
    assert run.now() < 1.5


@TOLD
def test_what_outlives_the_leader_gets_linger_and_then_the_ladder(told):
    child = FakeChild((0, "join"), (0, "eof"), (0.02, "exit 0"), told=told)
    run, result = see(child)
    assert (result.success, run.ladder.survivors) == (True, 1)
    assert names(child) == ["SIGTERM"]
    assert child.sent[0][1] >= 0.1


@TOLD
def test_timeout_asks_politely_and_is_no_exit_of_its_own(told):
    child = FakeChild(told=told)
    _, result = see(child, timeout=0.1)
    assert (result.outcome, result.success) == (Outcome.TIMED_OUT, False)
    assert names(child) == ["SIGTERM"]


@TOLD
def test_who_ignores_the_question_is_killed_after_the_grace_and_not_before(told):
    child = FakeChild(told=told, dies_of="SIGKILL")
    _, result = see(child, timeout=0.1, grace=0.3)
    assert result.signal == "SIGKILL"
    assert names(child) == ["SIGTERM", "SIGKILL"]
    killed = next(at for name, at, _ in child.sent if name == "SIGKILL")
    assert killed >= 0.39


@TOLD
def test_kill_is_repeated_while_anybody_is_there(told):
    child = FakeChild((0, "join"), told=told, dies_of="SIGKILL", after=0.1)
    see(child, timeout=0, grace=0)
    assert sum(name == "SIGKILL" for name, _, _ in child.sent) > 2


@TOLD
def test_what_no_signal_ends_is_given_up_and_named(told):
    child = FakeChild((0, "join"), told=told, obeys=False)
    run, result = see(child, timeout=0, grace=0.1)
    assert run.now() < 0.1 + 0.5 + 1
    assert run.exit is None
    assert [member.pid for member in run.left] in ([200], [])
    assert not result.success


@TOLD
def test_exit_that_was_there_before_the_signal_is_its_own(told):
    child = FakeChild((0.1, "exit 3"), (0.1, "gone"), (0.1, "eof"), told=told)
    _, result = see(child, timeout=0.1)
    if result.outcome is Outcome.EXITED:
        assert (result.returncode, result.success) == (3, False)
    else:
        assert result.outcome is Outcome.TIMED_OUT


@TOLD
def test_cancel_is_polite_and_cancel_now_ends_the_grace(told):
    for now, expected in ((False, ["SIGTERM"]), (True, ["SIGTERM", "SIGKILL"])):
        child = FakeChild(told=told, dies_of="SIGKILL" if now else "SIGTERM")
        with Cancel() as cancel:
            timer = threading.Timer(0.05, lambda hard=now, c=cancel: c.set(now=hard))
            timer.start()
            run, result = see(child, cancel, grace=30)
            timer.join()
        assert result.outcome is Outcome.CANCELLED
        assert names(child) == expected
        assert run.now() < 2


@TOLD
def test_silence_without_cpu_is_a_hang_and_with_cpu_is_none(told):
    idle = FakeChild(told=told)
    assert see(idle, hang_timeout=0.2)[1].outcome is Outcome.HUNG
    ends = [(0.6, "exit 0"), (0.6, "gone"), (0.6, "eof")]
    busy = FakeChild((0, "works"), *ends, told=told)
    assert see(busy, hang_timeout=0.2)[1].success
    talks = FakeChild(*[(n / 10, "out x") for n in range(6)], *ends, told=told)
    assert see(talks, hang_timeout=0.2)[1].success


@TOLD
def test_done_pattern_completes_and_what_goes_on_is_ended_after_linger(told):
    child = FakeChild((0.02, "out wor"), (0.05, "out king\nDO"), (0.08, "out NE\n"), told=told)
    _, result = see(child, done_pattern="^DONE$", completed_ok=True)
    assert (result.outcome, result.success) == (Outcome.COMPLETED, True)
    assert child.sent[0][1] >= 0.08 + 0.1 - 0.02


def test_lost_leader_is_never_a_success_and_what_is_left_is_ended_at_once():
    child = FakeChild((0, "join"), (0, "eof"), (0.05, "loses"))
    run, result = see(child, grace=30)
    assert (result.outcome, result.success) == (Outcome.LOST, False)
    assert "SIGKILL" in names(child)
    assert run.now() < 2


def test_who_cannot_look_for_survivors_says_so_and_ends_what_there_may_be():
    child = FakeChild((0, "blinds"), (0, "eof"), (0.02, "exit 0"))
    run, result = see(child, timeout=0.5, grace=0.1)
    assert isinstance(run.blind, OSError)
    assert result.returncode == 0
    assert run.now() < 0.5 + 0.1 + 0.5 + 1


def test_pipe_held_open_by_somebody_out_of_reach_is_not_waited_for_for_ever():
    child = FakeChild((0, "exit 0"), (0, "gone"), told=False)
    run, result = see(child, timeout=0.3)
    assert result.success
    assert run.held_open == ["stdout", "stderr"]
    assert run.now() < 1.5
