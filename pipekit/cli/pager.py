"""Long output on a terminal, shown by the user's pager a page at a time."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pipekit.cli.output import as_written

if TYPE_CHECKING:
    import subprocess

pager_option = click.option(
    "--no-pager", is_flag=True, help="Do not show long output on a terminal a page at a time."
)


@contextlib.contextmanager
def paged(*, wanted: bool) -> Iterator[None]:
    """What is printed meanwhile goes through the pager, if it does not fit on the terminal.

    `wanted`: without it, and where stdout is no terminal, nothing changes. The pager is `$PAGER`,
    or `less` or `more`, whichever is there; on Windows only `$PAGER`. It shows stderr as well.
    """
    words = _words() if wanted and sys.stdout.isatty() else []
    if not words:
        yield
        return
    pager = _Pager(words)
    sys.stdout = _Stream(sys.stdout, pager)
    if sys.stderr.isatty():
        sys.stderr = _Stream(sys.stderr, pager)
    try:
        yield
    finally:
        pager.close()


def _words() -> list[str]:
    """The command of the pager; empty if there is none."""
    chosen = os.environ.get("PAGER")
    if os.environ.get("TERM") == "dumb" or chosen == "":
        return []
    if chosen is not None:
        import shlex  # only with $PAGER

        return shlex.split(chosen, posix=os.name != "nt")
    usual = () if os.name == "nt" else ("less", "more")
    return [name for name in usual if shutil.which(name)][:1]


class _Pager:
    """Keeps what is printed until it does not fit; then starts the pager, and passes it on."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        size = shutil.get_terminal_size()
        self._width, self._room = max(size.columns, 1), size.lines - 1  # the shell's prompt
        self._kept: list[tuple[Any, str]] = []
        self._process: subprocess.Popen[str] | None = None
        self._closed = False

    def write(self, stream: Any, text: str) -> None:
        """Print a text, or keep it; raises BrokenPipeError once the user has left the pager."""
        if self._closed:
            stream.write(text)
        elif self._process is not None:
            self._pass_on(text)
        else:
            self._kept.append((stream, text))
            self._room -= self._rows(text)
            if self._room < 0:
                self._start()

    def close(self) -> None:
        """Print what was kept, or wait until the user leaves the pager."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                assert self._process.stdin is not None
                self._process.stdin.close()
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the pager's
            try:
                self._process.wait()
            finally:
                signal.signal(signal.SIGINT, before)
        self._closed = True
        self._print_kept()

    def _rows(self, text: str) -> int:
        """How many rows of the terminal the lines of a text take."""
        lines = click.unstyle(text).split("\n")[:-1]
        return sum(max(len(line) - 1, 0) // self._width + 1 for line in lines)

    def _start(self) -> None:
        import subprocess  # which most commands do not need

        try:
            self._process = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                encoding="utf-8",
                errors="backslashreplace",
                env={"LESS": "FRX", **os.environ},  # colours, and the output stays on the screen
            )
        except OSError:
            self._closed = True
            self._print_kept()
            return
        kept, self._kept = self._kept, []
        for _, text in kept:
            self._pass_on(text)

    def _pass_on(self, text: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(text)

    def _print_kept(self) -> None:
        kept, self._kept = self._kept, []
        for stream, text in kept:
            stream.write(text)
            stream.flush()


class _Stream:
    """A text stream whose text goes to the pager."""

    def __init__(self, stream: Any, pager: _Pager) -> None:
        self._stream = stream
        self._pager = pager

    def write(self, text: str) -> int:
        if not isinstance(text, str):  # click tries bytes, to see what kind of stream this is
            raise TypeError(f"expected a text, got {text!r}")
        self._pager.write(self._stream, as_written(self._stream, text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
