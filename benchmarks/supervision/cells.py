"""Every tool with every tree on every occasion, several at a time, by observe.py."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from observe import TREES as PROGRAM
from tools import HERE, PYTHON, Job, Tool

OCCASIONS = ("time-out", "SIGTERM", "SIGKILL")
LONGEST = 180.0  # seconds for one cell, all included


@dataclass(frozen=True)
class Times:
    """Seconds: the tool's time-out, its grace, and what is waited beyond."""

    timeout: float = 1.0
    grace: float = 1.0
    spare: float = 3.0


@dataclass(frozen=True)
class Ending:
    """What one start came to. `seconds`: from the occasion until nothing was left; None: never."""

    survivors: int
    hangs: bool
    seconds: float | None

    @property
    def failed(self) -> bool:
        """Whether anything was left."""
        return self.hangs or self.survivors > 0


Endings = dict[tuple[str, str, str], list[Ending]]  # by tool, tree and occasion


def measured(
    tools: Sequence[Tool], rounds: int, times: Times, jobs: int, folder: Path, trees: Sequence[str]
) -> Endings:
    """All cells, once a round, the order shuffled, `jobs` at a time."""
    endings: Endings = defaultdict(list)
    cells = [
        (tool, tree, occasion)
        for tool in tools
        for occasion in OCCASIONS
        if occasion != "time-out" or tool.times_out
        for tree in trees
    ]
    order = random.Random(1)
    planned = [cell for _ in range(rounds) for cell in order.sample(cells, len(cells))]
    with ThreadPoolExecutor(jobs) as pool:
        starts = {
            pool.submit(once, *cell, times, folder / str(number)): cell
            for number, cell in enumerate(planned)
        }
        try:
            for number, start in enumerate(as_completed(starts), 1):
                print(f"\rcell {number} of {len(planned)}", end="", file=sys.stderr)
                tool, tree, occasion = starts[start]
                endings[tool.name, tree, occasion].append(start.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    print(file=sys.stderr)
    return dict(endings)


def once(tool: Tool, tree: str, occasion: str, times: Times, folder: Path) -> Ending:
    """One start. Raises SystemExit where the tool did not even start the tree."""
    folder.mkdir(parents=True)
    timeout = times.timeout if occasion == "time-out" else 0.0
    command = (PYTHON, PROGRAM, tree, str(folder / "ready"))
    job = Job(command, timeout, times.grace, folder)
    request = {
        "argv": tool.prepare(job),
        "env": tool.environment(job),
        "folder": str(folder),
        "occasion": occasion,
        **asdict(replace(times, timeout=timeout)),
    }
    words = [sys.executable, str(HERE / "observe.py"), json.dumps(request)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LONGEST, check=False)
    answer = json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr}
    if "error" in answer:
        raise SystemExit(f"{tool.name}, {tree}, {occasion}: {answer['error']}")
    return Ending(**answer)
