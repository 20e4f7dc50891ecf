"""The data plane beside what its users would pick instead: measured in one run.

    uv run python benchmarks/data/run.py [--only WORK] [--rounds 5] [--quick] [--write]

Makes the input (below the system's temporary folder), an environment for each peer and one with
pipekit's wheels, lets each tool do each piece of work once, and stops if their results differ.
Then it starts all of them in shuffled order, round after round, on one core and on two. `--write`
puts the tables into docs/explanation/performance.md.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import venvs
from inputs import WORKS, Place
from measure import Sample, start
from tables import Results, render
from work import Case

PAGE = venvs.REPOSITORY / "docs/explanation/performance.md"
BEGIN, END = "<!-- data: begin -->", "<!-- data: end -->"
REQUIREMENTS = [
    "pandas==3.1.1",
    "pyarrow==26.0.1",
    "polars==2.1.0",
    "duckdb==2.0.0",
    "numba==0.68.1",
    "numpy==2.4.6",
    "pytz==2026.1",
]
QUICK, FULL = (0.1, 0.2, 20_000_000, 500), (2.02, 5, 1_200_000_000, 10_000)  # see `Place`


def main() -> None:
    options = arguments()
    cache = options.cache
    print("building environments", file=sys.stderr)
    peers = venvs.peer(cache / "peers", REQUIREMENTS)
    sources = [venvs.REPOSITORY, *sorted(venvs.REPOSITORY.glob("plugins/*"))]
    pipekit = venvs.pipekit(cache / "pipekit", sources)
    sizes = QUICK if options.quick else FULL
    place = Place(cache / ("quick" if options.quick else "full"), *sizes, peers, pipekit)
    wanted = [work for name, work in WORKS.items() if options.only in {None, name}]
    cases = [case for work in wanted for case in work(place)]
    check(cases, peers)
    results = measured(cases, options.rounds)
    text = f"{conditions(peers, pipekit, options.rounds)}\n\n{render(results)}"
    print(text)
    if options.write:
        write(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=WORKS, help="one piece of work alone")
    parser.add_argument("--rounds", type=int, default=5, help="starts of each case")
    parser.add_argument("--quick", action="store_true", help="little input: to see that it works")
    parser.add_argument("--write", action="store_true", help=f"update {PAGE.name}")
    parser.add_argument("--cache", type=Path, default=venvs.cache("data"), help="its own folder")
    return parser.parse_args()


def check(cases: list[Case], peers: venvs.Environment) -> None:
    """Each once, which also warms caches; raises SystemExit where results differ."""
    for work in dict.fromkeys(case.work for case in cases):
        outputs = []
        for case in cases:
            if case.work == work:
                print(f"checking {work} with {case.tool}", file=sys.stderr)
                once(case, 2)
                outputs += [str(case.output)] if case.output else []
        if not outputs:
            continue
        script = str(Path(__file__).with_name("check.py"))
        kind = work.partition("-")[0]
        subprocess.run([peers.program("python"), script, kind, *outputs], check=True)


def once(case: Case, cores: int) -> Sample:
    """One start of the case, from the beginning of its work."""
    case.ready()
    return start(case.argv(cores), case.folder, cores, case.env(cores))


def measured(cases: list[Case], rounds: int) -> Results:
    """Samples by work, tool and cores, each case once a round, the order shuffled."""
    samples: dict[tuple[str, str, int], list[Sample]] = defaultdict(list)
    order = random.Random(1)
    starts = [(case, cores) for case in cases for cores in (1, 2)]
    for number in range(rounds):
        for case, cores in order.sample(starts, len(starts)):
            print(f"round {number + 1}: {case.work} {case.tool} {cores}   ", file=sys.stderr)
            samples[case.work, case.tool, cores].append(once(case, cores))
    sizes = {(case.work, case.tool): size_of(case.output) for case in cases if case.output}
    return Results(dict(samples), sizes)


def size_of(folder: Path) -> float:
    """Megabytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def conditions(peers: venvs.Environment, pipekit: venvs.Environment, rounds: int) -> str:
    """On what this was measured."""
    import platform

    versions = [f"pipekit {pipekit.versions['pipekit']}"]
    versions += [f"{name} {peers.versions[name]}" for name in ("polars", "duckdb", "pyarrow")]
    versions += [f"{name} {peers.versions[name]}" for name in ("pandas", "numba", "numpy")]
    return (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} "
        f"{platform.machine()}; {', '.join(versions)}. Whole processes, pipekit's with its "
        f"planning, supervision, journal and report; medians of {rounds}, in shuffled order."
    )


def write(text: str) -> None:
    """Put the tables between the page's markers; at its end, where it has none."""
    page = PAGE.read_text(encoding="utf-8")
    if BEGIN not in page:
        page = f"{page.rstrip()}\n\n## The data plane\n\n{BEGIN}\n{END}\n"
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
