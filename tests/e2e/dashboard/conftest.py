"""A dashboard on the loopback, in a process of its own, of a project with runs of every kind."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from .projects import ask_for, many_runs, prepare

HOSTILE = "\n".join(
    [
        "<script>document.title = 'owned'</script>",
        "</pre><img src=x onerror=alert(1)>",
        "red \x1b[31m and \x1b]0;title\x07 and \u202egnp.exe",
        "{{ 7 * 7 }} ${7*7}",
        "x" * 9_000,
    ]
)
EVIL_NAME = "data/raw/<img src=x onerror=alert(1)>\u202e.csv"


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    text: str


class Stream:
    """Server-sent events of one request."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.response = response

    def __iter__(self) -> Iterator[tuple[str, Any, str]]:
        """Event, data, id; signs of life are left out."""
        found: dict[str, str] = {}
        for line in self.response:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                found[name] = value
            elif "data" in found:
                if found["event"] != "beat":
                    yield found["event"], json.loads(found["data"]), found.get("id", "")
                found = {}


class Server:
    def __init__(self, project, *words: str) -> None:
        self.project = project
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipekit", "dashboard", "--port", "0", *words],
            cwd=project.root,
            env=project.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().removeprefix("open ").strip()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=([\w-]{43})", self.url)
        assert found, self.url
        self.port, self.token = int(found[1]), found[2]
        self.root = f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: str | None = None,
        *,
        token: bool = True,
        **headers: str,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            response = self._send(connection, method, path, body, token, headers)
            return Answer(response.status, response.headers, response.read().decode())

    @contextlib.contextmanager
    def stream(self, path: str, **headers: str) -> Iterator[Stream]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            response = self._send(connection, "GET", path, None, True, headers)
            assert response.status == 200
            with contextlib.closing(response):
                yield Stream(response)

    def _send(self, connection, method, path, body, token, headers) -> http.client.HTTPResponse:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            given["Authorization"] = f"Bearer {self.token}"
        connection.putrequest(method, path, skip_host="Host" in given)
        for name, value in given.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body.encode() if body is not None else None)
        return connection.getresponse()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextlib.contextmanager
def dashboard(project, *words: str) -> Iterator[Server]:
    server = Server(project, *words)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def shown(tmp_path_factory, project_in):
    """A project: 120 past runs, then 121 a success, 122 a failure, 123 hostile, 124 idle."""
    made = project_in(tmp_path_factory.mktemp("shown"))
    prepare(made, '[[expect]]\nfiles = "data/late/**"\nnewest_within = "2h"\n')
    (made.root / EVIL_NAME).write_text("a,b\n")
    many_runs(made, 120)
    ask_for(made, load="ok", check="ok", merge="ok")
    assert made.pipekit("run").code == 0
    ask_for(made, load="ok", check="fail")
    made.pipekit("run")
    ask_for(made, load=f"print\n{HOSTILE}")
    made.pipekit("run")
    ask_for(made)
    made.pipekit("run")
    return made


@pytest.fixture(scope="module")
def server(shown):
    with dashboard(shown) as made:
        yield made


@pytest.fixture(scope="module")
def acting(shown):
    """With `--actions`."""
    with dashboard(shown, "--actions") as made:
        yield made
