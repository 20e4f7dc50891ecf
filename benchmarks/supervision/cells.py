"""Every tool with every tree on every occasion, several at a time; measures by observe.py alone."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Cell:
    """A tool, a tree, an occasion."""

    tool: Tool
    tree: str
    occasion: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.tool.name, self.tree, self.occasion


Endings = dict[tuple[str, str, str], list[Ending]]


def cells(tools: Sequence[Tool], trees: Sequence[str]) -> Iterator[Cell]:
    """Those that there are: not every tool has a time-out."""
    for tool in tools:
        for occasion in OCCASIONS:
            if occasion != "time-out" or tool.times_out:
                yield from (Cell(tool, tree, occasion) for tree in trees)


def measured(
    tools: Sequence[Tool], rounds: int, times: Times, jobs: int, folder: Path, trees: Sequence[str]
) -> Endings:
    """All cells, once a round, the order shuffled, `jobs` at a time."""
    endings: Endings = defaultdict(list)
    order, all_cells = random.Random(1), list(cells(tools, trees))
    planned = [cell for _ in range(rounds) for cell in order.sample(all_cells, len(all_cells))]
    with ThreadPoolExecutor(jobs) as pool:
        starts = {
            pool.submit(once, cell, times, folder / str(number)): cell
            for number, cell in enumerate(planned)
        }
        try:
            for number, start in enumerate(as_completed(starts), 1):
                print(f"\rcell {number} of {len(planned)}", end="", file=sys.stderr)
                endings[starts[start].key].append(start.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    print(file=sys.stderr)
    return dict(endings)


def once(cell: Cell, times: Times, folder: Path) -> Ending:
    """One start. Raises SystemExit where the tool did not even start the tree."""
    folder.mkdir(parents=True)
    timeout = times.timeout if cell.occasion == "time-out" else 0.0
    command = (PYTHON, PROGRAM, cell.tree, str(folder / "ready"))
    job = Job(command, timeout, times.grace, folder)
    request = {
        "argv": cell.tool.prepare(job),
        "env": cell.tool.environment(job),
        "folder": str(folder),
        "occasion": cell.occasion,
        "timeout": timeout,
        "grace": times.grace,
        "spare": times.spare,
    }
    words = [sys.executable, str(HERE / "observe.py"), json.dumps(request)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LONGEST, check=False)
    answer = json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr}
    if "error" in answer:
        raise SystemExit(f"{', '.join(cell.key)}: {answer['error']}")
    return Ending(**answer)
