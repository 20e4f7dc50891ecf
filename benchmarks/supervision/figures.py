"""All figures of part two, one after the other: nothing else may run meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import counts
import streams
from tools import Tool
from venvs import Environment

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
    costs: dict[str, counts.Cost]
    bare: float
    wrong: dict[str, int]
    many: dict[str, float]


def measured(found: Mapping[str, Environment], tools: Sequence[Tool], scale: Scale) -> Figures:
    bench = streams.Bench(found, tools)
    cost, bare = counts.supervised(found, scale.rounds)
    others = counts.runners(tools, bare, scale.rounds)
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
        wrong={way: counts.wrong(found, way, scale.commands) for way in ("subprocess", "pipekit")},
        many=counts.many(found, scale.commands),
    )
