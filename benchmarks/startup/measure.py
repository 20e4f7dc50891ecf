"""Wall time and memory of one start of a case; knows neither tools nor bars."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from cases import SLEEP, Case

_PAUSE = 0.01  # seconds between two looks at the memory


def wall(case: Case) -> float:
    """Milliseconds from the start to the end. Raises SystemExit when the command fails."""
    started = time.perf_counter()
    code = case.start().wait()
    took = (time.perf_counter() - started) * 1000
    if code:
        raise SystemExit(f"{case.tool} {case.work} ended with {code}:\n{_output(case)}")
    return took


def _output(case: Case) -> str:
    process = case.start(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return process.communicate()[0].decode(errors="replace")


def memory(case: Case) -> float:
    """Megabytes of the runner while its tasks run: the highest sum of PSS over its processes.

    The tasks are `sleep`s, which do not count. PSS shares what several processes map among them, so
    a helper that is forked costs what it adds. Linux only.
    """
    slow = Case(case.tool, case.work, case.argv, case.folder, f"{SLEEP} 0.4")
    process = slow.start()
    sums = []
    while process.poll() is None:
        tree = list(_tree(process.pid))
        task = Path(SLEEP).resolve()
        runner = [pid for pid in tree if _program(pid) != task]
        if len(runner) < len(tree):
            sums.append(sum(_pss(pid) for pid in runner))
        time.sleep(_PAUSE)
    if process.returncode or len(sums) < 10:
        raise SystemExit(f"{case.tool}: no memory was seen while its tasks ran")
    return max(sums) / 1024


def _tree(pid: int) -> Iterator[int]:
    """A process and all that came of it."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found = children.read_text().split()
        except OSError:
            continue
        for child in found:
            yield from _tree(int(child))


def _program(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/exe").resolve(strict=True)
    except OSError:
        return None


def _pss(pid: int) -> int:
    """Kilobytes; 0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def middle(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)


def spread(values: list[float]) -> str:
    """First and third quartile, as text; a single value is both."""
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return f"{low:.0f}-{high:.0f}"
