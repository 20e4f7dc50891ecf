"""Runs pipekit on the real CPython for Windows, under Wine: `nox -s windows -- core|full`.

`core` is what depends on the system in the core, its command line and its supervisor, without data
libraries. `full` adds the
three stages: the demo, an idle run, a comparison with Linux to the byte, and the stages' tests.
Further words go to pytest. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import fetch
import same_results
from tests_that_run import TESTS
from wine import Wine, windows_path

NOT_RUN = 77  # the exit code of a skipped test, as automake has it
CACHE_VARIABLE = "PIPEKIT_WINDOWS_CACHE"
_TEST_LIMITS = {"core": 1500, "full": 5400}  # seconds, on a machine that has much else to do


class Lane:
    """The checks, one after the other; a failed one does not stop the next."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line with the seconds since the start."""
        print(f"[{time.monotonic() - self._began:5.0f} s] {text}", flush=True)

    def check(self, name: str, passes: Callable[[], bool]) -> None:
        """Run one check and note whether it has failed."""
        self.say(name)
        if not passes():
            self.failed.append(name)
            self.say(f"FAILED: {name}")


def main() -> int:
    """Prepare a Windows, run the checks; 0 if all have passed, NOT_RUN if it cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=("core", "full"), nargs="?", default="core")
    options, words = parser.parse_known_args()
    lane, cache = Lane(), cache_folder()
    lane.say(f"{options.mode} mode; what is fetched is kept in {cache}")
    used_by_us_alone(cache, lane.say)
    try:
        fetch.require_wine(lane.say)
        python = fetch.python_for_windows(cache, options.mode, lane.say)
    except fetch.UnavailableError as error:
        print(f"\n*** NOT RUN: no test has run on Windows. {error}. ***\n", flush=True)
        return NOT_RUN
    with Wine(cache, python) as wine:
        lane.say("a Windows is ready")
        work = cache / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        if options.mode == "full":
            _check_demo(lane, wine, work)
        limit = _TEST_LIMITS[options.mode]
        lane.check("tests", lambda: _tests(wine, work, words or TESTS[options.mode], limit))
        shutil.rmtree(work, ignore_errors=True)
    lane.say(f"failed: {', '.join(lane.failed)}" if lane.failed else "all passed")
    return 1 if lane.failed else 0


def cache_folder() -> Path:
    """Where fetched files are kept: a variable names it, else it is in the user's cache."""
    named = os.environ.get(CACHE_VARIABLE)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(named) if named else base / "pipekit-windows"
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def used_by_us_alone(cache: Path, say: Callable[[str], None]) -> None:
    """Wait for another lane that uses this cache: both would change what is installed in it."""
    lock = os.open(cache / "lock", os.O_RDWR | os.O_CREAT)  # held until this process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another lane that uses this cache")
        fcntl.flock(lock, fcntl.LOCK_EX)


def _tests(wine: Wine, work: Path, words: Sequence[str], limit: float) -> bool:
    return wine.python(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "wine_faults"),
        "--no-loadscope-reorder",  # the first ones take longest
        *("--timeout", "600", "--basetemp", windows_path(work / "t"), *words),
        seconds=limit,
    )


def _check_demo(lane: Lane, wine: Wine, work: Path) -> None:
    demo, folder = work / "demo", windows_path(work / "demo")
    lane.check("demo", lambda: wine.python("-m", "pipekit", "demo", folder))
    lane.check("demo again: idle", lambda: wine.python("-m", "pipekit", "demo", folder))
    lane.check("results", lambda: wine.python("-m", "pipekit", "-C", folder, "results"))
    lane.check("results as on Linux", lambda: same_results.compare(demo, work / "linux"))


if __name__ == "__main__":
    sys.exit(main())
