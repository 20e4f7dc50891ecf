"""One start of a command on so many cores: its time and its peak memory; knows no work."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

LAUNCH = Path(__file__).with_name("launch.py")
REPORTED = re.compile(r"^kernel ([0-9.e-]+) s$", re.MULTILINE)


class Sample(NamedTuple):
    """Seconds from start to end, the highest resident memory of one of its processes (MB), and the
    processor time of all of them (seconds).
    """

    seconds: float
    memory: float
    cpu: float


def start(
    argv: Sequence[str], folder: Path, cores: int, env: Mapping[str, str] | None = None
) -> Sample:
    """Run it to its end. Raises SystemExit where it fails, with what it said.

    A command that times a part of its work itself says so: `kernel 0.074 s`, in a line of its own.
    """
    output = folder / "output.txt"
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(LAUNCH), str(output), str(cores), *argv],
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stdout)
    said = output.read_text(errors="replace")
    if found["code"]:
        raise SystemExit(f"{' '.join(argv)} ended with {found['code']}:\n{said[-4000:]}")
    reported = REPORTED.search(said)
    seconds = float(reported[1]) if reported else found["seconds"]
    return Sample(seconds, found["memory"], found["cpu"])


def middle(samples: Sequence[Sample]) -> Sample:
    """The medians."""
    return Sample(*(statistics.median(column) for column in zip(*samples, strict=True)))


if sys.platform != "linux":
    raise SystemExit("this benchmark binds to cores and reads memory as Linux does")
