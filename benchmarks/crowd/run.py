"""What 50 installed plugins cost that a project does not use, three of them broken.

    uv run python benchmarks/crowd/run.py [--rounds 15] [--write]

CPU time of `--help` and of a run without work, with the plugins on the path and without, in
shuffled order, round after round. `--write` puts the table into docs/explanation/performance.md.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common

import pipekit

PLUGINS = 50
BROKEN = {
    "torn": "import nothing_of_this_name\n",
    "later": 'PIPEKIT_API = "99"\n',
    "halved": "def pipekit_stages(:\n",
}
CODE = """
import attrs
from pipekit import StagePlan, StageSpec, hookimpl, setting

PIPEKIT_API = "1"

@attrs.frozen
class Settings:
    folder: str = setting("Where to read.", default="data")

def plan(ctx, settings):
    return StagePlan.skip("nothing to do")

@hookimpl
def pipekit_stages():
    yield StageSpec("{name}", plan, settings=Settings)
"""
CONFIG = """
[pipeline]
stages = ["one"]
[stages.one]
command = ["true"]
inputs = ["data/none/*"]
[sinks.console]
"""
LIMITS = {"--help": 10, "run": 20}  # percent more, at most


def main() -> None:
    options = common.parser(__doc__, "crowd", 15).parse_args()
    with tempfile.TemporaryDirectory(prefix="pipekit-crowd-") as folder:
        site, project = Path(folder, "site"), Path(folder, "project")
        install(site)
        (project / "data/none").mkdir(parents=True)
        (project / "pipekit.toml").write_text(CONFIG)
        check(project, site)
        times = measured(project, site, options.rounds)
    text = rendered(times, options.rounds)
    print(text)
    if options.write:
        common.put(common.PERFORMANCE, "crowd", text)


def install(site: Path) -> None:
    """The plugins, each a module and what an installer leaves beside it."""
    site.mkdir()
    healthy = {f"crowd_{n}": CODE.format(name=f"crowd_{n}") for n in range(PLUGINS - len(BROKEN))}
    for name, code in (healthy | BROKEN).items():
        (site / f"{name}_plugin.py").write_text(code)
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[pipekit]\n{name} = {name}_plugin\n")


def call(project: Path, site: Path | None, *words: str) -> tuple[float, str]:
    """CPU seconds of a command with its children, and what it printed."""
    path = {"PYTHONPATH": str(site)} if site else {}
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | path
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "pipekit", *words],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, done.stdout + done.stderr


def check(project: Path, site: Path) -> None:
    """The three are named, and harm nobody."""
    _, listed = call(project, site, "plugins", "list")
    missing = [name for name in (*BROKEN, "crowd_0") if name not in listed]
    _, ran = call(project, site, "run")
    if missing or "idle" not in ran or any(name in ran for name in BROKEN):
        raise SystemExit(f"not as expected: {missing}\n{listed}\n{ran}")


def measured(project: Path, site: Path, rounds: int) -> dict[tuple[str, bool], list[float]]:
    """CPU milliseconds by command, and whether the plugins were there."""
    cases = [(word, there) for word in LIMITS for there in (False, True)]
    for word, there in cases:
        call(project, site if there else None, word)
    times: dict[tuple[str, bool], list[float]] = defaultdict(list)
    for word, there in common.shuffled(cases, rounds):
        times[word, there].append(1000 * call(project, site if there else None, word)[0])
    return times


def rendered(times: dict[tuple[str, bool], list[float]], rounds: int) -> str:
    """The tables as they stand on the page."""
    middle = {case: statistics.median(found) for case, found in times.items()}
    names = {"--help": "`--help`", "run": "a run without work"}
    rows = [
        (names[word], f"{middle[word, False]:.0f} ms", f"{middle[word, True]:.0f} ms")
        for word in LIMITS
    ]
    more = {word: 100 * (middle[word, True] / middle[word, False] - 1) for word in LIMITS}
    bars = [
        (f"{names[word]} ≤ {limit} % more CPU", f"{more[word]:+.0f} %", more[word] <= limit)
        for word, limit in LIMITS.items()
    ]
    head = ("CPU time", "alone", f"with {PLUGINS} plugins more, {len(BROKEN)} broken")
    how = f"Medians of {rounds} starts, in shuffled order."
    conditions = common.conditions([f"pipekit {pipekit.__version__}"])
    return f"{conditions} {how}\n\n{common.table(head, rows)}\n\n{common.bars(bars)}"


if __name__ == "__main__":
    main()
