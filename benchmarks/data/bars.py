"""What is to be reached in each piece of work; knows the figures, and measures nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tables import Results

    Value = Callable[[Results], float]


@dataclass(frozen=True)
class Bar:
    """A number of a work's results that has to be at most, or with `least` at least, a limit."""

    work: str
    title: str
    value: Value
    limit: float
    unit: str = "×"
    least: bool = False

    def met(self, value: float) -> bool:
        """Whether this value reaches it."""
        return value >= self.limit if self.least else value <= self.limit

    def shown(self, value: float) -> str:
        """The value with its unit."""
        digits = 0 if value >= 100 else 1 if value >= 10 else 2
        return f"{value:.{digits}f} {self.unit}"


def _times(work: str, most: float, peer: str, cores: int, ours: str = "pipekit") -> Bar:
    """Our time in times of the peer's, at most."""
    title = f"{work}: {ours} ≤ {most} × {peer}, {cores} core{'s' * (cores > 1)}"
    return Bar(work, title, lambda r: r.seconds(ours, cores) / r.seconds(peer, cores), most)


def _faster(work: str, least: float, peer: str, cores: int, ours: str = "pipekit") -> Bar:
    """The peer's time in times of ours, at least."""
    title = f"{work}: ≥ {least} × as fast as {peer}, {cores} core{'s' * (cores > 1)}"
    return Bar(
        work,
        title,
        lambda r: r.seconds(peer, cores) / r.seconds(ours, cores),
        least,
        least=True,
    )


def _seconds(work: str, most: float, ours: str = "pipekit") -> Bar:
    title = f"{work}: {ours} at most {most} s"
    return Bar(work, title, lambda r: r.seconds(ours, 2), most, "s")


def _beyond(work: str, most: float, ours: str, start: str, peer: str) -> Bar:
    """What our time is beyond the start of a process, in times of the peer's beyond its own."""
    return Bar(
        work,
        f"{work}: {ours} ≤ {most} × {peer}, process start apart",
        lambda r: (r.seconds(ours, 2) - r.seconds(start, 2)) / r.seconds(peer, 2),
        most,
    )


MERGES = ("pipekit", "pipekit with summary")
BARS = [
    _times("translate", 0.75, "polars", 1),
    _times("translate", 1, "polars", 2),
    Bar("translate", "translate: bytes ≤ 0.8 × polars", lambda r: _bytes(r, "polars"), 0.8),
    _times("ticks", 0.65, "polars", 1),
    _times("ticks", 0.65, "duckdb", 1),
    Bar(
        "ticks",
        "ticks: memory ≤ 300 MB",
        lambda r: max(r.at("pipekit", cores).memory for cores in (1, 2)),
        300,
        "MB",
    ),
    _times("analyse", 0.25, "polars", 1),
    _times("analyse", 0.25, "duckdb", 1),
    _times("analyse-one", 0.55, "polars", 1),
    _times("analyse-one", 0.55, "duckdb", 1),
    _times("kernel", 5, "numpy, one max of the columns", 1),
    _faster("kernel", 15, "numpy", 1),
    _faster("kernel", 50, "polars", 1),
    _faster("kernel", 50, "duckdb", 1),
    *(_times("targets", 4, "pipekit, one", cores, "pipekit, ten") for cores in (1, 2)),
    _seconds("day", 2.0),
    _seconds("idle", 0.3),
    _beyond("idle", 8, "pipekit", "pipekit --version", "find"),
    _beyond("idle-many", 4, "pipekit", "pipekit --version", "find"),
    *(_times("merge", 1.1, "polars", cores, ours) for ours in MERGES for cores in (1, 2)),
    *(
        _times("merge-new", 0.4, f"{ours}, all of them", cores, ours)
        for ours in MERGES
        for cores in (1, 2)
    ),
]


def _bytes(results: Results, peer: str) -> float:
    return results.sizes["pipekit"] / results.sizes[peer]
