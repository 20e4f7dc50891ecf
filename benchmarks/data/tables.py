"""The tables of what was measured, held against the bar; measures nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bars import BARS
from measure import Sample, middle

TITLES = {
    "translate": "Minutes to Parquet (7 exports, 2 years)",
    "ticks": "Ticks to Parquet (one export of 2 GB)",
    "analyse": "Breakout analysis (7 instruments, 5 years)",
    "analyse-one": "Breakout analysis (1 instrument, 5 years)",
    "day": "One new day on five years of 7 instruments, all stages",
    "kernel": "Breakout kernel alone (7 instruments, 5 years in memory; time as the scripts say)",
    "targets": "Ten targets at once (7 instruments, 5 years)",
    "idle": "Nothing to do, 10,000 raw files in place",
    "idle-many": "Nothing to do, 100,000 raw files in place",
    "merge": "Merge of 1,001 run files",
    "merge-new": "Merge of 7 new run files, 1,001 merged already",
}


@dataclass(frozen=True)
class Results:
    """`samples` by (tool, cores); `sizes`: megabytes of the result by tool."""

    samples: dict[tuple[str, int], list[Sample]]
    sizes: dict[str, float]

    def at(self, tool: str, cores: int) -> Sample:
        """The medians. Raises KeyError where it was not measured."""
        return middle(self.samples[tool, cores])

    def seconds(self, tool: str, cores: int) -> float:
        """The median time."""
        return self.at(tool, cores).seconds


def render(work: str, results: Results) -> str:
    """A work's tables, as Markdown."""
    return "\n".join([*_times(work, results), *_bars(work, results)])


def _times(work: str, results: Results) -> Iterator[str]:
    yield f"**{TITLES.get(work, work)}**"
    yield ""
    yield "| tool | 1 core | 2 cores | CPU, 2 cores | peak memory | result |"
    yield "|---|---|---|---|---|---|"
    for tool in dict.fromkeys(tool for tool, _ in results.samples):
        one, two = (results.at(tool, cores) for cores in (1, 2))
        size = results.sizes.get(tool)
        yield (
            f"| {tool} | {_time(one.seconds)} | {_time(two.seconds)} | {_time(two.cpu)} "
            f"| {max(one.memory, two.memory):.0f} MB | {f'{size:.1f} MB' if size else '-'} |"
        )
    yield ""


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def _bars(work: str, results: Results) -> Iterator[str]:
    rows = [bar for bar in BARS if bar.work == work]
    if not rows:
        return
    yield "| bar | measured | met |"
    yield "|---|---|---|"
    for bar in rows:
        value = bar.value(results)
        met = "yes" if bar.met(value) else "**no**"
        yield f"| {bar.title} | {bar.shown(value)} | {met} |"
