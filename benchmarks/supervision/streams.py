"""What reading a program's output costs: time, CPU and memory."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import common
import processes
from tools import DEADLINE, DRIVERS, HERE, PYTHON, Job, Tool
from venvs import Environment

CHILDREN = str(HERE / "children.py")
WAYS = ("file", "communicate", "text", "asyncio", "pipekit")
DAEMONS = ("supervisord", "circus")


class Bench:
    """Starts the ways of reading, one at a time, each in a folder of its own."""

    def __init__(self, found: Mapping[str, Environment], tools: Sequence[Tool]) -> None:
        self._pipekit = found["pipekit"].program("python")
        self._psutil = found["psutil"].program("python")
        self._tools = {tool.name: tool for tool in tools}

    def seconds(self, way: str, size: int) -> float:
        """From the start of a child that writes so many bytes until all are where they belong."""
        with self._started(way, "lines", size) as (process, folder):
            if way in DAEMONS:
                ended = _filled(folder / "captured.txt", size, process)
            else:
                ended = _answer(process, way)["ended"]
            return float(ended - _stamp(folder, process))

    def growth(self, way: str, kind: str, size: int) -> tuple[int, str]:
        """Bytes of memory that the reader grew by, and the error that it ended with."""
        print(f"memory, {kind}: {way}", file=sys.stderr)
        with self._started(way, kind, size) as (process, _):
            answer = _answer(process, way)
            return answer["growth"], answer["error"]

    def share(self, way: str, kind: str, *numbers: int) -> float:
        """The part of a core that all but the program itself uses while it works."""
        print(f"share of a core, {kind}: {way}", file=sys.stderr)
        with self._started(way, kind, *numbers) as (process, folder):
            _stamp(folder, process)
            time.sleep(0.5)
            before, began = _cpu(), time.monotonic()
            time.sleep(max(1, numbers[-1] - 2))
            after, took = _cpu(), time.monotonic() - began
        return sum(after[pid] - before.get(pid, 0) for pid in after) / took

    @contextmanager
    def _started(
        self, way: str, kind: str, *numbers: int
    ) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """The reader, with a folder; in the end all of it is killed and the folder removed."""
        with tempfile.TemporaryDirectory(prefix="pipekit-streams-") as name:
            folder = Path(name)
            words = [PYTHON, CHILDREN, str(folder / "stamp"), kind, *map(str, numbers)]
            argv, env = self._argv(way, folder, words)
            with (folder / "errors.txt").open("wb") as errors:
                process = subprocess.Popen(
                    argv,
                    cwd=folder,
                    env={**os.environ, **env},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL if way in DAEMONS else subprocess.PIPE,
                    stderr=errors,
                )
            try:
                yield process, folder
            finally:
                process.kill()
                process.communicate()
                processes.end_all()

    def _argv(
        self, way: str, folder: Path, words: list[str]
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        if way in DAEMONS:
            job = Job(tuple(words), 0, 1, folder)
            return self._tools[way].prepare(job), self._tools[way].environment(job)
        if way == "psutil":
            return [self._psutil, str(DRIVERS / "sampling.py"), *words], {}
        python = self._pipekit if way == "pipekit" else PYTHON
        return [python, str(DRIVERS / "reading.py"), way, str(folder / "captured"), *words], {}


def _answer(process: subprocess.Popen[bytes], way: str) -> dict[str, Any]:
    output, _ = process.communicate(timeout=DEADLINE)
    if process.returncode:
        raise SystemExit(f"reading by {way} ended with {process.returncode}")
    return json.loads(output)


def _stamp(folder: Path, process: subprocess.Popen[bytes]) -> float:
    """When the child started; waits for it."""
    end, path = time.monotonic() + 60, folder / "stamp"
    while not path.exists():
        if time.monotonic() > end:
            raise SystemExit(f"{process.args!r} did not start its child")
        time.sleep(0.005)
    return float(path.read_text())


def _filled(path: Path, size: int, process: subprocess.Popen[bytes]) -> float:
    """When a file had all of its bytes."""
    end = time.monotonic() + DEADLINE
    while not path.exists() or path.stat().st_size < size:
        if time.monotonic() > end or process.poll() is not None:
            raise SystemExit(f"{process.args!r} did not keep all output")
        time.sleep(0.005)
    return time.monotonic()


def _cpu() -> dict[int, float]:
    """CPU seconds of everything below us that is not the children's program."""
    return {
        pid: processes.cpu_seconds(pid)
        for pid, words in processes.descendants(os.getpid()).items()
        if words[1:2] != (CHILDREN,)
    }


def throughput(bench: Bench, size: int, rounds: int) -> dict[str, float]:
    """Seconds by way: medians, each way once a round."""
    print("throughput", file=sys.stderr)
    times: dict[str, list[float]] = {way: [] for way in (*WAYS, *DAEMONS)}
    for way in common.shuffled(list(times), rounds):
        times[way].append(bench.seconds(way, size))
    return {way: statistics.median(found) for way, found in times.items()}
