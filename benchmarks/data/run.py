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
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common
import tables
import venvs
from inputs import WORKS
from work import Case, Place, Sample

PANDAS = ["pandas==3.1.1", "pyarrow==26.0.1"]
NUMBA = ["numba==0.68.1", "numpy==2.4.6"]
REQUIREMENTS = [*PANDAS, "polars==2.1.0", "duckdb==2.0.0", *NUMBA, "pytz==2026.1"]
VECTORBT = ["vectorbt==1.2.0", *PANDAS, *NUMBA]  # an environment of its own: it needs much
QUICK = (0.1, 0.2, 20_000_000, 500, 5)  # see `Place`
FULL = (2.02, 5, 2_000_000_000, 10_000, 143)  # 143 runs of seven instruments: 1,001 files


def main() -> None:
    parser = common.parser(__doc__, "data", 5)
    parser.add_argument("--only", choices=WORKS, action="append", help="this work; more than once")
    parser.add_argument("--quick", action="store_true", help="little input: to see that it works")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    with (options.cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once would share inputs, results and cores
        measure_all(options)


def measure_all(options: argparse.Namespace) -> None:
    """Measure what is asked for, a work after the other, and print its tables."""
    place = prepared(options)
    for name in options.only or WORKS:
        cases = WORKS[name](place)
        check(name, cases, place.peers)
        results = measured(cases, options.rounds)
        how = f"Medians of {options.rounds}, in shuffled order"
        how += "; **little input, to see that it works**." if options.quick else "."
        text = f"{conditions(place, cases)} {how}\n\n{tables.render(name, results)}"
        print(f"{text}\n", flush=True)
        if options.write:
            tables.write(common.PERFORMANCE, name, text)


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
    sizes, name = (QUICK, "quick") if options.quick else (FULL, "full")
    return Place(options.cache / name, *sizes, peers, pipekit, vectorbt)


def check(work: str, cases: list[Case], peers: venvs.Environment) -> None:
    """Each once, which also warms caches; raises SystemExit where results differ."""
    for case in cases:
        print(f"checking {work} with {case.tool}", file=sys.stderr)
        case.once(2)
    outputs = list(dict.fromkeys(str(case.output) for case in cases if case.output))
    if outputs:
        script = str(Path(__file__).with_name("check.py"))
        kind = work.partition("-")[0]
        subprocess.run([peers.program("python"), script, kind, *outputs], check=True)


def measured(cases: list[Case], rounds: int) -> tables.Results:
    """Samples by tool and cores, and how much each left behind."""
    starts = [(case, cores) for case in cases for cores in (1, 2)]
    samples: dict[tuple[str, int], list[Sample]] = {
        (case.tool, cores): [] for case, cores in starts
    }
    for case, cores in common.shuffled(starts, rounds):
        samples[case.tool, cores].append(case.once(cores))
    sizes = {
        case.tool: sum(file.stat().st_size for file in case.output.rglob("*") if file.is_file())
        / 1e6
        for case in cases
        if case.output
    }
    return tables.Results(samples, sizes)


def conditions(at: Place, cases: list[Case]) -> str:
    """On what this was measured."""
    versions = [f"pipekit {at.pipekit.versions['pipekit']}"]
    named = ("polars", "duckdb", "pyarrow", "pandas", "numba", "numpy")
    versions += [f"{name} {at.peers.versions[name]}" for name in named]
    if any(case.tool == "vectorbt" for case in cases):
        versions.append(f"vectorbt {at.vectorbt.versions['vectorbt']}")
    return common.conditions(versions)


if __name__ == "__main__":
    if sys.platform != "linux":
        raise SystemExit("this benchmark binds to cores and reads memory as Linux does")
    main()
