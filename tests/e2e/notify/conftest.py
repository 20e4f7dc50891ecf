"""A webhook and a mail server on the loopback, and a project that tells them what goes wrong."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

SECRET = "hook-0a1b2c3d4e5f"
PASSWORD = "correct-horse-battery"
STAGE = """
import sys
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

def plan(ctx, settings):
    file = ctx.root / "code.txt"
    if not file.exists():
        return StagePlan.skip("nothing to do")
    script = "import sys; print('Disk of ES is broken', file=sys.stderr); sys.exit(%s)"
    words = [sys.executable, "-c", script % file.read_text()]
    return StagePlan(reason="always", tasks=[Task(name="one", command=Command(argv=words))])

@hookimpl
def pipekit_stages():
    yield StageSpec("work", plan)
"""


class Hook:
    """A webhook for messages as JSON. It keeps its port when it is closed and opened again."""

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self._open(0)
        self.url = f"json://127.0.0.1:{self.port}/{SECRET}"

    def _open(self, port: int) -> None:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.messages.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def open(self) -> None:
        self._open(self.port)

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]


class MailHandler(socketserver.StreamRequestHandler):
    """As much of SMTP (RFC 5321) as a client needs to hand in a message."""

    def handle(self) -> None:
        self._say("220 ready")
        for line in iter(self.rfile.readline, b""):
            word = line.decode().split()[0].upper()
            if word == "EHLO":
                self._say("250-here\r\n250 AUTH PLAIN LOGIN")
            elif word == "AUTH":
                self._say("235 known")
            elif word == "DATA":
                self._say("354 go on")
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(text.decode())
                self._say("250 taken")
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 fine")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def hook() -> Iterator[Hook]:
    opened = Hook()
    yield opened
    opened.close()


@pytest.fixture
def mailbox() -> Iterator[tuple[str, list[str]]]:
    """The address of a mail server, and what it got."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailHandler) as server:
        server.mails = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        host = f"me:{PASSWORD}@127.0.0.1:{server.server_address[1]}"
        url = f"mailto://{host}/?mode=insecure&from=pipekit@here.test&to=you@there.test"
        yield url, server.mails
        server.shutdown()
        thread.join(10)


@pytest.fixture
def work(project, hook):
    """A project of one stage that ends with the exit code in code.txt; without it, it is idle."""
    project.plugin("work", STAGE)
    project.config('[pipeline]\nstages = ["work"]\n[sinks.console]\n[sinks.notify]\n')
    project.env["PIPEKIT_SINKS__NOTIFY__ADDRESSES__HOOK"] = hook.url
    return project
