"""A year of quarter hours in one go: 35,000 runs, and no folder grows with their number.

`pytest tests/crash -m long -k year`. The clock is pretended: each run, its workers and the files
that they sync are a quarter of an hour later than those before. Runs are forked from one process
that has pipekit loaded, since 35,000 starts of Python would be most of the time.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib
import os
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("runs are forked", allow_module_level=True)

QUARTER = 900.0  # seconds
A_DAY = 96  # runs
SEED = 35
CONFIG = """
[pipeline]
stages = ["translator", "analyzer", "merger"]
quiet_seconds = 0

[stages.translator.settings]
instruments = ["ES"]
max_bad_fraction = 0.5

[[stages.translator.settings.sources]]
glob = "data/raw/*.csv"
dialect = "D"

[lifecycle]
mode = "apply"

[[lifecycle.rules]]
files = "data/raw/**"
consumed_by = ["translator"]
min_age = "24h"

[[lifecycle.rules]]
files = "data/analyzer_runs/*/*.parquet"
consumed_by = ["merger"]
min_age = "30d"

[retention]
runs = 100
idle_runs = 100
spools = 60
quarantine = 8
"""
# Python runs it in each process that finds it on its path.
CLOCK = """
import os, time
with open(os.path.join(os.path.dirname(__file__), "ahead.txt")) as file:
    ahead = float(file.read())
def pretend(ahead):
    right, right_ns, sync = time.time, time.time_ns, os.fsync
    def fsync(file):
        sync(file)
        if os.path.isfile(f"/proc/self/fd/{file}"):
            os.utime(file, (right() + ahead, right() + ahead))
    time.time = lambda: right() + ahead
    time.time_ns = lambda: right_ns() + int(ahead) * 10**9
    os.fsync = fsync
    os.stat, os.lstat, os.fstat = seen(os.stat), seen(os.lstat), seen(os.fstat)
    scan = os.scandir
    os.scandir = lambda *words: Entries(scan(*words))
NAMED = "st_atime st_mtime st_atime_ns st_mtime_ns st_blksize st_blocks st_rdev".split()
def seen(stat):  # the time of a file's last change is the system's alone: that of its content
    def status(*words, **more):
        found = stat(*words, **more)
        named = {name: getattr(found, name) for name in NAMED}
        changed = {"st_ctime": found.st_mtime, "st_ctime_ns": found.st_mtime_ns}
        return os.stat_result(tuple(found), named | changed)
    return status
class Entries:
    def __init__(self, entries):
        self._entries = entries
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.close()
    def __iter__(self):
        return map(Entry, self._entries)
    def __next__(self):
        return Entry(next(self._entries))
    def close(self):
        self._entries.close()
class Entry(os.PathLike):
    def __init__(self, entry):
        self._entry = entry
        self.stat = seen(entry.stat)
    def __getattr__(self, name):
        return getattr(self._entry, name)
    def __fspath__(self):
        return self._entry.path
pretend(ahead)
"""
GROWS = ("data/processed", "data/analyzer_runs/merged")  # the archive, and the results


class Year:
    """A project, and its clock."""

    def __init__(self, folder: Path, runs: int) -> None:
        self.root = folder / "project"
        self._site = folder / "site"
        self._site.mkdir(parents=True)
        self._site.joinpath("sitecustomize.py").write_text(CLOCK)
        self.root.joinpath("data/raw").mkdir(parents=True)
        self.root.joinpath("pipekit.toml").write_text(CONFIG)
        self._path = os.pathsep.join([str(self._site), os.environ.get("PYTHONPATH", "")])
        self._said, self._modules = folder / "said.txt", folder / "modules.txt"
        self._start = time.time() - runs * QUARTER  # so that the last run is now
        self._chance = random.Random(SEED)
        self.stay: set[str] = set()  # names of raw files that nothing may remove
        self._code = compile(CLOCK, "sitecustomize", "exec")

    def moment(self, number: int) -> dt.datetime:
        """When a run starts."""
        return dt.datetime.fromtimestamp(self._start + number * QUARTER, dt.UTC)

    def arrive(self, number: int) -> None:
        """A file of the last day; a few have a row that cannot be right, or are of nobody's kind.

        Those stay where they are until somebody has looked at them.
        """
        day = self.moment(number).date() - dt.timedelta(1)
        start = dt.datetime.combine(day, dt.time(15), dt.UTC)
        lines = ["timestamp_utc,open,high,low,close,volume"]
        name = "ES" if self._chance.random() < 0.95 else "XX"
        wrong = 40 if self._chance.random() < 0.05 else None  # a minute
        for minute in range(90):
            price = 4800 + self._chance.randrange(400) / 4
            high = price - 1 if minute == wrong else price + 1
            stamp = f"{start + dt.timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}"
            lines.append(f"{stamp},{price},{high},{price - 2},{price},9")
        path = self.root / f"data/raw/{name}_1m_{day}.csv"
        if wrong is not None or name == "XX":
            self.stay.add(path.name)
        path.write_text("\n".join(lines) + "\n")
        moment = self.moment(number).timestamp() - 60
        os.utime(path, (moment, moment))

    def run(self, number: int) -> int:
        """One run; returns its exit code."""
        child = os.fork()
        if child == 0:
            code = 70
            with contextlib.suppress(BaseException):
                code = self._child(number)
            os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def _child(self, number: int) -> int:
        ahead = self.moment(number).timestamp() - time.time()
        self._site.joinpath("ahead.txt").write_text(str(ahead))
        os.environ["PYTHONPATH"] = self._path
        with open(self._said, "w") as said:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            os.chdir(self.root)
            try:
                names: dict[str, object] = {"__file__": str(self._site / "sitecustomize.py")}
                exec(self._code, names)  # the text above
                from pipekit.cli.main import run_command_line

                code = run_command_line(["run", "--quiet-idle"])
                if number == 1:
                    ours = (name for name in sys.modules if name.startswith("pipekit"))
                    self._modules.write_text("\n".join(ours))
                return code
            except BaseException:
                traceback.print_exc()
                raise

    def load(self) -> None:
        """Import what the run imported, so that those forked from now on need not."""
        for name in self._modules.read_text().split():
            with contextlib.suppress(ImportError):
                importlib.import_module(name)

    def said(self) -> str:
        """What the last run said."""
        return self._said.read_text()

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Folder → number of files and bytes in it, the ledger apart."""
        files: Counter[str] = Counter()
        size: Counter[str] = Counter()
        for place, _, names in os.walk(self.root):
            shown = os.path.relpath(place, self.root)
            top = next((each for each in GROWS if shown.startswith(each)), None)
            for name in names:
                folder = top or "/".join(shown.split("/")[: 1 if shown.startswith(".") else 2])
                key = "ledger" if name.startswith("state.db") else folder
                files[key] += 1
                size[key] += os.path.getsize(os.path.join(place, name))
        return {key: (files[key], size[key]) for key in sorted(files)}


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("runs", [35_000])
def test_no_folder_grows_with_the_number_of_runs(
    tmp_path: Path, record_property, runs: int
) -> None:
    """After a third of the year each folder is as large as at its end; archive and results grow.

    So do raw files with rows that were set aside: these wait for somebody to look at them.
    """
    runs = int(os.environ.get("CRASH_YEAR_RUNS", runs))
    year, codes = Year(tmp_path, runs), Counter[int]()
    seen: list[dict[str, tuple[int, int]]] = []
    for number in range(1, runs + 1):
        if number % A_DAY == 0:
            year.arrive(number)
        code = year.run(number)
        codes[code] += 1
        assert code in (0, 1), f"run {number}: {year.said()}"
        if number == 1:
            year.load()
        if number % (runs // 24) == 0:
            seen.append(sizes := year.sizes())
            shown = {
                key: f"{files} files, {size >> 10} KiB" for key, (files, size) in sizes.items()
            }
            print(f"after {number:,} runs: {shown}", flush=True)
    print(f"exit codes {dict(codes)}")
    early, late = seen[7:13], seen[-6:]
    raw = {path.name for path in (year.root / "data/raw").iterdir()}
    assert raw >= year.stay
    assert len(raw - year.stay) <= 2, "consumed files are still there"
    for folder in {key for sizes in late for key in sizes} - {*GROWS, "data/raw", "ledger"}:
        for what in (0, 1):
            before = max(sizes.get(folder, (0, 0))[what] for sizes in early)
            after = max(sizes.get(folder, (0, 0))[what] for sizes in late)
            assert after <= before * 1.2 + 2, f"{folder}: {before} -> {after}"
    record_property("trials", codes.total())
