"""How fast pipekit starts, beside bare Python, doit and luigi: measured in one run.

    uv run python benchmarks/startup/run.py [--rounds 25] [--write]

Builds a virtual environment for each tool (below the system's temporary folder), checks that each
really runs three tasks, and then starts all cases in shuffled order, round after round.
`--write` puts the tables into docs/explanation/performance.md.
"""

from __future__ import annotations

import argparse
import platform
import random
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import markers
from cases import Case, check, prepare
from environments import build_all
from measure import memory, middle, wall
from tables import Results, render
from venvs import REPOSITORY, Environment, cache

PAGE = REPOSITORY / "docs/explanation/performance.md"


def main() -> None:
    options = arguments()
    print("building environments", file=sys.stderr)
    environments = build_all(options.cache, with_pipekit=not options.peers)
    with tempfile.TemporaryDirectory(prefix="pipekit-startup-") as folder:
        cases = prepare(Path(folder), environments)
        results = measured(cases, options.rounds)
    text = f"{conditions(environments, options.rounds)}\n\n{render(results)}"
    print(text)
    if options.write:
        markers.put(PAGE, "startup", text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=25, help="starts of each case")
    parser.add_argument("--peers", action="store_true", help="leave pipekit out")
    parser.add_argument("--write", action="store_true", help=f"update {PAGE.name}")
    parser.add_argument(
        "--cache",
        type=Path,
        default=cache("startup"),
        help="where the virtual environments are kept",
    )
    return parser.parse_args()


def measured(cases: list[Case], rounds: int) -> Results:
    """Times (ms) and memory (MB) by tool and work, each case once a round, the order shuffled."""
    runs = [case for case in cases if case.work == "run"]
    for case in runs:
        check(case)
    for case in cases:
        wall(case)  # warm the file cache, and write what a first start writes
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    order = random.Random(1)
    for number in range(rounds):
        print(f"\rround {number + 1} of {rounds}", end="", file=sys.stderr)
        for case in order.sample(cases, len(cases)):
            times[case.tool, case.work].append(wall(case))
    print("\rmeasuring memory   ", file=sys.stderr)
    if sys.platform != "linux":
        return Results(dict(times), {})
    return Results(
        dict(times), {case.tool: middle([memory(case) for _ in range(3)]) for case in runs}
    )


def conditions(environments: dict[str, Environment], rounds: int) -> str:
    """On what this was measured."""
    versions = [f"{tool} {each.versions[tool]}" for tool, each in environments.items()]
    if "pipekit" in environments:
        installed = environments["pipekit"].versions
        versions += [f"{name} {installed[name]}" for name in ("click", "pluggy", "attrs")]
    return (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} "
        f"{platform.machine()}; {', '.join(versions)}. Medians of {rounds} starts, in shuffled "
        "order, with the quartiles."
    )


if __name__ == "__main__":
    main()
