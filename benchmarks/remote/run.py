"""Measure what it costs to have another process carry a task.

    uv run python benchmarks/remote/run.py

On one machine: a warm Dask cluster of two worker processes, one core each. All cases are measured
in turn, round after round; medians count, and ratios more than times.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from distributed import Client, LocalCluster

from pipekit import Command
from pipekit.process import ProcessSupervisor
from pipekit.process.remote.folder import write_json
from pipekit.process.remote.lease import Orders, write_lease
from pipekit.process.remote.spec import LeaseTerms, TaskSpec
from pipekit.remote import execute

NOTHING = Command(argv=["/bin/true"])
WORK = Command(argv=[sys.executable, "-S", "-E", "-c", "sum(i * i for i in range(3_000_000))"])


def empty() -> None:
    """An empty task."""


class Made:
    """Makes the folders of attempts, as a run does."""

    def __init__(self, root: Path) -> None:
        self._root, self._count = root, 0
        self._lease = root / "lease.json"
        write_lease(self._lease, 1, Orders())

    def order(self, command: Command) -> tuple[str, str]:
        """Spec and digest of a new attempt."""
        self._count += 1
        folder = self._root / str(self._count)
        folder.mkdir()
        terms = LeaseTerms(str(self._lease), 600.0)
        spec = TaskSpec(command=command, attempt=self._count, lease=terms)
        data = write_json(folder / "spec.json", spec.record())
        return str(folder / "spec.json"), hashlib.sha256(data).hexdigest()


@contextmanager
def cluster(workers: int) -> Iterator[Client]:
    """A warm cluster."""
    options = {"dashboard_address": "127.0.0.1:0", "memory_limit": 0, "threads_per_worker": 1}
    with (
        LocalCluster(n_workers=workers, processes=True, host="127.0.0.1", **options) as made,
        Client(made, set_as_default=False) as client,
    ):
        client.gather([client.submit(empty, pure=False) for _ in range(20)])
        yield client


def seconds(what: Callable[[], object]) -> float:
    """How long a call takes."""
    begun = time.perf_counter()
    what()
    return time.perf_counter() - begun


def single(rounds: int) -> None:
    """One task after the other: an empty one, a supervised command here, and one on the cluster."""
    found: dict[str, list[float]] = {"empty": [], "local": [], "remote": []}
    supervisor = ProcessSupervisor()
    with tempfile.TemporaryDirectory() as folder, cluster(2) as client:
        made = Made(Path(folder))
        for each in range(rounds + 5):
            order = made.order(NOTHING)
            taken = {
                "empty": seconds(lambda: client.submit(empty, pure=False).result()),
                "local": seconds(lambda: supervisor.execute(NOTHING)),
                "remote": seconds(
                    lambda order=order: client.submit(
                        execute, *order, keep=True, pure=False
                    ).result()
                ),
            }
            if each >= 5:  # the first ones load what they need
                for name, value in taken.items():
                    found[name].append(value)
    medians = {name: statistics.median(values) for name, values in found.items()}
    bar = 2 * medians["local"] + 5 * medians["empty"]
    print(f"empty Dask task                       {1000 * medians['empty']:8.2f} ms")
    print(f"supervised command here               {1000 * medians['local']:8.2f} ms")
    print(f"supervised command on the cluster     {1000 * medians['remote']:8.2f} ms")
    over = medians["remote"] - medians["local"]
    print(f"overhead, in empty Dask tasks         {over / medians['empty']:8.2f}")
    print(f"as a part of 2 x here + 5 x empty     {medians['remote'] / bar:8.2f}")


def many(tasks: int) -> None:
    """Many tasks that only compute, on one worker and on two; and the same without any of us."""
    with tempfile.TemporaryDirectory() as folder:
        made = Made(Path(folder))
        taken = {}
        for workers in (1, 2):
            with cluster(workers) as client:
                orders = [made.order(WORK) for _ in range(tasks)]
                taken[workers] = seconds(
                    lambda orders=orders, client=client: client.gather(
                        [client.submit(execute, *order, keep=True, pure=False) for order in orders]
                    )
                )
    supervisor, here = ProcessSupervisor(), {}
    for threads in (1, 2):
        with ThreadPoolExecutor(threads) as pool:
            here[threads] = seconds(
                lambda pool=pool: list(pool.map(supervisor.execute, [WORK] * tasks))
            )
    print(f"{tasks} tasks on one worker              {taken[1]:8.2f} s")
    print(f"{tasks} tasks on two workers             {taken[2]:8.2f} s")
    print(f"two workers are faster                {taken[1] / taken[2]:8.2f} times")
    print(f"two threads here are faster           {here[1] / here[2]:8.2f} times")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--tasks", type=int, default=100)
    asked = parser.parse_args()
    single(asked.rounds)
    many(asked.tasks)
    return 0


if __name__ == "__main__":
    sys.exit(main())
