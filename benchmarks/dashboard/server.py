"""A dashboard that runs, and what its pages and streams take."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from venvs import Environment

_PATIENCE = 60.0  # seconds


class Server:
    """`pipekit dashboard` of one project."""

    def __init__(self, pipekit: Environment, folder: Path) -> None:
        self._process = subprocess.Popen(
            [pipekit.program("pipekit"), "dashboard", "--port", "0"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        address = self._process.stdout.readline().removeprefix("open ").strip()
        if not address:
            raise SystemExit(f"the dashboard of {folder} did not start")
        self._port = urlsplit(address).port
        self._token = address.rpartition("=")[2]
        self._connection: http.client.HTTPConnection | None = None

    def ms(self, path: str) -> float:
        """Milliseconds until a page has been read. Raises SystemExit if it is none."""
        connection = self._connection = self._connection or self._connect()
        begun = time.perf_counter()
        connection.request("GET", path, headers=self._headers())
        response = connection.getresponse()
        body = response.read()
        taken = 1000 * (time.perf_counter() - begun)
        if response.status != 200:
            raise SystemExit(f"{path}: {response.status} {body[:300]!r}")
        return taken

    @contextlib.contextmanager
    def stream(self, path: str) -> Iterator[Iterator[dict[str, object]]]:
        """The data of the messages of a stream."""
        connection = self._connect()
        with contextlib.closing(connection):
            connection.request("GET", path, headers=self._headers())
            response = connection.getresponse()
            if response.status != 200:
                raise LookupError(path)
            lines = (line for line in response if line.startswith(b"data: "))
            yield (json.loads(line[6:]) for line in lines)

    @property
    def memory(self) -> float:
        """The most memory that the server has had, in MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def close(self) -> None:
        """Stop it."""
        if self._connection is not None:
            self._connection.close()
        self._process.terminate()
        self._process.wait(20)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextlib.contextmanager
def viewers(server: Server, paths: Sequence[str]) -> Iterator[None]:
    """Somebody who follows each of these streams, as soon as there is one, until the end."""
    over = threading.Event()
    threads = [threading.Thread(target=_view, args=(server, path, over)) for path in paths]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _view(server: Server, path: str, over: threading.Event) -> None:
    while not over.is_set():
        with contextlib.suppress(LookupError, OSError), server.stream(path) as found:
            for _ in found:
                if over.is_set():
                    return
        over.wait(0.1)
