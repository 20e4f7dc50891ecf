"""The long set: the same promises in thousands and in gigabytes; `pytest tests/process -m long`."""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path

import pytest

from pipekit.model.command import Outcome

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

MIB = 1 << 20
GROWTH = 8 * MIB  # what the supervisor may grow by, whatever is written


def resident() -> int:
    """Bytes of this process that are in memory, without what files are mapped."""
    words = Path("/proc/self/statm").read_text().split()
    return (int(words[1]) - int(words[2])) * os.sysconf("SC_PAGE_SIZE")


class Watch:
    """How far this process grows meanwhile."""

    def __enter__(self):
        gc.collect()
        self._before = self.most = resident()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self):
        while not self._ended.wait(0.02):
            self.most = max(self.most, resident())

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        self.growth = self.most - self._before


def test_ten_gigabytes_cost_no_memory(lab):
    lab.execute(lab.bad("long_line", 16 * MIB))  # whatever is made once
    with Watch() as watch:
        result = lab.execute(lab.command("head", "-c", 10 * 1024 * MIB, "/dev/zero"))
    assert result.stdout.size == 10 * 1024 * MIB
    assert result.stdout.spool.stat().st_size + result.stdout.dropped == result.stdout.size
    result.stdout.spool.unlink()
    assert watch.growth <= GROWTH


TORRENT = """
from pathlib import Path
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

def plan(ctx, settings):
    command = Command(argv=["head", "-c", Path("size").read_text(), "/dev/zero"])
    return StagePlan(reason="always", tasks=[Task(name="flow", command=command)])

@hookimpl
def pipekit_stages():
    yield StageSpec("torrent", plan)
"""


def peak_of_a_run(project, size) -> int:
    """Bytes of memory that `pipekit run` had at most, with a stage that prints so much."""
    project.write("size", str(size))
    peak = 0
    with project.start("run") as run:
        while run.poll() is None:
            status = Path(f"/proc/{run.pid}/status").read_text()
            found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
            peak = max(peak, *(int(kilobytes) * 1024 for kilobytes in found), 0)
            time.sleep(0.005)
    assert run.returncode == 0
    (spool,) = project.root.glob("logs/runs/*/*/*.out")
    assert spool.stat().st_size == size
    spool.unlink()
    return peak


def test_ten_gigabytes_through_a_stage_cost_the_run_no_memory(project):
    project.plugin("torrent", TORRENT)
    project.config("[pipeline]\nstages = ['torrent']\n")
    few, many = peak_of_a_run(project, 100), peak_of_a_run(project, 10 * 1024 * MIB)
    assert few > 0
    assert many - few <= GROWTH


def test_line_of_a_gigabyte_costs_no_memory_and_is_told_in_pieces(lab):
    told = [0]
    lab.execute(lab.bad("long_line", 16 * MIB), lambda _, lines: None)
    with Watch() as watch:
        result = lab.execute(
            lab.bad("long_line", 1024 * MIB),
            lambda _, lines: told.append(told.pop() + sum(map(len, lines))),
        )
    assert result.stdout.size == told[0] == 1024 * MIB
    assert watch.growth <= GROWTH


def test_25_million_short_lines_are_all_told_and_cost_no_memory(lab):
    told = [0]
    lab.execute(lab.command("seq", 100_000), lambda _, lines: None)
    with Watch() as watch:
        result = lab.execute(
            lab.command("seq", 25_000_000), lambda _, lines: told.append(told.pop() + len(lines))
        )
    assert told[0] == result.stdout.lines == 25_000_000
    assert watch.growth <= GROWTH + 16 * MIB  # and 4 MiB of lines wait for the callback


def test_ten_thousand_commands_leave_nothing_behind(lab):
    """Descriptors, threads and children are compared by the fixture; here it is memory."""
    for _ in range(500):
        lab.supervisor.execute(lab.command("true"))
    gc.collect()
    before = resident()
    for number in range(10_000):
        assert lab.supervisor.execute(lab.command("echo", number)).stdout.tail == f"{number}\n"
    gc.collect()
    assert resident() - before < 10_000 * 1024
    assert len(list(lab.spools.iterdir())) == 10_000


def test_exit_racing_the_timeout_2000_times(lab):
    outcomes = set()
    for number in range(2000):
        timeout = 0.010 + 0.00002 * (number % 250)
        result = lab.supervisor.execute(lab.command("sleep", 0.012, timeout=timeout, grace=1))
        outcomes.add(result.outcome)
        if result.outcome is Outcome.EXITED:
            assert (result.success, result.signals) == (True, ())
        else:
            assert result.outcome is Outcome.TIMED_OUT
            assert not result.success
    assert outcomes == {Outcome.EXITED, Outcome.TIMED_OUT}


NASTY = [
    "daemon stays",
    "daemon silent",
    "scrubbed_daemon 60",
    "hopper",
    "stops_itself",
    "brood 20",
]


@pytest.mark.parametrize("way", NASTY)
def test_nasty_tree_a_thousand_times(lab, way):
    for _ in range(1000):
        result = lab.run(*way.split(), timeout=0.1, linger=0.02, grace=0.02)
        assert result.escaped == ()
        assert result.outcome in (Outcome.EXITED, Outcome.TIMED_OUT)


def test_last_instant_is_kept_10_000_times_and_success_is_never_wrong(lab):
    for number in range(10_000):
        code = number % 3
        result = lab.supervisor.execute(lab.command("sh", "-c", f"echo {number}; exit {code}"))
        assert result.stdout.tail == f"{number}\n"
        assert result.success is (code == 0)
