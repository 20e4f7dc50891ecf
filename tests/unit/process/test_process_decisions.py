"""What is decided on any system: the loop, the stop and the hang watch over a scripted back end.

The script stands for Linux (somebody knows when the tree is empty) and for macOS and Windows (one
has to look): each decision is made for both. Time passes only while the loop waits.
"""

from __future__ import annotations

import itertools
import sys

import pytest

from pipekit.model.command import Command, Outcome
from pipekit.process import loop, verdict
from pipekit.process.cancel import Cancel
from pipekit.process.output.spool import Spool
from pipekit.process.output.stream import OutputStream

from .fake_child import FakeChild

KNOWN = pytest.mark.parametrize("known", [False, None], ids=["known", "looked at"])


@pytest.fixture
def see(monkeypatch):
    """Supervise a command whose back end is `child`; its supervision and the verdict."""

    def run(child, cancel=None, **options):
        monkeypatch.setattr(loop, "time", child.clock)
        command = Command(argv=["x"], **{"linger": 0.1, "grace": 0.2, **options})
        lines = "done" in options
        streams = {s: OutputStream(Spool(None), "utf-8", lines=lines) for s in ("stdout", "stderr")}
        supervision = loop.Supervision(command, child, streams, on_lines=None, cancel=cancel)
        try:
            supervision.run()
        finally:
            supervision.close()
        assert child.closed
        outcome = supervision.outcome or Outcome.EXITED
        stopped = supervision.stopped
        return supervision, verdict.judge(command, outcome, supervision.exit, stopped=stopped)

    return run


def names(child):
    """The signals in their order, each once."""
    return [name for name, _ in itertools.groupby(name for name, _, _ in child.sent)]


@KNOWN
@pytest.mark.parametrize("order", list(itertools.permutations(["exit 0", "gone", "eof"])), ids=str)
def test_exit_empty_and_end_of_output_may_come_in_any_order(see, known, order):
    child = FakeChild(*[(0.03 * n, step) for n, step in enumerate(order)], known=known)
    run, result = see(child, timeout=5)
    assert (result.outcome, result.success) == (Outcome.EXITED, True)
    assert child.sent == []
    assert run.now() < 1.5


@KNOWN
def test_what_outlives_the_leader_gets_linger_and_then_is_stopped(see, known):
    child = FakeChild((0, "join"), (0, "eof"), (0.02, "exit 0"), known=known)
    run, result = see(child)
    assert (result.success, run.stop.survivors) == (True, 1)
    assert names(child) == ["SIGTERM"]
    assert child.sent[0][1] >= 0.1


@KNOWN
def test_timeout_asks_politely_and_is_no_exit_of_its_own(see, known):
    child = FakeChild(known=known)
    _, result = see(child, timeout=0.1)
    assert (result.outcome, result.success) == (Outcome.TIMED_OUT, False)
    assert names(child) == ["SIGTERM"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@KNOWN
def test_who_ignores_the_question_is_killed_after_the_grace_and_not_before(see, known):
    child = FakeChild(known=known, dies_of="SIGKILL")
    _, result = see(child, timeout=0.1, grace=0.3)
    assert result.signal == "SIGKILL"
    assert names(child) == ["SIGTERM", "SIGKILL"]
    killed = next(at for name, at, _ in child.sent if name == "SIGKILL")
    assert killed >= 0.39


@KNOWN
def test_kill_is_repeated_while_anybody_is_there(see, known):
    child = FakeChild((0, "join"), known=known, dies_of="SIGKILL", after=0.1)
    see(child, timeout=0, grace=0)
    assert sum(name == "SIGKILL" for name, _, _ in child.sent) > 2


@KNOWN
def test_what_no_signal_ends_is_given_up_and_named(see, known):
    child = FakeChild((0, "join"), known=known, obeys=False)
    run, result = see(child, timeout=0, grace=0.1)
    assert run.now() < 0.1 + 0.5 + 1
    assert run.exit is None
    assert [member.pid for member in run.remaining] in ([200], [])
    assert not result.success


@KNOWN
def test_exit_that_was_there_before_the_signal_is_its_own(see, known):
    child = FakeChild((0.1, "exit 3"), (0.1, "gone"), (0.1, "eof"), known=known)
    _, result = see(child, timeout=0.1)
    if result.outcome is Outcome.EXITED:
        assert (result.returncode, result.success) == (3, False)
    else:
        assert result.outcome is Outcome.TIMED_OUT


@KNOWN
def test_cancel_is_polite_and_cancel_now_ends_the_grace(see, known):
    for now, expected in ((False, ["SIGTERM"]), (True, ["SIGTERM", "SIGKILL"])):
        child = FakeChild(known=known, dies_of="SIGKILL" if now else "SIGTERM")
        with Cancel() as cancel:
            child.at(0.05, lambda hard=now, c=cancel: c.set(now=hard))
            run, result = see(child, cancel, grace=30)
        assert result.outcome is Outcome.CANCELLED
        assert names(child) == expected
        assert run.now() < 2


@KNOWN
def test_silence_without_cpu_is_a_hang_and_with_cpu_is_none(see, known):
    idle = FakeChild(known=known)
    assert see(idle, hang_timeout=0.2)[1].outcome is Outcome.HUNG
    ends = [(0.6, "exit 0"), (0.6, "gone"), (0.6, "eof")]
    busy = FakeChild((0, "work"), *ends, known=known)
    assert see(busy, hang_timeout=0.2)[1].success
    talks = FakeChild(*[(n / 10, "out x") for n in range(6)], *ends, known=known)
    assert see(talks, hang_timeout=0.2)[1].success


@KNOWN
def test_done_completes_and_what_goes_on_is_ended_after_linger(see, known):
    child = FakeChild((0.02, "out wor"), (0.05, "out king\nDO"), (0.08, "out NE\n"), known=known)
    _, result = see(child, done=lambda line: line == "DONE", completed_ok=True)
    assert (result.outcome, result.success) == (Outcome.COMPLETED, True)
    assert child.sent[0][1] >= 0.08 + 0.1 - 0.02


def test_lost_leader_is_never_a_success_and_what_is_left_is_ended_at_once(see):
    child = FakeChild((0, "join"), (0, "eof"), (0.05, "lose"))
    run, result = see(child, grace=30)
    assert (result.outcome, result.success) == (Outcome.LOST, False)
    assert "SIGKILL" in names(child)
    assert run.now() < 2


def test_who_cannot_look_for_survivors_says_so_and_ends_what_there_may_be(see):
    child = FakeChild((0, "blind"), (0, "eof"), (0.02, "exit 0"))
    run, result = see(child, timeout=0.5, grace=0.1)
    assert isinstance(run.scan_error, OSError)
    assert result.returncode == 0
    assert run.now() < 0.5 + 0.1 + 0.5 + 1


def test_pipe_held_open_by_somebody_out_of_reach_is_not_waited_for_for_ever(see):
    child = FakeChild((0, "exit 0"), (0, "gone"), known=False)
    run, result = see(child, timeout=0.3)
    assert result.success
    assert run.open_streams == ["stdout", "stderr"]
    assert run.now() < 1.5
