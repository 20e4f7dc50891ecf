"""Starts the server, says where it is, and stops it at once, whoever is still looking."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn

from pipekit import PipekitError
from pipekit.commands import print_text
from pipekit.reading import ProjectReader
from pipekit_dashboard.app import application
from pipekit_dashboard.project import WatchedProject
from pipekit_dashboard.security import Access

ADDRESS_FILE = "dashboard.url"  # in the state folder of the first project, for scripts
_BACKLOG = 64
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(
    roots: Sequence[Path], host: str, port: int, *, origin: str = "", actions: bool = False
) -> int:
    """Serve the projects until Ctrl-C or SIGTERM. Raises PipekitError."""
    readers = [ProjectReader(root) for root in roots]
    projects = [WatchedProject(reader, number) for number, reader in enumerate(readers, 1)]
    with _listening(host, port) as listener:
        port = listener.getsockname()[1]
        access = Access.new(port, origin=origin, actions=actions)
        shown = f"[{host}]" if ":" in host else host
        address = f"{origin or f'http://{shown}:{port}'}/?token={access.token}"
        server: _Server

        def is_stopping() -> bool:
            return server.should_exit

        server = _Server(
            uvicorn.Config(
                application(projects, access, is_stopping),
                http="h11",
                ws="none",
                lifespan="off",
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=3,
                timeout_keep_alive=15,
                limit_concurrency=300,
                h11_max_incomplete_event_size=16_384,
            )
        )
        with _address_file(readers[0], address):
            print_text(f"open {address}")
            print_text("Ctrl-C stops it", err=True)
            server.run(sockets=[listener])
    return 0


class _Server(uvicorn.Server):
    """A server that ends well when it is stopped: uvicorn would raise the signal once more."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at Ctrl-C and SIGTERM."""
        before = {each: signal.signal(each, self.handle_exit) for each in _SIGNALS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends at once (TCP_NODELAY) only where the protocol is named
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(_BACKLOG)
        except OSError as error:
            raise PipekitError(
                f"cannot listen on {host}, port {port}: {error.strerror}; choose another --port"
            ) from error
        yield listener


@contextlib.contextmanager
def _address_file(reader: ProjectReader, address: str) -> Iterator[None]:
    """The address with the token in a file that only its owner can read, while the server runs."""
    path = reader.paths.state / ADDRESS_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{address}\n")
        print_text(f"for scripts, the address is in {path}", err=True)
    except OSError as error:
        print_text(f"cannot write {path}: {error.strerror}", err=True)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if path.read_text("utf-8").strip() == address:
                path.unlink()
