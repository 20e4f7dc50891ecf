"""All figures of part two, one after the other: nothing else may run meanwhile."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import streams
from tools import DEADLINE, DRIVERS, Job, Tool
from venvs import Environment

COUNT = 100  # commands over which a cost is spread
RUNNERS = ("bash", "doit", "luigi", "pipekit, `run`")
HOSTS = ("ignores", "reaps")
RATE = 10_000  # lines a second
SLEEPERS = 20  # processes
GROWTH_WAYS = ("text", "bounded", "asyncio", "pipekit")
RATE_WAYS = ("threads", "asyncio", *streams.DAEMONS, "pipekit")
SAMPLING_WAYS = ("psutil", "pipekit")
OURS = "pipekit, `execute`"


@dataclass(frozen=True)
class Scale:
    """How much of everything: bytes, seconds, commands."""

    rounds: int
    throughput: int = 500_000_000
    seconds: int = 12  # of which ten are looked at
    lines: int = 1_000_000_000
    blob: int = 1_000_000_000
    commands: int = 10_000


@dataclass(frozen=True)
class Cost:
    """Milliseconds over a bare Popen: of the first command, and of each of a hundred."""

    first: float
    each: float


@dataclass(frozen=True)
class Figures:
    """What was measured, by way of reading or by tool.

    `throughput`: seconds. `rate`, `sampling`: share of a core. `growth`: bytes and an error, by way
    and kind. `costs`: over `bare`, a Popen's milliseconds. `wrong`: successes that were none.
    """

    scale: Scale
    throughput: dict[str, float]
    rate: dict[str, float]
    sampling: dict[str, float]
    growth: dict[tuple[str, str], tuple[int, str]]
    costs: dict[str, Cost]
    bare: float
    wrong: dict[str, int]
    many: dict[str, float]


def measured(found: Mapping[str, Environment], tools: Sequence[Tool], scale: Scale) -> Figures:
    bench = streams.Bench(found, tools)
    cost, bare = _supervised(found, scale.rounds)
    others = _runners(tools, bare, scale.rounds)
    return Figures(
        scale,
        throughput=streams.throughput(bench, scale.throughput, scale.rounds),
        rate={way: bench.share(way, "paced", RATE, scale.seconds) for way in RATE_WAYS},
        sampling={
            way: bench.share(way, "sleepers", SLEEPERS, scale.seconds) for way in SAMPLING_WAYS
        },
        growth={
            (way, kind): bench.growth(way, kind, size)
            for way in GROWTH_WAYS
            for kind, size in (("lines", scale.lines), ("blob", scale.blob))
        },
        costs={**others, OURS: cost},
        bare=bare,
        wrong={way: _wrong(found, way, scale.commands) for way in ("subprocess", "pipekit")},
        many=_many(found, scale.commands),
    )


def _supervised(found: Mapping[str, Environment], rounds: int) -> tuple[Cost, float]:
    """What `execute` costs over a Popen in the same process; and a Popen's own milliseconds."""
    firsts, eaches, bares = [], [], []
    for _ in range(rounds):
        times = json.loads(_driver(found, "costs.py", str(COUNT)))
        ours, bare = times["pipekit"], times["bare"]
        usual = statistics.median(bare)
        firsts.append(ours[0] - usual)
        eaches.append(statistics.mean(ours) - statistics.mean(bare))
        bares.append(usual)
    return Cost(*map(statistics.median, (firsts, eaches))), statistics.median(bares)


def _runners(tools: Sequence[Tool], bare: float, rounds: int) -> dict[str, Cost]:
    """The same of whole programs: the first with their start, and what each further one adds."""
    by_name = {tool.name: tool for tool in tools}
    by_name["bash"] = Tool("bash", "", _bash)
    costs = {}
    for name in RUNNERS:
        _check(by_name[name])
        ones, hundreds = [], []
        for _ in range(rounds):
            print(f"cost of a command: {name}", file=sys.stderr)
            ones.append(_wall(by_name[name], 1))
            hundreds.append(_wall(by_name[name], COUNT))
        one, hundred = statistics.median(ones), statistics.median(hundreds)
        costs[name] = Cost(one - bare, (hundred - one) / (COUNT - 1) - bare)
    return costs


def _bash(job: Job) -> list[str]:
    return ["bash", "-c", f"for ((i = 0; i < COUNT; i++)); do {job.text}; done"]


def _check(tool: Tool) -> None:
    """Raises SystemExit unless three commands leave three traces."""
    with tempfile.TemporaryDirectory(prefix="pipekit-cost-") as name:
        trace, script = Path(name) / "trace.txt", Path(name) / "trace.sh"
        script.write_text(f"echo ran >> {trace}\n")
        _wall(tool, 3, ("/bin/sh", str(script)))
        count = len(trace.read_text().splitlines())
    if count != 3:
        raise SystemExit(f"{tool.name} ran {count} commands of three")


def _wall(tool: Tool, count: int, words: tuple[str, ...] = ("/bin/true",)) -> float:
    """Milliseconds that a program takes for so many commands. Raises SystemExit if it fails."""
    with tempfile.TemporaryDirectory(prefix="pipekit-cost-") as name:
        job = Job(words, 0, 1, Path(name))
        argv = tool.prepare(job)
        env = {**os.environ, **tool.environment(job), "COUNT": str(count)}
        started = time.perf_counter()
        done = subprocess.run(
            argv, cwd=name, env=env, capture_output=True, timeout=DEADLINE, check=False
        )
        took = (time.perf_counter() - started) * 1000
    if done.returncode:
        raise SystemExit(f"{tool.name} ended with {done.returncode}: {done.stderr[-2000:]!r}")
    return took


def _wrong(found: Mapping[str, Environment], way: str, count: int) -> int:
    """How many of `count` commands that failed were taken for a success."""
    print(f"wrong successes: {way}", file=sys.stderr)
    each = str(count // len(HOSTS))
    return sum(int(_driver(found, "truth.py", way, host, each)) for host in HOSTS)


def _many(found: Mapping[str, Environment], count: int) -> dict[str, float]:
    """What `count` commands left in their process; `memory` in bytes for each of them."""
    print("many commands", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="pipekit-many-") as folder:
        states = json.loads(_driver(found, "many.py", str(count), folder))
    before, after = states["before"], states["after"]
    left = {what: after[what] - before[what] for what in before}
    return {**left, "memory": left["memory"] / count}


def _driver(found: Mapping[str, Environment], name: str, *words: str) -> str:
    argv = [found["pipekit"].program("python"), str(DRIVERS / name), *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE, check=False)
    if done.returncode:
        raise SystemExit(f"{name} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout
