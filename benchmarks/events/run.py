"""How fast an event gets into pipekit's journal, beside logging, structlog and loguru.

    uv run python benchmarks/events/run.py [--rounds 9] [--count 50000] [--write]

Every tool tells the same events, one line of JSON and one write each, and the last one, which ends
a run, is synced to the disk. Before anything is timed each tool is killed by SIGKILL once, and what
it told until then has to be in its file, equal to what the others wrote. README.md tells more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common
import venvs
from check import check

REQUIREMENTS = ["structlog==26.1.0", "loguru==0.7.3", "orjson==3.13.0"]
CHECKED = 3000  # events
BAR = 1.5
OURS, STANDARD = "pipekit", "logging"
TOOLS = {  # the script of each; pipekit's has an environment of its own
    OURS: "pipekit_run",
    "pipekit, without the log for people": "pipekit_run",
    STANDARD: "logging_json",
    "logging, tuned": "logging_tuned",
    "structlog": "structlog_json",
    "structlog with orjson": "structlog_orjson",
    "loguru": "loguru_json",
}


class Sample(NamedTuple):
    """What one telling took: seconds, seconds of the processor, writes and events."""

    seconds: float
    cpu: float
    writes: int
    told: int


class Bench:
    """Starts the tools, each with a new file in `folder`."""

    def __init__(self, folder: Path, peers: venvs.Environment, pipekit: venvs.Environment) -> None:
        self._folder, self._peers, self._pipekit = folder, peers, pipekit
        self.path = folder / "events.jsonl"

    def start(self, tool: str, count: int, *words: str) -> subprocess.CompletedProcess[str]:
        """Let it tell so many events."""
        for file in self._folder.iterdir():
            file.unlink()
        python = (self._pipekit if tool.startswith(OURS) else self._peers).program("python")
        script = Path(__file__).parent / "tools" / f"{TOOLS[tool]}.py"
        return subprocess.run(
            [python, str(script), str(self.path), str(count), *words],
            env={**os.environ, **({"NO_LOG": "1"} if "without" in tool else {})},
            capture_output=True,
            text=True,
            check=False,
        )

    def once(self, tool: str, count: int) -> Sample:
        """One start. Raises SystemExit when it fails."""
        done = self.start(tool, count)
        if done.returncode:
            raise SystemExit(f"{tool} ended with {done.returncode}:\n{done.stderr}")
        return Sample(**json.loads(done.stdout))

    def check(self, tool: str) -> None:
        """Raises SystemExit when a tool that was killed, or that ended, left something else."""
        print(f"checking {tool}", file=sys.stderr)
        killed = self.start(tool, CHECKED, "die")
        if killed.returncode != -9:
            raise SystemExit(f"{tool} ended with {killed.returncode}:\n{killed.stderr}")
        check(self.path, CHECKED, CHECKED - 1)
        self.once(tool, CHECKED)
        check(self.path, CHECKED, CHECKED)


def main() -> None:
    parser = common.parser(__doc__, "events", 9)
    parser.add_argument("--count", type=int, default=50_000, help="events a start")
    parser.add_argument("--folder", help="where the files go; the system's temporary folder")
    options = parser.parse_args()
    print("building environments", file=sys.stderr)
    peers = venvs.peer(options.cache / "peers", REQUIREMENTS)
    pipekit = venvs.pipekit(options.cache / "pipekit", [venvs.REPOSITORY])
    samples: dict[str, list[Sample]] = {tool: [] for tool in TOOLS}
    with tempfile.TemporaryDirectory(prefix="pipekit-events-", dir=options.folder) as folder:
        bench = Bench(Path(folder), peers, pipekit)
        for tool in TOOLS:
            bench.check(tool)
        for tool in common.shuffled(list(TOOLS), options.rounds):
            samples[tool].append(bench.once(tool, options.count))
    versions = [f"pipekit {pipekit.versions['pipekit']}"]
    versions += [f"{name} {peers.versions[name]}" for name in ("structlog", "loguru", "orjson")]
    how = (
        f"{options.count:,} events a start, medians of {options.rounds} starts, in shuffled order."
    )
    text = f"{common.conditions(versions)} {how}\n\n{render(samples)}"
    print(text)
    if options.write:
        common.put(common.PERFORMANCE, "events", text)


def render(samples: Mapping[str, Sequence[Sample]]) -> str:
    """All tables, as Markdown."""

    def each(tool: str, column: str) -> float:
        """The median of a column, for one event."""
        return median(getattr(sample, column) / sample.told for sample in samples[tool])

    def row(tool: str) -> list[str]:
        took, cpu, writes = (each(tool, column) for column in ("seconds", "cpu", "writes"))
        times = f"{1 / took:,.0f}", f"{took * 1e6:.1f} µs", f"{cpu * 1e6:.1f} µs", f"{writes:.2g}"
        return [tool, *times, f"{each(STANDARD, 'seconds') / took:.2f}"]

    head = ("tool", "events a second", "one event", "its CPU", "writes", "× logging")
    ratio, by_cpu = (each(STANDARD, name) / each(OURS, name) for name in ("seconds", "cpu"))
    measured = f"{ratio:.2f} ×, {by_cpu:.2f} × by CPU"
    bars = common.bars([(f"events: ≥ {BAR} × logging with JSON", measured, ratio >= BAR)])
    return f"{common.table(head, map(row, samples))}\n\n{bars}"


if __name__ == "__main__":
    main()
