"""A dead-man's switch on the loopback, and a project that pings it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest

SECRET = "0a1b2c3d-4444-5555-6666-777788889999"
STAGE = """
import sys
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

def plan(ctx, settings):
    code = (ctx.root / "code.txt").read_text() if (ctx.root / "code.txt").exists() else ""
    if not code:
        return StagePlan.skip("nothing to do")
    script = f"import sys; print('Disk of ES is broken', file=sys.stderr); sys.exit({code})"
    tasks = [Task(name="one", command=Command(argv=[sys.executable, "-c", script]))]
    if code == "7":
        tasks.append(Task(name="two", command=Command(argv=[sys.executable, "-c", ""])))
    return StagePlan(reason="always", tasks=tasks)

@hookimpl
def pipekit_stages():
    yield StageSpec("work", plan)
"""


class Ping(NamedTuple):
    method: str
    path: str
    body: str


class Switch:
    """Answers with the codes in `answers`, in order, then 200. `hang`: it does not answer."""

    def __init__(self) -> None:
        self.pings: list[Ping] = []
        self.answers: list[int] = []
        self.hang = False
        self._closed = threading.Event()
        switch = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                switch.pings.append(Ping("POST", self.path, body))
                if switch.hang:
                    switch._closed.wait(60)
                self.send_response(switch.answers.pop(0) if switch.answers else 200)
                self.end_headers()
                self.wfile.write(b"OK")

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A client that waited no longer."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/{SECRET}"

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@pytest.fixture
def switch() -> Iterator[Switch]:
    opened = Switch()
    yield opened
    opened.close()


@pytest.fixture
def work(project, switch):
    """A project of one stage that ends with the exit code in code.txt; without it, it is idle."""
    project.plugin("work", STAGE)
    project.config('[pipeline]\nstages = ["work"]\n[sinks.console]\n[sinks.ping]\n')
    project.env["PIPEKIT_SINKS__PING__URL"] = switch.url
    return project
