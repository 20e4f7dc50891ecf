"""One start of a command on so many cores: its wall time and its peak memory; knows no work."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Sample(NamedTuple):
    """Seconds from start to end, and the highest resident memory of one of its processes (MB)."""

    seconds: float
    memory: float


def start(
    argv: Sequence[str], folder: Path, cores: int, env: Mapping[str, str] | None = None
) -> Sample:
    """Run it to its end. Raises SystemExit where it fails, with what it said."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    output = folder / "output.txt"
    with output.open("wb") as file:
        began = time.perf_counter()
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            preexec_fn=lambda: os.sched_setaffinity(0, allowed),  # noqa: PLW1509  # no threads here
        )
        _, status, used = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = output.read_text(errors="replace")[-4000:]
        raise SystemExit(f"{' '.join(argv)} ended with {process.returncode}:\n{said}")
    return Sample(took, used.ru_maxrss / 1024)


def middle(samples: Sequence[Sample]) -> Sample:
    """The medians."""
    return Sample(*(statistics.median(column) for column in zip(*samples, strict=True)))


if sys.platform != "linux":
    raise SystemExit("this benchmark binds to cores and reads memory as Linux does")
