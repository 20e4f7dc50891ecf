"""A fortnight of runs in minutes: files come and go, and much goes wrong; in the end all is right.

The quick form has 4 runs a day, the full one 96, as a scheduler makes them each quarter of an hour:
`pytest tests/crash -m long -k fortnight`.
"""

from __future__ import annotations

import random
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from . import count_plugin
from .lab import ERRNOS, Lab, Rule, check_told, check_whole
from .tracer import available

if reason := available():
    pytest.skip(reason, allow_module_level=True)

SEED = 19
DAYS = 14
KEPT = 5  # runs that retention keeps in any case
RETENTION = """
[retention]
runs = 12
idle_runs = 6
spools = 6
"""
# Python runs it in each process that finds it on its path: the clock is wrong by so many seconds.
CLOCK = """
import os, time
wrong = float(os.environ.get("CRASH_CLOCK", 0))
if wrong:
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + wrong
    time.time_ns = lambda: right_ns() + int(wrong) * 10**9
"""
DAY = 86400
MIB = 1 << 20


class World:
    """The raw files of a project, and what a day brings."""

    def __init__(self, lab: Lab, chance: random.Random) -> None:
        self._lab = lab
        self._chance = chance
        self._files: dict[str, str] = {}
        self._good: dict[str, str] = {}  # what corrupted files were before
        self._made = 0
        for _ in range(4):
            self._write(self._new(), self._lines(30))
        self.happened: Counter[str] = Counter()

    def day(self) -> list[str]:
        """What will happen, in order."""
        happenings = ["arrive"] * 3 + ["withdraw"] * 4 + ["grow"] * 4 + ["stop within a line"] * 2
        happenings += ["duplicate", "corrupt", "mend"]
        self._chance.shuffle(happenings)
        return happenings

    def happen(self, what: str) -> None:
        """Let one thing happen."""
        self.happened[what] += 1
        name = self._chance.choice(sorted(self._files))
        if what == "arrive":
            self._write(self._new(), self._lines(30))
        elif what == "grow":
            text = self._files[name]
            self._write(name, text + ("" if text.endswith("\n") else "5\n") + self._lines(5))
        elif what == "stop within a line" and self._files[name].endswith("\n"):
            self._write(name, f"{self._files[name]}a 1")
        elif what == "duplicate":
            self._write(self._new(), self._files[name])
        elif what == "corrupt" and name not in self._good:
            self._good[name] = self._files[name]
            self._write(name, f"{self._files[name]}x?\n")
        elif what == "mend" and self._good:
            name = self._chance.choice(sorted(self._good))
            self._write(name, self._good.pop(name))
        elif what == "withdraw" and len(self._files) > 8:
            del self._files[name]
            self._good.pop(name, None)
            self._lab.put({name: None})

    def mend_all(self) -> None:
        """No file is corrupted any more."""
        while self._good:
            self.happen("mend")

    def _new(self) -> str:
        self._made += 1
        return f"file{self._made:03}.txt"

    def _lines(self, count: int) -> str:
        pairs = ((self._chance.choice("abcde"), self._chance.randrange(1000)) for _ in range(count))
        return "".join(f"{key} {number}\n" for key, number in pairs)

    def _write(self, name: str, text: str) -> None:
        self._files[name] = text
        self._lab.put({name: text})


MISHAPS = ("kill", "kill", "crash", "full disk", "error", "clock")


def mishap(kind: str, chance: random.Random) -> tuple[list[Rule], dict[str, str]]:
    """Rules and environment of a run to which this happens."""
    number = chance.randrange(160 if chance.random() < 0.5 else 300)
    if kind == "kill":
        return [Rule(number=number)], {}
    if kind == "crash":
        return [Rule(number=number, action="all")], {}
    if kind == "error":
        return [Rule(number=number, action=chance.choice(ERRNOS))], {}
    if kind == "full disk":
        growing = "write|pwrite64|openat|mkdir"
        return [Rule(call=growing, number=number, action="ENOSPC", lasting=True)], {}
    return [], {"CRASH_CLOCK": str(chance.choice((-400 * DAY, -3600, 30 * DAY, 800 * DAY)))}


class Watch:
    """What must stay flat: memory and descriptors of idle runs, and the disk at each day's end."""

    def __init__(self) -> None:
        self.memory: list[int] = []
        self.descriptors: list[int] = []
        self.disk: list[int] = []
        self.files: list[int] = []

    def run(self, lab: Lab) -> int:
        """A run that nobody disturbs; returns its exit code."""
        code, peak, descriptors = lab.measured()
        if code == 0:
            self.memory.append(peak)
            self.descriptors.append(descriptors)
        return code

    def day(self, lab: Lab) -> None:
        """Look at what is on disk beside the data and the ledger, which has a row for each run."""
        found = [p for p in lab.files() if not p.startswith(("data/", ".pipekit/state.db"))]
        self.files.append(len(found))
        self.disk.append(sum(lab.root.joinpath(path).stat().st_size for path in found))

    def check(self) -> None:
        """Compare the end of the fortnight with its beginning, once the retention was reached."""
        third = len(self.memory) // 3
        growth = statistics.median(self.memory[-third:]) - statistics.median(self.memory[:third])
        assert growth < 2 * MIB, f"runs have grown by {growth / MIB:.1f} MiB"
        assert max(self.descriptors[-third:]) <= max(self.descriptors[:third])
        assert max(self.files[-4:]) <= max(self.files[4:8]) * 1.2, self.files
        assert max(self.disk[-4:]) <= max(self.disk[4:8]) * 1.2, self.disk


def content(lab: Lab) -> list[Any]:
    """What the ledger knows about the files that are there."""
    query = "SELECT stage, path, state, fingerprint FROM content ORDER BY stage, path"
    return [row for row in lab.query(query) if lab.root.joinpath(row[1]).exists()]


@pytest.mark.parametrize(
    ("runs", "disturbed"),
    [
        pytest.param(2, 0.5, id="quick"),
        pytest.param(95, 0.1, id="1344", marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
)
def test_a_fortnight(tmp_path: Path, record_property, runs: int, disturbed: float) -> None:
    """Equal to a clean run over the same files; memory, descriptors and disk stay flat."""
    chance = random.Random(SEED)
    lab = Lab(tmp_path / "lab")
    lab.site.joinpath("sitecustomize.py").write_text(CLOCK)
    with open(lab.root / "pipekit.toml", "a") as file:
        file.write(RETENTION)
    world, watch, codes = World(lab, chance), Watch(), Counter[int]()
    mishaps: Counter[str] = Counter()
    for _ in range(DAYS):
        happenings = world.day()
        for number in range(runs):  # and one more at the end of the day
            while happenings and chance.random() < len(happenings) / (runs - number):
                world.happen(happenings.pop(0))
            if chance.random() < disturbed:
                kind = chance.choice(MISHAPS)
                mishaps[kind] += 1
                rules, env = mishap(kind, chance)
                run = lab.traced(*rules, env=env)
                assert "Traceback" not in run.err, run.err
                codes[run.code] += 1
            else:
                codes[watch.run(lab)] += 1
        check_whole(lab, lab.raw())
        code = watch.run(lab)
        assert code in (0, 1)
        codes[code] += 1
        check_told(lab, kept=KEPT)
        watch.day(lab)
    world.mend_all()
    assert lab.pipekit("run").returncode == 0
    check_told(lab, kept=KEPT)
    clean = Lab(tmp_path / "clean")
    clean.put(lab.raw())
    assert clean.pipekit("run").returncode == 0
    assert lab.published() == clean.published() == count_plugin.expected(lab.raw())
    assert content(lab) == content(clean)
    watch.check()
    assert codes.keys() <= {-9, 0, 1, 2, 3}, codes
    record_property("trials", codes.total())
    print(f"exit codes {dict(codes)}; {dict(mishaps)}; {dict(world.happened)}")
