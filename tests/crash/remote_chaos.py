"""Rounds of a run on a Dask cluster in which something is killed, suspended or retired.

    python tests/crash/remote_chaos.py --rounds 300 --seed 1

Each round is a new project with some files, on a cluster that lives on. A run is started; at a
random moment something happens to it. Runs are repeated until one succeeds. Then everything is
counted: outputs unlike those of one machine, files published twice, processes that are left, runs
without an end, and successes without their outputs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "e2e/remote")]
from clusters import Cluster, children  # noqa: E402  # beside the other tests of clusters

LEASE = 0.6
PLUGIN = Path(__file__).with_name("remote_stage.py")
CONFIG = f"""
[pipeline]
stages = ["upper"]
quiet_seconds = 0
executor = "dask"
lease = "{LEASE}s"
[stages.upper]
grace = "0.2s"
retries = 3
retry_delay = "0s"
retry_on = ["exit", "signal", "lost", "spawn", "contract"]
queue_timeout = "20s"
back_off = 1
[executors.dask]
address = "ADDRESS"
connect_timeout = "5s"
"""
EVENTS = (
    *("worker", "nanny", "scheduler", "submitter", "supervisor", "suspend", "retire"),
    *("suspend submitter", "stop"),
)


class Lab:
    """A cluster, and a stage that its workers have installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site"
        info = self.site / "upper-1.0.dist-info"
        info.mkdir(parents=True)
        shutil.copy(PLUGIN, self.site / "upper_plugin.py")
        info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: upper\nVersion: 1.0\n")
        info.joinpath("entry_points.txt").write_text("[pipekit]\nupper = upper_plugin\n")
        more = os.environ.get("PYTHONPATH", "")  # such as another copy of pipekit
        path = os.pathsep.join(filter(None, (str(self.site), more)))
        self.cluster = Cluster(folder, PYTHONPATH=path)
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []

    def round(self, number: int, seed: int, event: str = "") -> None:
        """One project, from its first run to its last."""
        chance = random.Random(f"{seed}/{number}")  # to be repeated
        event = event or EVENTS[number % len(EVENTS)]
        self.cluster_up()
        root = self.folder / f"round-{number}"
        expected = make_project(root, chance, self.cluster.address)
        run = self.start(root)
        time.sleep(chance.uniform(0.2, 2.5))
        self.counts[event] += 1
        self.happen(event, run, chance)
        code = wait(run)
        if code == 0 and outputs(root) != expected:
            self.fault(root, f"{event}: a success without its outputs")
        for _ in range(8):
            if code == 0:
                break
            self.cluster_up()
            text = (root / "pipekit.toml").read_text()
            now = CONFIG.replace("ADDRESS", self.cluster.address)
            if text != now:
                (root / "pipekit.toml").write_text(now)
            code = wait(self.start(root))
            self.counts["runs again"] += 1
        self.judge(root, event, code, expected)
        shutil.rmtree(root, ignore_errors=True)

    def cluster_up(self) -> None:
        """Repair the cluster, or make it anew."""
        try:
            self.cluster.start()
        except (AssertionError, OSError):
            self.counts["clusters made anew"] += 1
            self.cluster.stop()
            self.cluster.start()

    def start(self, root: Path) -> subprocess.Popen[bytes]:
        """A run of the project."""
        self.counts["runs"] += 1
        with open(root / "err.txt", "ab") as err:
            return subprocess.Popen(
                [sys.executable, "-m", "pipekit", "run"],
                cwd=root,
                env=self.cluster.env,
                stdout=err,
                stderr=err,
                start_new_session=True,
            )

    def happen(self, event: str, run: subprocess.Popen[bytes], chance: random.Random) -> None:
        """Do it."""
        cluster = self.cluster
        workers = cluster.workers()
        victim = chance.choice(workers) if workers else 0
        if event == "worker":
            kill(victim, signal.SIGKILL)
        elif event == "nanny":
            kill(chance.choice(cluster.nannies).pid, signal.SIGKILL)
        elif event == "scheduler":
            assert cluster.scheduler is not None
            cluster.scheduler.kill()
        elif event == "submitter":
            run.kill()
        elif event == "supervisor":  # the guardian or spawner below a worker
            below = [pid for worker in workers for pid in children(worker)]
            kill(chance.choice(below) if below else 0, signal.SIGKILL)
        elif event == "suspend":
            kill(victim, signal.SIGSTOP)
            time.sleep(2 * LEASE + 1)
            kill(victim, signal.SIGCONT)
        elif event == "suspend submitter":
            kill(run.pid, signal.SIGSTOP)
            time.sleep(2 * LEASE + 1)
            kill(run.pid, signal.SIGCONT)
        elif event == "retire":
            cluster.retire()
        elif event == "stop":
            run.terminate()

    def judge(self, root: Path, event: str, code: int, expected: dict[str, str]) -> None:
        """Count what must not be."""
        if code != 0:
            self.fault(root, f"{event}: no run ended well, the last one with {code}")
        if outputs(root) != expected:
            self.fault(root, f"{event}: the outputs differ")
        ledger = sqlite3.connect(root / ".pipekit/state.db")
        open_runs = ledger.execute("SELECT number FROM runs WHERE status IS NULL").fetchall()
        unsettled = ledger.execute("SELECT attempt FROM attempts WHERE settled = 0").fetchall()
        ledger.close()
        if open_runs or unsettled:
            self.fault(root, f"{event}: without an end: runs {open_runs}, attempts {unsettled}")
        for path, times in published(root).items():
            if times != 1:
                self.fault(root, f"{event}: {path} was published {times} times")
        time.sleep(0.3)
        deadline = time.monotonic() + 10
        while (left := survivors(root)) and time.monotonic() < deadline:
            time.sleep(0.1)
        if left:
            self.fault(root, f"{event}: processes survived: {left}")

    def fault(self, root: Path, text: str) -> None:
        """Note a fault, and keep what it was seen in."""
        self.faults.append(f"{root.name}: {text}")
        kept = self.folder / f"{root.name}-kept"
        if not kept.exists():
            shutil.copytree(root, kept)


def make_project(root: Path, chance: random.Random, address: str) -> dict[str, str]:
    """Files to work on for 0.1 to 0.8 s each; returns what one machine would make of them."""
    expected = {}
    (root / "data/raw").mkdir(parents=True)
    (root / "pipekit.toml").write_text(CONFIG.replace("ADDRESS", address))
    for number in range(6):
        text = f"{chance.uniform(0.1, 0.8):.2f} file {number} {chance.random()}"
        (root / f"data/raw/f{number}").write_text(text)
        expected[f"f{number}"] = text.upper()
    return expected


def wait(run: subprocess.Popen[bytes]) -> int:
    """The exit code of a run; -1 if it did not end in two minutes."""
    try:
        return run.wait(timeout=120)
    except subprocess.TimeoutExpired:
        run.kill()
        run.wait()
        return -1


def outputs(root: Path) -> dict[str, str]:
    """What is published."""
    return {file.name: file.read_text() for file in (root / "data/out").glob("*")}


def published(root: Path) -> Counter[str]:
    """How often the runs have reported each output as written."""
    found: Counter[str] = Counter()
    for file in (root / "logs").glob("pipeline_report_*.json"):
        for stage in json.loads(file.read_text())["stages"]:
            for task in stage.get("tasks", ()):
                for each in task["files"]:
                    found[each["path"]] += each["verb"] == "wrote"
    return Counter({path: n for path, n in found.items() if n})


def survivors(root: Path) -> list[str]:
    """Processes that work in this project."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/cwd") == str(root):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                found.append(f"{pid} {words.decode(errors='replace')[:80]}")
    return found


def kill(pid: int, number: int) -> None:
    """Send a signal to a process, if it is there."""
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def main(words: list[str] | None = None) -> int:
    """Run the rounds, print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=len(EVENTS))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--event", choices=EVENTS, default="")
    parser.add_argument("--keep", action="store_true")
    asked = parser.parse_args(words)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="pipekit-chaos-"))
    lab = Lab(folder)
    begun = time.monotonic()
    try:
        for number in range(asked.first, asked.first + asked.rounds):
            before = len(lab.faults)
            lab.round(number, asked.seed, asked.event)
            for text in lab.faults[before:]:
                print(text, flush=True)
            if (number + 1) % 10 == 0 or asked.keep:
                took = time.monotonic() - begun
                print(f"{number + 1} rounds, {took:.0f} s, {dict(lab.counts)}", flush=True)
    finally:
        lab.cluster.stop()
    took = time.monotonic() - begun
    print(f"{asked.rounds} rounds with seed {asked.seed} in {took:.0f} s: {dict(lab.counts)}")
    print(f"faults: {len(lab.faults)}")
    if not lab.faults and not asked.keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(folder)
    return len(lab.faults)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
