"""Dask clusters of real processes, for tests that kill them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from distributed import Client

CONFIG = {
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    "DASK_DISTRIBUTED__SCHEDULER__WORK_STEALING": "False",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
}


class Cluster:
    """A scheduler and workers, each a process group of its own, in a folder."""

    def __init__(self, folder: Path, workers: int = 2, **env: str) -> None:
        self.folder = folder
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("PIPEKIT_")}
        self.env |= {**CONFIG, **env}
        self._file = folder / "scheduler.json"
        self._workers = workers
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.nannies: list[subprocess.Popen[bytes]] = []
        self._client: Client | None = None

    @property
    def address(self) -> str:
        return json.loads(self._file.read_text())["address"]

    def start(self) -> None:
        """Start what is not running; returns when the scheduler knows all workers."""
        if self.scheduler is None or self.scheduler.poll() is not None:
            self._disconnect()
            self._file.unlink(missing_ok=True)
            words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
            words += ["--scheduler-file", str(self._file)]
            self.scheduler = self._popen("distributed.cli.dask_scheduler", *words)
            _until(self._is_written)
            self._end(self.nannies)
        self.nannies = [nanny for nanny in self.nannies if nanny.poll() is None]
        while len(self.nannies) < self._workers:
            words = [self.address, "--nworkers", "1", "--nthreads", "2", "--no-dashboard"]
            words += ["--resources", "pipekit=2", "--memory-limit", "0", "--host", "127.0.0.1"]
            words += ["--local-directory", str(self.folder), "--death-timeout", "20"]
            self.nannies.append(self._popen("distributed.cli.dask_worker", *words))
        _until(lambda: len(self.workers()) >= self._workers and self._known() >= self._workers)

    def _is_written(self) -> bool:
        """Whether the scheduler has said where it is."""
        try:
            return bool(self.address)
        except (OSError, ValueError):
            return False

    def workers(self) -> list[int]:
        """The process ids of the workers, below their nannies."""
        found = []
        for nanny in self.nannies:
            for pid in children(nanny.pid):
                if b"spawn_main" in _words(pid):
                    found.append(pid)
        return found

    def retire(self) -> None:
        """Retire one worker, as a scale-down does."""
        client = self._connected()
        client.retire_workers(workers=sorted(client.scheduler_info()["workers"])[:1])

    def stop(self) -> None:
        self._disconnect()
        self._end([*self.nannies, *([self.scheduler] if self.scheduler else [])])

    def _known(self) -> int:
        try:
            return len(self._connected().scheduler_info()["workers"])
        except (OSError, TimeoutError):
            return 0

    def _connected(self) -> Client:
        """A client of our own."""
        if self._client is None or self._client.scheduler.address != self.address:
            self._disconnect()
            self._client = Client(self.address, timeout=5, set_as_default=False)
        return self._client

    def _disconnect(self) -> None:
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._client.close(timeout=1)
        self._client = None

    def _popen(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        nothing = subprocess.DEVNULL
        return subprocess.Popen(
            [sys.executable, "-m", module, *words],
            env=self.env,
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            start_new_session=True,
        )

    def _end(self, processes: list[subprocess.Popen[bytes]]) -> None:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGCONT)
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def cluster(folder: Path, workers: int = 2, **env: str) -> Iterator[Cluster]:
    """A cluster that is up."""
    made = Cluster(folder, workers, **env)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def children(pid: int) -> list[int]:
    """The process ids of a process's children, of all its threads."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, task.read_text().split())
    return found


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _until(is_so, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "the cluster did not come up"
        time.sleep(0.05)
