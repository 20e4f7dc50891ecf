"""Who ends what it started, and at what price: pipekit beside what others use, in one run.

    uv run python benchmarks/supervision/run.py [--only trees|figures] [--quick | --long] [--write]

Builds an environment for each tool (below the system's temporary folder), lets each of them start
trees of processes that are hard to end, disturbs it and counts from outside what is left; then
measures the price of supervision. `--write` puts the tables into docs/explanation/supervision.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import bars
import cells
import figures
import markers
import processes
import tables
from tools import Tool, environments, tools
from venvs import REPOSITORY, Environment, cache

PAGE = REPOSITORY / "docs/explanation/supervision.md"
QUICK = ("hidden",)  # trees
QUICK_TIMES = cells.Times(timeout=0.3, grace=0.3, spare=0.8)


def main() -> None:
    if sys.platform != "linux":
        raise SystemExit("this benchmark looks at processes as Linux shows them")
    options = arguments()
    processes.adopt()
    print("building environments", file=sys.stderr)
    found = environments(options.cache)
    contestants = tools(found)
    try:
        texts = measured(found, contestants, options)
    finally:
        left = processes.end_all(10)
    if left:
        raise SystemExit(f"could not end {left}")
    print("\n\n".join(texts.values()))
    if options.write:
        for part, text in texts.items():
            markers.put(PAGE, f"supervision-{part}", text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="starts of each cell")
    parser.add_argument("--quick", action="store_true", help="little of all: to see that it works")
    parser.add_argument("--long", action="store_true", help="10 GB of output instead of one")
    parser.add_argument("--only", choices=("trees", "figures"), help="one of the two parts")
    parser.add_argument("--jobs", type=int, default=4, help="cells at a time: they mostly wait")
    parser.add_argument("--write", action="store_true", help=f"update {PAGE.name}")
    parser.add_argument("--cache", type=Path, default=cache("supervision"), help="its own folder")
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("--quick is too small to say anything: it does not go with --write")
    return options


def measured(
    found: Mapping[str, Environment], contestants: Sequence[Tool], options: argparse.Namespace
) -> dict[str, str]:
    """The text of each part that was asked for."""
    times, endings, texts = QUICK_TIMES if options.quick else cells.Times(), {}, {}
    rounds = 1 if options.quick else options.rounds
    if options.only != "figures":
        endings = compared(contestants, times, options)
        shown = [tree for tree in tables.TREES if any(tree in key for key in endings)]
        order = f"Each cell {rounds} times, in shuffled order; the worst of them is shown."
        head = f"{conditions(contestants)} {order}"
        promises = bars.promises_of_trees(endings, times)
        texts["trees"] = f"{head}\n\n{tables.trees(endings, contestants, shown)}\n\n{promises}"
    if options.only != "trees":
        scale = bars.scale(options.quick, options.long, rounds)
        result = figures.measured(found, contestants, scale)
        head = f"`{command()}`. Times are medians of {rounds}."
        texts["figures"] = f"{head}\n\n{bars.figures(result)}\n\n{bars.promises(result)}"
    return texts


def compared(
    contestants: Sequence[Tool], times: cells.Times, options: argparse.Namespace
) -> cells.Endings:
    """Every tool with every tree."""
    trees = QUICK if options.quick else list(tables.TREES)
    rounds = 1 if options.quick else options.rounds
    with tempfile.TemporaryDirectory(prefix="pipekit-trees-") as folder:
        return cells.measured(contestants, rounds, times, options.jobs, Path(folder), trees)


def conditions(contestants: Sequence[Tool]) -> str:
    """On what this was measured."""
    versions = dict.fromkeys(f"{tool.name.split(',')[0]} {tool.version}" for tool in contestants)
    return (
        f"`{command()}`: {platform.system()} {platform.release()} {platform.machine()}, "
        f"{os.cpu_count()} cores; {', '.join(versions)}."
    )


def command() -> str:
    """What this was started with."""
    return shlex.join(["uv", "run", "python", "benchmarks/supervision/run.py", *sys.argv[1:]])


if __name__ == "__main__":
    main()
