"""The tables of what was measured, held against the bar; measures nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from measure import Sample, middle

TITLES = {
    "translate": "minutes to Parquet (7 exports, 2 years)",
    "ticks": "ticks to Parquet (one export)",
    "analyse": "breakout analysis (7 instruments, 5 years)",
    "analyse-one": "breakout analysis (1 instrument, 5 years)",
    "day": "one new day on five years of 7 instruments, all stages",
    "idle": "nothing to do, 10,000 raw files in place",
    "merge": "merge of 1,000 run files",
}
RATIOS = [  # work, the peers that count, cores, at most this much of their time
    ("translate", ("polars",), 1, 0.6),
    ("translate", ("polars",), 2, 0.7),
    ("ticks", ("polars",), 1, 0.6),
    ("ticks", ("duckdb",), 1, 0.6),
    ("analyse", ("polars", "duckdb"), 1, 0.33),
    ("analyse-one", ("polars", "pandas"), 1, 0.33),
]
SECONDS = [("day", 2.0), ("idle", 0.3)]  # at most
MEMORY = [("ticks", 300)]  # MB at most
SIZES = [("translate", "polars", 0.8)]


@dataclass(frozen=True)
class Results:
    """`samples` by (work, tool, cores); `sizes`: megabytes of the result by (work, tool)."""

    samples: dict[tuple[str, str, int], list[Sample]]
    sizes: dict[tuple[str, str], float]

    def at(self, work: str, tool: str, cores: int) -> Sample | None:
        """The medians; None where it was not measured."""
        samples = self.samples.get((work, tool, cores))
        return middle(samples) if samples else None


def render(results: Results) -> str:
    """All tables, as Markdown."""
    works = dict.fromkeys(work for work, _, _ in results.samples)
    lines = [line for work in works for line in _work(results, work)]
    return "\n".join([*lines, *_bars(results)])


def _work(results: Results, work: str) -> Iterator[str]:
    yield f"**{TITLES.get(work, work)}**"
    yield ""
    yield "| tool | 1 core | 2 cores | peak memory | result |"
    yield "|---|---|---|---|---|"
    tools = dict.fromkeys(tool for name, tool, _ in results.samples if name == work)
    for tool in tools:
        one, two = results.at(work, tool, 1), results.at(work, tool, 2)
        if one is None or two is None:
            continue
        memory = max(one.memory, two.memory)
        size = results.sizes.get((work, tool))
        yield (
            f"| {tool} | {one.seconds:.2f} s | {two.seconds:.2f} s | {memory:.0f} MB "
            f"| {f'{size:.1f} MB' if size else '-'} |"
        )
    yield ""


def _bars(results: Results) -> Iterator[str]:
    yield "| bar | measured | met |"
    yield "|---|---|---|"
    for work, peers, cores, most in RATIOS:
        ours = results.at(work, "pipekit", cores)
        for tool in peers:
            theirs = results.at(work, tool, cores)
            if ours and theirs:
                ratio = ours.seconds / theirs.seconds
                title = f"{work}: time ≤ {most} × {tool}, {cores} core{'s' * (cores > 1)}"
                yield _row(title, f"{ratio:.2f} ×", ratio <= most)
    for work, most in SECONDS:
        ours = results.at(work, "pipekit", 2)
        if ours:
            title = f"{work}: at most {most} s"
            yield _row(title, f"{ours.seconds:.2f} s", ours.seconds <= most)
    for work, most in MEMORY:
        ours = results.at(work, "pipekit", 1)
        if ours:
            yield _row(f"{work}: memory ≤ {most} MB", f"{ours.memory:.0f} MB", ours.memory <= most)
    for work, tool, share in SIZES:
        if (work, tool) in results.sizes and (work, "pipekit") in results.sizes:
            ratio = results.sizes[work, "pipekit"] / results.sizes[work, tool]
            yield _row(f"{work}: bytes ≤ {share} × {tool}", f"{ratio:.2f} ×", ratio <= share)


def _row(bar: str, measured: str, met: bool) -> str:
    return f"| {bar} | {measured} | {'yes' if met else '**no**'} |"
