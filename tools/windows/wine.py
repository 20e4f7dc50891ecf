"""A Windows of its own, below the cache folder, and programs that run in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

from complex_functions import complete
from fetch import ROOT, WINE

_SERVER = WINE.with_name("wineserver")
_BUILTIN = Path("/usr/lib/x86_64-linux-gnu/wine/x86_64-windows/ucrtbase.dll")
_IDLE_SERVER = 3600  # seconds that a server stays: a new one takes two seconds
_NOT_FOR_WINDOWS = ("PYTHON", "PIPEKIT_", "VIRTUAL_ENV", "UV", "NOX", "COVERAGE")


def windows_path(path: Path) -> str:
    """The path by which a program under Wine opens a file of Linux."""
    return "Z:" + os.fspath(path).replace("/", "\\")


class Wine:
    """A context manager: its server runs in between, and nothing is left afterwards."""

    def __init__(self, cache: Path, python: Path) -> None:
        self._prefix = cache / "prefix"
        self._python = python
        self._env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(_NOT_FOR_WINDOWS)},
            "WINEPREFIX": os.fspath(self._prefix),
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            # our copy of the C library; no browser and no .NET, which nobody needs here
            "WINEDLLOVERRIDES": "ucrtbase=n,b;mscoree,mshtml=",
            "DISPLAY": "",
        }

    def __enter__(self) -> Self:
        complete_file = self._prefix / ".complete"
        if not complete_file.exists():
            shutil.rmtree(self._prefix, ignore_errors=True)
            self._quietly(WINE, "wineboot", "--init")
            self._quietly(_SERVER, "--wait")  # until it has written what it began
            complete(_BUILTIN, self._prefix / "drive_c/windows/system32/ucrtbase.dll")
            complete_file.touch()
        # The first program starts services, which would keep a pipe of ours open for ever.
        self._quietly(_SERVER, f"--persistent={_IDLE_SERVER}")
        self._quietly(WINE, "hostname")
        return self

    def __exit__(self, *_: object) -> None:
        self._quietly(_SERVER, "--kill")

    def python(self, *words: str, seconds: float = 400) -> bool:
        """Run Python with these words in the project's folder, and print what it prints.

        Whether it exited with code 0 in time. Its streams are pipes: a file of Linux as standard
        output is one that Python cannot start with.
        """
        process = subprocess.Popen(
            [WINE, windows_path(self._python), *words],
            cwd=ROOT,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            for line in process.stdout:
                sys.stdout.write(line.replace(b"\r", b"").decode("cp1252", "replace"))
                sys.stdout.flush()
            return process.wait() == 0
        finally:
            timer.cancel()

    def _quietly(self, program: Path, *words: str) -> None:
        subprocess.run(
            [program, *words],
            env=self._env,
            check=False,
            timeout=180,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
