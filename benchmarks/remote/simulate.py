"""A run on a cluster that does not exist: the real executor code, simulated nodes and clock.

    uv run python benchmarks/remote/simulate.py --tasks 10000 --nodes 1000 --seed 1

The run is a real one: plan, ledger, folders of attempts, leases, publishing, verdicts and report.
Only the clock that it waits by is not, and the nodes are events in a queue: they begin after a
while in the engine's queue, write what a node writes, and die, with the same seed at the same
moments. What a slow file system does is simulated as well: a file is seen by the run only some
time after its node has written it.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pipekit.run.execution
import pipekit.run.remote.engine
import pipekit.run.remote.lane
import pipekit.run.remote.settle
import pipekit.run.remote.task
from pipekit import Executor, ExecutorContext, Order, OrderState, OrderStatus
from pipekit.config import load
from pipekit.model.command import Outcome, ProcessResult
from pipekit.process.remote.folder import AttemptFolder, begin, known_files
from pipekit.process.remote.node import write_pulse
from pipekit.process.remote.outcome import TaskOutcome, write_outcome
from pipekit.run.orchestrator import PipelineOrchestrator
from pipekit.run.project import open_project

STEP = 1.0  # seconds of the simulated clock between two looks of the run
LEASE = 30.0
GRACE = 10.0
CONFIG = """
[pipeline]
stages = ["instruments"]
quiet_seconds = 0
executor = "simulated"
[stages.instruments]
grace = "10s"
retries = 9
retry_delay = "0s"
retry_on = ["lost", "spawn"]
"""
PLUGIN = """
import os
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

PIPEKIT_API = "1"

def plan(ctx, settings):
    new = ctx.pending(ctx.files("data/raw/*"), growing=True)
    if not new:
        return StagePlan.skip(new.sentence("data/raw"), new)
    tasks = [
        Task(name=os.path.basename(item.path), units=[item.path], command=Command(argv=["worker"]))
        for item in new
    ]
    return StagePlan(reason=new.sentence("data/raw"), inputs=new.inputs, tasks=tasks)

@hookimpl
def pipekit_stages():
    yield StageSpec("instruments", plan)

@hookimpl
def pipekit_executors():
    from __main__ import executor
    yield executor()
"""


class Clock:
    """Stands in for the module `time` in the parts of the run that wait."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Cluster:
    """Nodes with one core each, and an engine that gives them orders, first come first served."""

    def __init__(self, clock: Clock, asked: argparse.Namespace) -> None:
        self.clock, self.asked = clock, asked
        self.counts: Counter[str] = Counter()
        self._chance = random.Random(asked.seed)  # to be repeated
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._free = list(range(asked.nodes))
        self._waiting: list[Order] = []
        self._states: dict[str, OrderStatus] = {}
        self._alive: dict[str, AttemptFolder] = {}
        self._beat = 0
        self._pulsed = 0.0
        self.busy = 0.0  # seconds of nodes

    # the engine

    def submit(self, order: Order) -> str:
        self.counts["submitted"] += 1
        self._states[order.key] = OrderStatus(OrderState.QUEUED)
        delay = self._chance.expovariate(1 / self.asked.queue_delay)
        self._at(delay, lambda: self._waiting.append(order))
        return order.key

    def poll(self, ids: Collection[str]) -> dict[str, OrderStatus]:
        self.clock.now += STEP
        while self._events and self._events[0][0] <= self.clock.now:
            heapq.heappop(self._events)[2]()
        while self._free and self._waiting:
            self._begin(self._waiting.pop(0), self._free.pop())
        if self.clock.now - self._pulsed >= LEASE / 4:
            self._pulsed, self._beat = self.clock.now, self._beat + 1
            for folder in self._alive.values():
                write_pulse(folder, self._beat, 0o600)
        return {id: self._states[id] for id in ids}

    def cancel(self, id: str) -> None:
        self.counts["cancelled by the run"] += 1

    def close(self) -> None:
        self.counts["still waiting"] = len(self._waiting)

    # the nodes

    def _begin(self, order: Order, node: int) -> None:
        folder, name = AttemptFolder(Path(order.spec).parent), f"n{node}"
        if not begin(folder, name):
            self._free.append(node)
            self.counts["forbidden before they began"] += 1
            return
        self._states[order.key] = OrderStatus(OrderState.RUNNING, name)
        self._alive[order.key] = folder
        took = self._chance.gauss(self.asked.task_seconds, self.asked.task_seconds / 5)
        took = max(took, 1.0)
        dies = self._chance.expovariate(self.asked.deaths / 3600) if self.asked.deaths else took * 2
        if dies < took:
            self._at(dies, lambda: self._die(order, node))
        else:
            self._at(took, lambda: self._end(order, node, name, took))

    def _die(self, order: Order, node: int) -> None:
        """The node is gone; the engine notices it late, and repairs it later."""
        self.counts["nodes that died"] += 1
        del self._alive[order.key]
        noticed = OrderStatus(OrderState.ENDED, reason="its node does not respond")
        self._at(self.asked.notice, lambda: self._states.update({order.key: noticed}))
        self._at(600.0, lambda: self._free.append(node))
        if self._chance.random() < 0.5:  # only cut off: it works on, and stops when its lease ends
            self._at(LEASE + GRACE, lambda: self._late(order))

    def _late(self, order: Order) -> None:
        """What a node that was cut off has written arrives after all."""
        folder = AttemptFolder(Path(order.spec).parent)
        if folder.path.is_dir():
            self._write(order, folder, "late")
            self.counts["late files of nodes that were cut off"] += 1

    def _end(self, order: Order, node: int, name: str, took: float) -> None:
        self._free.append(node)
        self.busy += took
        del self._alive[order.key]
        folder = AttemptFolder(Path(order.spec).parent)
        lag = self._chance.expovariate(1 / self.asked.lag)
        ended = OrderStatus(OrderState.ENDED, name)
        self._at(lag / 4, lambda: self._states.update({order.key: ended}))
        self._at(lag, lambda: self._arrive(order, folder, name, took))

    def _arrive(self, order: Order, folder: AttemptFolder, name: str, took: float) -> None:
        """The share shows what the node has written."""
        self._write(order, folder, name)
        process = ProcessResult(Outcome.EXITED, returncode=0, duration=took, success=True)
        files = tuple(known_files(folder))
        outcome = TaskOutcome(order.attempt, name, process, files, 0.0, 1.0)
        write_outcome(folder, outcome, 0o600)

    def _write(self, order: Order, folder: AttemptFolder, by: str) -> None:
        raw, out = f"data/raw/{order.task}", f"data/out/{order.task}"
        staged = folder.files / out
        staged.parent.mkdir(parents=True, exist_ok=True)
        staged.write_text(f"{order.task} by attempt {order.attempt} on {by}\n")
        known = {"unit": raw, "at": 0}
        (wrote,) = (f for f in known_files(folder) if f.path.startswith("files/"))
        status = os.stat(raw)
        signature = [9, 9, status.st_size, status.st_mtime_ns, 9]  # of another machine's mount
        lines: list[dict[str, Any]] = [
            {"verb": "unit_start", **known},
            {
                "verb": "wrote",
                **known,
                "path": out,
                "fingerprint": wrote.fingerprint,
                "signature": [9, 9, wrote.size, 9, 9],
            },
            {
                "verb": "consumed",
                **known,
                "path": raw,
                "fingerprint": "f",
                "signature": signature,
                "complete": True,
            },
            {"verb": "unit_end", **known, "status": "success"},
        ]
        with open(folder.report, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)

    def _at(self, delay: float, what: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (self.clock.now + delay, self._number, what))


CLUSTER: Cluster


def executor() -> Executor:
    """The simulated executor, as a plugin offers it."""

    @contextmanager
    def open_simulated(_context: ExecutorContext, _settings: None) -> Iterator[Cluster]:
        yield CLUSTER
        CLUSTER.close()

    return Executor("simulated", open_simulated)


def simulate(root: Path, asked: argparse.Namespace) -> dict[str, object]:
    """Make the project and run it; returns what was counted."""
    global CLUSTER  # noqa: PLW0603  # the plugin finds it here, as it takes no arguments
    clock = Clock()
    CLUSTER = Cluster(clock, asked)
    os.chdir(root)
    site = root / "site"
    info = site / "instruments-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "instruments_plugin.py").write_text(PLUGIN)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: instruments\nVersion: 1\n")
    entries = "[pipekit]\ninstruments = instruments_plugin\n"
    info.joinpath("entry_points.txt").write_text(entries)
    sys.path.insert(0, str(site))
    raw = root / "data/raw"
    raw.mkdir(parents=True)
    for number in range(asked.tasks):
        (raw / f"i{number:05}").write_text("x")
    (root / "pipekit.toml").write_text(CONFIG)
    for module in ("task", "lane", "settle"):
        getattr(pipekit.run.remote, module).time = clock
    pipekit.run.execution.POLL_SECONDS = 0.0
    pipekit.run.remote.lane._MOST_LOOKS = 500  # as many as in a second of five ordinary looks
    begun, used = time.perf_counter(), time.process_time()
    project = open_project(load(root, environ={}))
    report = PipelineOrchestrator(project._replace(sinks=())).run()
    took, used = time.perf_counter() - begun, time.process_time() - used
    written = Counter(
        record.path
        for stage in report.stages
        for task in stage.tasks
        for record in task.files
        if record.verb == "wrote"
    )
    latest = {
        task.name: task.placement.order
        for stage in report.stages
        for task in stage.tasks
        if task.placement and not task.retried
    }
    wrong = [
        name
        for name, order in latest.items()
        if f"by attempt {order} " not in (root / "data/out" / name).read_text()
    ]
    ideal = asked.tasks * asked.task_seconds / asked.nodes
    return {
        "status": str(report.status),
        "tasks": asked.tasks,
        "published": len(written),
        "published twice": sum(n > 1 for n in written.values()),
        "outputs of another attempt than the last": len(wrong),
        "lost attempts": sum(t.kind == "lost" for s in report.stages for t in s.tasks),
        "simulated minutes": round(clock.now / 60, 1),
        "of which a cluster without loss needs": round(ideal / 60, 1),
        "seconds of the run's own CPU": round(used, 1),
        "milliseconds of it per task": round(1000 * used / asked.tasks, 2),
        "real seconds": round(took, 1),
        "ledger in MB": round((root / ".pipekit/state.db").stat().st_size / 1e6, 1),
        **CLUSTER.counts,
    }


def main() -> int:
    """Simulate, print the counts; exit code 1 if something is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--task-seconds", type=float, default=180.0, help="mean")
    parser.add_argument("--deaths", type=float, default=0.01, help="of nodes, an hour")
    parser.add_argument("--queue-delay", type=float, default=20.0, help="mean, in seconds")
    parser.add_argument("--notice", type=float, default=60.0, help="until the engine notices")
    parser.add_argument("--lag", type=float, default=3.0, help="of the file system, mean seconds")
    asked = parser.parse_args()
    here = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="pipekit-simulated-") as folder:
        found = simulate(Path(folder).resolve(), asked)
        os.chdir(here)
    for name, value in found.items():
        print(f"{name:45} {value}")
    sound = found["status"] == "success" and found["published"] == asked.tasks
    twice, others = found["published twice"], found["outputs of another attempt than the last"]
    return 0 if sound and not twice and not others else 1


if __name__ == "__main__":
    sys.exit(main())
