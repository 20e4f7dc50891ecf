"""How fast pipekit starts, beside bare Python, doit and luigi: measured in one run.

    uv run python benchmarks/startup/run.py [--rounds 25] [--write]

Builds a virtual environment for each tool (below the system's temporary folder), checks that each
really runs three tasks, and then starts all cases in shuffled order, round after round.
`--write` puts the tables into docs/explanation/performance.md.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common
import processes
import venvs
from cases import SLEEP, Case, check, prepare
from tables import Results

PEERS = {"doit": "doit==0.37.0", "luigi": "luigi==3.8.1"}  # an index may offer much older ones
PAUSE = 0.01  # seconds between two looks at the memory


def main() -> None:
    options = common.parser(__doc__, "startup", 25).parse_args()
    print("building environments", file=sys.stderr)
    found = {name: venvs.peer(options.cache / name, [wanted]) for name, wanted in PEERS.items()}
    found["pipekit"] = venvs.pipekit(options.cache / "pipekit", [venvs.REPOSITORY, venvs.PLUGIN])
    with tempfile.TemporaryDirectory(prefix="pipekit-startup-") as folder:
        results = measured(prepare(Path(folder), found), options.rounds)
    versions = [f"{tool} {each.versions[tool]}" for tool, each in found.items()]
    versions += [
        f"{name} {found['pipekit'].versions[name]}" for name in ("click", "pluggy", "attrs")
    ]
    how = f"Medians of {options.rounds} starts, in shuffled order, with the quartiles."
    text = f"{common.conditions(versions)} {how}\n\n{results.render()}"
    print(text)
    if options.write:
        common.put(common.PERFORMANCE, "startup", text)


def measured(cases: list[Case], rounds: int) -> Results:
    """Times (ms) and memory (MB) by tool and work."""
    runs = [case for case in cases if case.work == "run"]
    for case in runs:
        check(case)
    for case in cases:
        wall(case)  # warm the file cache, and write what a first start writes
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for case in common.shuffled(cases, rounds):
        times[case.tool, case.work].append(wall(case))
    print("measuring memory", file=sys.stderr)
    looked = runs if sys.platform == "linux" else []
    return Results(times, {case.tool: [memory(case) for _ in range(3)] for case in looked})


def wall(case: Case) -> float:
    """Milliseconds from the start to the end. Raises SystemExit when the command fails."""
    started = time.perf_counter()
    code = case.start().wait()
    took = (time.perf_counter() - started) * 1000
    if code:
        raise SystemExit(f"{case.tool} {case.work} ended with {code}:\n{case.output()[1]}")
    return took


def memory(case: Case) -> float:
    """Megabytes of the runner while its tasks run: the highest sum of PSS over its processes.

    The tasks are `sleep`s, which do not count. PSS shares what several processes map among them, so
    a helper that is forked costs what it adds. Linux only.
    """
    process = replace(case, command=f"{SLEEP} 0.4").start()
    sums = []
    while process.poll() is None:
        below = processes.descendants(process.pid)
        runner = [pid for pid, words in below.items() if words[:1] != (SLEEP,)]
        if len(runner) < len(below):
            sums.append(sum(map(_pss, [process.pid, *runner])))
        time.sleep(PAUSE)
    if process.returncode or len(sums) < 10:
        raise SystemExit(f"{case.tool}: no memory was seen while its tasks ran")
    return max(sums) / 1024


def _pss(pid: int) -> int:
    """Kilobytes; 0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()
