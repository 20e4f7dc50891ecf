"""Who ends what it started, and at what price: pipekit beside what others use, in one run.

    uv run python benchmarks/supervision/run.py [--quick] [--rounds 5] [--only PART] [--write]

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
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import cells
import processes
import tables
from tools import Tool, environments, tools
from venvs import REPOSITORY, cache

PAGE = REPOSITORY / "docs/explanation/supervision.md"
QUICK = ("hidden",)  # trees
QUICK_TIMES = cells.Times(timeout=0.3, grace=0.3, spare=1.2)


def main() -> None:
    if sys.platform != "linux":
        raise SystemExit("this benchmark looks at processes as Linux shows them")
    options = arguments()
    processes.adopt()
    print("building environments", file=sys.stderr)
    contestants = tools(environments(options.cache))
    try:
        text = compared(contestants, options)
        print(text)
    finally:
        left = processes.end_all(10)
    if left:
        raise SystemExit(f"could not end {left}")
    if options.write:
        write("trees", text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="starts of each cell")
    parser.add_argument("--quick", action="store_true", help="little of all: to see that it works")
    parser.add_argument("--jobs", type=int, default=4, help="cells at a time: they mostly wait")
    parser.add_argument("--write", action="store_true", help=f"update {PAGE.name}")
    parser.add_argument("--cache", type=Path, default=cache("supervision"), help="its own folder")
    return parser.parse_args()


def compared(contestants: Sequence[Tool], options: argparse.Namespace) -> str:
    """The tables of part one."""
    times, shown, rounds = cells.Times(), list(tables.TREES), options.rounds
    if options.quick:
        times, shown, rounds = QUICK_TIMES, list(QUICK), 1
    with tempfile.TemporaryDirectory(prefix="pipekit-trees-") as folder:
        endings = cells.measured(contestants, rounds, times, options.jobs, Path(folder), shown)
    return f"{conditions(contestants, rounds)}\n\n{tables.trees(endings, contestants, shown)}"


def conditions(contestants: Sequence[Tool], rounds: int) -> str:
    """On what this was measured."""
    command = shlex.join(["uv", "run", "python", "benchmarks/supervision/run.py", *sys.argv[1:]])
    versions = dict.fromkeys(f"{tool.name.split(',')[0]} {tool.version}" for tool in contestants)
    return (
        f"`{command}`: {platform.system()} {platform.release()} {platform.machine()}, "
        f"{os.cpu_count()} cores; {', '.join(versions)}. Each cell {rounds} times, in shuffled "
        "order; the worst of them is shown."
    )


def write(part: str, text: str) -> None:
    """Put tables between the page's markers for them."""
    begin, end = (f"<!-- supervision-{part}: {word} -->" for word in ("begin", "end"))
    page = PAGE.read_text(encoding="utf-8")
    before, found, rest = page.partition(begin)
    if not found or end not in rest:
        raise SystemExit(f"{PAGE.name} has no place for them: {begin} ... {end}")
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
