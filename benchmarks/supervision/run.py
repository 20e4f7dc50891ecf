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

import cells
import common
import figures
import processes
import tables
import venvs
from tools import Tool, environments, tools

PAGE = venvs.REPOSITORY / "docs/explanation/supervision.md"
QUICK_TREES = ["hidden"]
QUICK_TIMES = cells.Times(timeout=0.3, grace=0.3, spare=0.8)
QUICK = figures.Scale(1, 20_000_000, 3, 20_000_000, 20_000_000, 200)


def main() -> None:
    if sys.platform != "linux":
        raise SystemExit("this benchmark looks at processes as Linux shows them")
    options = arguments()
    processes.adopt()
    print("building environments", file=sys.stderr)
    found = environments(options.cache)
    try:
        texts = measured(found, tools(found), options)
    finally:
        left = processes.end_all()
    if left:
        raise SystemExit(f"could not end {left}")
    print("\n\n".join(texts.values()))
    if options.write:
        for part, text in texts.items():
            common.put(PAGE, f"supervision-{part}", text)


def arguments() -> argparse.Namespace:
    parser = common.parser(__doc__, "supervision", 5)
    parser.add_argument("--quick", action="store_true", help="little of all: to see that it works")
    parser.add_argument("--long", action="store_true", help="10 GB of output instead of one")
    parser.add_argument("--only", choices=("trees", "figures"), help="one of the two parts")
    parser.add_argument("--jobs", type=int, default=4, help="cells at a time: they mostly wait")
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("--quick is too small to say anything: it does not go with --write")
    if options.quick:
        options.rounds = 1
    return options


def measured(
    found: Mapping[str, venvs.Environment], contestants: Sequence[Tool], options: argparse.Namespace
) -> dict[str, str]:
    """The text of each part that was asked for."""
    texts = {}
    if options.only != "figures":
        texts["trees"] = compared(contestants, options)
    if options.only != "trees":
        lines = 10_000_000_000 if options.long else 1_000_000_000
        scale = QUICK if options.quick else figures.Scale(options.rounds, lines=lines)
        head = f"`{command()}`. Times are medians of {options.rounds}."
        texts["figures"] = (
            f"{head}\n\n{tables.figures(figures.measured(found, contestants, scale))}"
        )
    return texts


def compared(contestants: Sequence[Tool], options: argparse.Namespace) -> str:
    """Every tool with every tree."""
    times = QUICK_TIMES if options.quick else cells.Times()
    trees = QUICK_TREES if options.quick else list(tables.TREES)
    with tempfile.TemporaryDirectory(prefix="pipekit-trees-") as name:
        folder = Path(name)
        endings = cells.measured(contestants, options.rounds, times, options.jobs, folder, trees)
    versions = dict.fromkeys(f"{tool.name.split(',')[0]} {tool.version}" for tool in contestants)
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return (
        f"`{command()}`: {system}, {os.cpu_count()} cores; {', '.join(versions)}. Each cell "
        f"{options.rounds} times, in shuffled order; the worst of them is shown.\n\n"
        f"{tables.trees(endings, contestants, trees, times)}"
    )


def command() -> str:
    """What this was started with."""
    return shlex.join(["uv", "run", "python", "benchmarks/supervision/run.py", *sys.argv[1:]])


if __name__ == "__main__":
    main()
