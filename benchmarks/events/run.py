"""How fast an event gets into pipekit's journal, beside logging, structlog and loguru.

    uv run python benchmarks/events/run.py [--rounds 9] [--count 50000] [--write]

Every tool tells the same events, one line of JSON and one write each, and the last one, which ends
a run, is synced to the disk. Before anything is timed each tool is killed by SIGKILL once, and what
it told until then has to be in its file, equal to what the others wrote. README.md tells more.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import markers
import venvs
from check import check
from tables import OURS, STANDARD, Sample, render

PAGE = venvs.REPOSITORY / "docs/explanation/performance.md"
TOOLS = Path(__file__).with_name("tools")
REQUIREMENTS = ["structlog==26.1.0", "loguru==0.7.3", "orjson==3.13.0"]
CHECKED = 3000  # events


@dataclass(frozen=True)
class Case:
    """A tool: its script, and the environment that it is started in."""

    name: str
    script: str
    python: str
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, path: Path, count: int, *words: str) -> subprocess.CompletedProcess[str]:
        """Let it tell so many events into a file."""
        return subprocess.run(
            [self.python, str(TOOLS / f"{self.script}.py"), str(path), str(count), *words],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )


def main() -> None:
    options = arguments()
    print("building environments", file=sys.stderr)
    cache = options.cache or venvs.cache("events")
    peers = venvs.peer(cache / "peers", REQUIREMENTS)
    pipekit = venvs.pipekit(cache / "pipekit", [venvs.REPOSITORY])
    cases = cases_in(peers.program("python"), pipekit.program("python"))
    with tempfile.TemporaryDirectory(prefix="pipekit-events-", dir=options.folder) as folder:
        check_all(cases, Path(folder))
        samples = measured(cases, Path(folder), options.count, options.rounds)
    versions = [f"pipekit {pipekit.versions['pipekit']}"]
    versions += [f"{name} {peers.versions[name]}" for name in ("structlog", "loguru", "orjson")]
    text = f"{conditions(versions, options)}\n\n{render(samples)}"
    print(text)
    if options.write:
        markers.put(PAGE, "events", text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="starts of each tool")
    parser.add_argument("--count", type=int, default=50_000, help="events a start")
    parser.add_argument("--write", action="store_true", help=f"update {PAGE.name}")
    parser.add_argument("--folder", help="where the files go; the system's temporary folder")
    parser.add_argument("--cache", type=Path, help="where the virtual environments are kept")
    return parser.parse_args()


def cases_in(peers: str, pipekit: str) -> list[Case]:
    """All tools, given the interpreters of the two environments."""
    return [
        Case(OURS, "pipekit_run", pipekit),
        Case("pipekit, without the log for people", "pipekit_run", pipekit, {"NO_LOG": "1"}),
        Case(STANDARD, "logging_json", peers),
        Case("logging, tuned", "logging_tuned", peers),
        Case("structlog", "structlog_json", peers),
        Case("structlog with orjson", "structlog_orjson", peers),
        Case("loguru", "loguru_json", peers),
    ]


def check_all(cases: Iterable[Case], folder: Path) -> None:
    """Raises SystemExit when a tool that was killed, or that ended, left something else."""
    for case in cases:
        print(f"checking {case.name}", file=sys.stderr)
        path = fresh(folder)
        killed = case.start(path, CHECKED, "die")
        if killed.returncode != -9:
            raise SystemExit(f"{case.name} ended with {killed.returncode}:\n{killed.stderr}")
        check(path, CHECKED, CHECKED - 1)
        once(case, fresh(folder), CHECKED)
        check(path, CHECKED, CHECKED)


def measured(cases: list[Case], folder: Path, count: int, rounds: int) -> dict[str, list[Sample]]:
    """Samples by tool, each once a round, the order shuffled."""
    samples: dict[str, list[Sample]] = {case.name: [] for case in cases}
    order = random.Random(1)
    for number in range(rounds):
        print(f"\rround {number + 1} of {rounds}", end="", file=sys.stderr)
        for case in order.sample(cases, len(cases)):
            samples[case.name].append(once(case, fresh(folder), count))
    print(file=sys.stderr)
    return samples


def fresh(folder: Path) -> Path:
    """A file that is not there."""
    for file in folder.iterdir():
        file.unlink()
    return folder / "events.jsonl"


def once(case: Case, path: Path, count: int) -> Sample:
    """One start. Raises SystemExit when it fails."""
    done = case.start(path, count)
    if done.returncode:
        raise SystemExit(f"{case.name} ended with {done.returncode}:\n{done.stderr}")
    return Sample(**json.loads(done.stdout))


def conditions(versions: list[str], options: argparse.Namespace) -> str:
    """On what this was measured."""
    return (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} "
        f"{platform.machine()}; {', '.join(versions)}. {options.count:,} events a start, medians "
        f"of {options.rounds} starts, in shuffled order."
    )


if __name__ == "__main__":
    main()
