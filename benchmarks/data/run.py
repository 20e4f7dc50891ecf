"""The data plane beside what its users would pick instead: measured in one run.

    uv run python benchmarks/data/run.py [--only WORK] [--rounds 5] [--quick] [--write]

Makes the input (below the system's temporary folder), an environment for each peer and one with
pipekit's wheels, lets each tool do each piece of work once, and stops if their results differ.
Then it starts all of them in shuffled order, round after round, on one core and on two. `--write`
puts each work's tables into its own place in docs/explanation/performance.md. README.md tells more.
"""

from __future__ import annotations

import argparse
import fcntl
import random
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import page
import venvs
from inputs import WORKS
from measure import Sample, start
from place import Place
from tables import Results, render
from work import Case

REQUIREMENTS = [
    "pandas==3.1.1",
    "pyarrow==26.0.1",
    "polars==2.1.0",
    "duckdb==2.0.0",
    "numba==0.68.1",
    "numpy==2.4.6",
    "pytz==2026.1",
]
VECTORBT = [
    "vectorbt==1.2.0",
    "pandas==3.1.1",
    "pyarrow==26.0.1",
    "numba==0.68.1",
    "numpy==2.4.6",
]  # an environment of its own: it needs much, and asks for what it likes
QUICK = (0.1, 0.2, 20_000_000, 500, 5)  # see `Place`
FULL = (2.02, 5, 2_000_000_000, 10_000, 143)  # 143 runs of seven instruments: 1,001 files


def main() -> None:
    options = arguments()
    options.cache.mkdir(parents=True, exist_ok=True)
    with (options.cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once would share inputs, results and cores
        measure_all(options)


def measure_all(options: argparse.Namespace) -> None:
    """Measure what is asked for, a work after the other, and print its tables."""
    place = prepared(options)
    for name in options.only or WORKS:
        cases = WORKS[name](place)
        check(cases, place.peers)
        results = measured(cases, options.rounds)
        text = f"{conditions(place, cases, options)}\n\n{render(name, results)}"
        print(f"{text}\n", flush=True)
        if options.write:
            page.write(name, text, list(WORKS))


def prepared(options: argparse.Namespace) -> Place:
    """The environments, and where the inputs are."""
    print("building environments", file=sys.stderr)
    peers = venvs.peer(options.cache / "peers", REQUIREMENTS)
    sources = [venvs.REPOSITORY, *sorted(venvs.REPOSITORY.glob("plugins/*"))]
    pipekit = venvs.pipekit(options.cache / "pipekit", sources)
    try:
        vectorbt = venvs.peer(options.cache / "vectorbt", VECTORBT)
    except SystemExit as error:
        print(f"without vectorbt: {error}", file=sys.stderr)
        vectorbt = None
    sizes = QUICK if options.quick else FULL
    folder = options.cache / ("quick" if options.quick else "full")
    return Place(folder, *sizes, peers, pipekit, vectorbt)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=WORKS, action="append", help="this work; more than once")
    parser.add_argument("--rounds", type=int, default=5, help="starts of each case")
    parser.add_argument("--quick", action="store_true", help="little input: to see that it works")
    parser.add_argument("--write", action="store_true", help=f"update {page.PAGE.name}")
    parser.add_argument("--cache", type=Path, default=venvs.cache("data"), help="its own folder")
    return parser.parse_args()


def check(cases: list[Case], peers: venvs.Environment) -> None:
    """Each once, which also warms caches; raises SystemExit where results differ."""
    for case in cases:
        print(f"checking {case.work} with {case.tool}", file=sys.stderr)
        once(case, 2)
    outputs = list(dict.fromkeys(str(case.output) for case in cases if case.output))
    if outputs:
        script = str(Path(__file__).with_name("check.py"))
        kind = cases[0].work.partition("-")[0]
        subprocess.run([peers.program("python"), script, kind, *outputs], check=True)
        if kind in ("translate", "ticks"):
            readers = str(Path(__file__).with_name("readers.py"))
            subprocess.run([peers.program("python"), readers, outputs[0]], check=True)


def once(case: Case, cores: int) -> Sample:
    """One start of the case, from the beginning of its work."""
    case.ready()
    return start(case.argv(cores), case.folder, cores, case.env(cores))


def measured(cases: list[Case], rounds: int) -> Results:
    """Samples by tool and cores, each case once a round, the order shuffled."""
    samples: dict[tuple[str, int], list[Sample]] = {
        (case.tool, cores): [] for case in cases for cores in (1, 2)
    }
    order = random.Random(1)
    starts = [(case, cores) for case in cases for cores in (1, 2)]
    for number in range(rounds):
        for case, cores in order.sample(starts, len(starts)):
            print(f"round {number + 1}: {case.work} {case.tool} {cores}   ", file=sys.stderr)
            samples[case.tool, cores].append(once(case, cores))
    sizes = {case.tool: size_of(case.output) for case in cases if case.output}
    return Results(samples, sizes)


def size_of(folder: Path) -> float:
    """Megabytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def conditions(at: Place, cases: list[Case], options: argparse.Namespace) -> str:
    """On what this was measured."""
    import platform

    versions = [f"pipekit {at.pipekit.versions['pipekit']}"]
    named = ("polars", "duckdb", "pyarrow", "pandas", "numba", "numpy")
    versions += [f"{name} {at.peers.versions[name]}" for name in named]
    if at.vectorbt and any(case.tool == "vectorbt" for case in cases):
        versions.append(f"vectorbt {at.vectorbt.versions['vectorbt']}")
    return (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} "
        f"{platform.machine()}; {', '.join(versions)}. Medians of {options.rounds}, in shuffled "
        f"order{'; **little input, to see that it works**' * options.quick}."
    )


if __name__ == "__main__":
    main()
