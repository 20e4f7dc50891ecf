"""The verdict: every combination of what was seen, and never a false success."""

from __future__ import annotations

import itertools
import sys

import pytest

from pipekit.model.command import Command, Outcome
from pipekit.process.child import Exit, ProcessUsage
from pipekit.process.hang import TreeUsage
from pipekit.process.verdict import combined_usage, judge, signal_name

SEEN = [Outcome.EXITED, Outcome.TIMED_OUT, Outcome.HUNG, Outcome.COMPLETED, Outcome.CANCELLED]
CODES = [None, 0, 1, -9, -15, 137]


def command(*, completed_ok: bool = False) -> Command:
    return Command(argv=["x"], timeout=1, hang_timeout=1, completed_ok=completed_ok)


@pytest.mark.parametrize("completed_ok", [True, False])
def test_success_is_exit_code_0_by_itself_or_a_completion_that_counts(completed_ok):
    for outcome, code, stopped, oom in itertools.product(SEEN, CODES, [True, False], [True, False]):
        seen = command(completed_ok=completed_ok), outcome, Exit(code, None, None)
        result = judge(*seen, stopped=stopped, oom_kill=oom)
        itself = code == 0 and not stopped and outcome in (Outcome.EXITED, Outcome.COMPLETED)
        told = completed_ok and stopped and outcome is Outcome.COMPLETED and code is not None
        assert result.success is (itself or told), seen
        assert result.reason


@pytest.mark.parametrize("exit", [None, Exit(None, None, None)])
@pytest.mark.parametrize("outcome", [Outcome.EXITED, Outcome.COMPLETED])
@pytest.mark.parametrize("stopped", [True, False])
def test_status_that_nobody_knows_is_lost(exit, outcome, stopped):
    result = judge(command(completed_ok=True), outcome, exit, stopped=stopped)
    assert (result.outcome, result.success) == (Outcome.LOST, False)


@pytest.mark.parametrize(
    ("code", "stopped", "oom", "named"),
    [(-9, False, True, True), (137, False, True, True), (-9, True, True, False),
     (-9, False, False, False), (1, False, True, False)],
)  # fmt: skip
def test_out_of_memory_is_named_when_the_kernel_killed_and_not_we(code, stopped, oom, named):
    exit = Exit(code, None, None)
    result = judge(command(), Outcome.EXITED, exit, stopped=stopped, oom_kill=oom)
    assert result.out_of_memory is named
    assert ("ran out of memory" in result.reason) is named


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_signals_have_names_also_those_without():
    assert (signal_name(9), signal_name(11), signal_name(40)) == ("SIGKILL", "SIGSEGV", "SIG40")


def used(pid: int, cpu: float, io: int, rss: int, waited: float = 0.0) -> ProcessUsage:
    return ProcessUsage(
        pid=pid, started=1.0, cpu=cpu, waited=waited, io=io, rss=rss, peak_rss=2 * rss
    )


def test_usage_of_a_tree_sums_what_ran_together():
    tree = TreeUsage()
    tree.add([used(1, 1.0, 5, 100), used(2, 0.5, 0, 300)])
    tree.add([used(1, 1.25, 5, 100)])
    tree.add([])
    assert (tree.peak_rss, tree.cpu, tree.io_changes) == (600, 1.75, 1)
    tree.add([used(1, 1.25, 6, 700), used(3, 0, 0, 800)])
    assert (tree.peak_rss, tree.io_changes) == (1600, 2)


def test_cpu_of_a_child_is_not_counted_again_when_its_parent_has_waited_for_it():
    tree = TreeUsage()
    tree.add([used(1, 1.0, 0, 1), used(2, 0.5, 0, 1)])
    tree.add([used(1, 1.0, 0, 1, waited=0.75)])  # the child used 0.25 more before it ended
    assert tree.cpu == 1.75
    tree.add([used(1, 1.0, 0, 1, waited=1.0)])  # of a child that was never seen
    assert tree.cpu == 2.0


def test_usage_names_its_sources_and_prefers_the_larger():
    sampled = TreeUsage()
    sampled.add([used(1, 2.0, 0, 100)])
    assert combined_usage(sampled, Exit(0, 3.0, None)) == (200, 3.0, "memory: sampled; cpu: wait4")
    assert combined_usage(sampled, Exit(0, 1.0, 500)) == (500, 2.0, "memory: wait4; cpu: sampled")
    assert combined_usage(TreeUsage(), Exit(0, 1.0, None)) == (None, 1.0, "cpu: wait4")
    assert combined_usage(TreeUsage(), None) == (None, None, "")
