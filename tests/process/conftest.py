"""Real children, seen from outside: nothing here asks the supervisor what it knows."""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipekit.model.command import Command, ProcessResult
from pipekit.process import ProcessSupervisor

SLACK = 0.5  # seconds: what the supervisor promises to need beyond deadline and grace
NOISE = 1.0  # seconds: what a busy machine may add to any of this
BAD_CHILD = Path(__file__).with_name("bad_child.py")

if sys.platform != "linux":
    pytest.skip("looks at processes through /proc", allow_module_level=True)


def processes() -> Iterator[tuple[int, str, int]]:
    """Number, state and parent of every process, read from /proc here and not by the product."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = Path(f"/proc/{name}/stat").read_text(errors="replace")
        except OSError:
            continue
        state, parent = text.rpartition(")")[2].split()[:2]
        yield int(name), state, int(parent)


def marked(mark: str) -> list[int]:
    """Processes, not yet zombies, that carry the mark in their environment, or as their name."""
    found = []
    for pid, state, _ in processes():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            name = Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0]
        except OSError:
            continue
        if state not in "ZX" and (mark.encode() in environment or mark.encode() == name):
            found.append(pid)
    return found


class Lab:
    """Makes commands that carry a mark, runs them, and knows what is left of them."""

    def __init__(self, folder: Path) -> None:
        self.spools = folder / "spools"
        self.mark = uuid.uuid4().hex
        self.supervisor = ProcessSupervisor(spool_dir=self.spools)

    def command(self, *words: object, **options: object) -> Command:
        """A program, marked."""
        env = {**options.pop("env", {}), "LAB_MARK": self.mark}  # type: ignore[dict-item]
        return Command(argv=[str(word) for word in words], env=env, **options)  # type: ignore[arg-type]

    def bad(self, way: str, *arguments: object, **options: object) -> Command:
        """The misbehaving program, in one of its ways."""
        return self.command(sys.executable, "-S", BAD_CHILD, way, *arguments, **options)

    def run(self, way: str, *arguments: object, **options: object) -> ProcessResult:
        """Run the misbehaving program and see that it is over in time and gone."""
        return self.execute(self.bad(way, *arguments, **options))

    def execute(self, command: Command, *arguments: object, **options: object) -> ProcessResult:
        """Run any command, and see that nothing of it is left."""
        result = self.supervisor.execute(command, *arguments, **options)  # type: ignore[arg-type]
        left = marked(self.mark)
        assert not left, f"left running: {left}"
        return result

    def alive(self) -> list[int]:
        """What runs of this lab now."""
        return marked(self.mark)

    def gone_within(self, seconds: float) -> bool:
        """Whether all of it ends in this time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not marked(self.mark):
                return True
            time.sleep(0.02)
        return not marked(self.mark)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab of this test's own; what its supervisor shares ends with it."""
    lab = Lab(tmp_path)
    yield lab
    del lab.supervisor
    _reap_slow_spawners()


def _reap_slow_spawners() -> None:
    """Reap those that were closed while they still started, as the next start would."""
    from pipekit.process.linux import spawner_client
    from pipekit.process.signals import reap

    deadline = time.monotonic() + 5
    while spawner_client._unreaped and time.monotonic() < deadline:
        reap(spawner_client._unreaped)
        time.sleep(0.001)


@pytest.fixture
def within() -> Callable[[float, float], None]:
    """Check that something since `started` (monotonic) took at most so long, and named slacks."""

    def check(started: float, seconds: float) -> None:
        took = time.monotonic() - started
        assert took <= seconds + SLACK + NOISE, f"took {took:.2f} s instead of {seconds:.2f}"

    return check


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No test leaves a descriptor, a thread, a child or a zombie of ours."""
    descriptors, threads = _descriptors(), threading.active_count()
    yield
    assert _descriptors() == descriptors
    assert threading.active_count() == threads
    assert [pid for pid, _, parent in processes() if parent == os.getpid()] == []


def _descriptors() -> dict[str, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # the one that lists
            continue
    return found
