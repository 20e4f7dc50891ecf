"""The tables of what was measured, and what is to be reached in each piece of work."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import common
from work import Sample

TITLES = {
    "translate": "Minutes to Parquet (7 exports, 2 years)",
    "translate-gz": "Minutes to Parquet, packed by gzip (7 exports, 2 years)",
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
HEAD = ("tool", "1 core", "2 cores", "CPU, 2 cores", "peak memory", "result")
OURS = "pipekit"
MERGES = (OURS, "pipekit with summary")
AT_MOST = {  # our time in times of a peer's: the limit, the peer, the cores, and which of ours
    "translate": [(0.75, "polars", 1, OURS), (1, "polars", 2, OURS)],
    "ticks": [(0.65, "polars", 1, OURS), (0.65, "duckdb", 1, OURS)],
    "analyse": [(0.25, "polars", 1, OURS), (0.25, "duckdb", 1, OURS)],
    "analyse-one": [(0.55, "polars", 1, OURS), (0.55, "duckdb", 1, OURS)],
    "kernel": [(5, "numpy, one max of the columns", 1, OURS)],
    "targets": [(4, "pipekit, one", cores, "pipekit, ten") for cores in (1, 2)],
    "merge": [(1.1, "polars", cores, ours) for ours in MERGES for cores in (1, 2)],
    "merge-new": [
        (0.4, f"{ours}, all of them", cores, ours) for ours in MERGES for cores in (1, 2)
    ],
}
AT_LEAST = {"kernel": [(15, "numpy"), (50, "polars"), (50, "duckdb")]}  # a peer's time in ours
SECONDS = {"day": 2.0, "idle": 0.3}
BEYOND_START = {"idle": 8, "idle-many": 4}  # in times of find's time


@dataclass(frozen=True)
class Results:
    """`samples` by (tool, cores); `sizes`: megabytes of the result by tool."""

    samples: Mapping[tuple[str, int], Sequence[Sample]]
    sizes: Mapping[str, float]

    def median(self, tool: str, column: str, cores: int) -> float:
        """Of a column of the samples."""
        return median(getattr(sample, column) for sample in self.samples[tool, cores])

    def memory(self, tool: str) -> float:
        """The larger one of both numbers of cores."""
        return max(self.median(tool, "memory", cores) for cores in (1, 2))

    def seconds(self, tool: str, cores: int = 2) -> float:
        """The median time."""
        return self.median(tool, "seconds", cores)


def render(work: str, found: Results) -> str:
    """A work's tables, as Markdown."""
    tables = [f"**{TITLES[work]}**", common.table(HEAD, _rows(found))]
    if bars := list(_bars(work, found)):
        tables.append(common.bars(bars))
    return "\n\n".join(tables)


def _rows(found: Results) -> Iterator[list[str]]:
    for tool in dict.fromkeys(tool for tool, _ in found.samples):
        times = found.seconds(tool, 1), found.seconds(tool), found.median(tool, "cpu", 2)
        size = found.sizes.get(tool)
        result = f"{size:.1f} MB" if size else "-"
        yield [tool, *map(_time, times), f"{found.memory(tool):.0f} MB", result]


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def _bars(work: str, found: Results) -> Iterator[tuple[str, str, bool]]:
    """Title, what was measured, and whether that is enough."""
    for limit, peer, cores, ours in AT_MOST.get(work, ()):
        value = found.seconds(ours, cores) / found.seconds(peer, cores)
        title = f"{work}: {ours} ≤ {limit} × {peer}, {cores} core{'s' * (cores > 1)}"
        yield title, _shown(value), value <= limit
    for limit, peer in AT_LEAST.get(work, ()):
        value = found.seconds(peer, 1) / found.seconds(OURS, 1)
        yield f"{work}: ≥ {limit} × as fast as {peer}, 1 core", _shown(value), value >= limit
    if work == "translate":
        value = found.sizes[OURS] / found.sizes["polars"]
        yield "translate: bytes ≤ 0.8 × polars", _shown(value), value <= 0.8
    if work == "translate-gz":
        pipe = max(found.seconds("zcat"), found.seconds("pipekit, unpacked"))
        value = pipe / found.seconds(OURS)
        title = "≥ 0.8 × as fast as zcat piped to pipekit (the longer of both)"
        yield f"translate-gz: {title}, 2 cores", _shown(value), value >= 0.8
    if work == "ticks":
        value = found.memory(OURS)
        yield "ticks: memory ≤ 300 MB", _shown(value, "MB"), value <= 300
    if limit := SECONDS.get(work):
        value = found.seconds(OURS)
        yield f"{work}: pipekit at most {limit} s", _shown(value, "s"), value <= limit
    if limit := BEYOND_START.get(work):
        value = (found.seconds(OURS) - found.seconds("pipekit --version")) / found.seconds("find")
        title = f"{work}: pipekit ≤ {limit} × find, process start apart"
        yield title, _shown(value), value <= limit


def _shown(value: float, unit: str = "×") -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}"


def write(page: Path, work: str, text: str) -> None:
    """Put a work's tables in their place, and name what is missed on the whole page."""
    common.put(page, f"data-{work}", text)
    content = page.read_text(encoding="utf-8")
    blocks = re.findall(r"<!-- data-(?!missed)\S+: begin -->(.*?)<!--", content, re.DOTALL)
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| \*\*no\*\* \|$", "".join(blocks), re.MULTILINE)
    missed = [f"- {bar}: {measured}" for bar, measured in rows] or ["- nothing"]
    common.put(page, "data-missed", "\n".join(["Missed:", "", *missed]))
