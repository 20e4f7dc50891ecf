"""Process trees in Linux's /proc, found by descent or by a name in their environment."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection
from typing import NamedTuple

from pipekit.model.command import ProcessSnapshot
from pipekit.process.child import Member, ProcessUsage
from pipekit.process.linux import guardian
from pipekit.process.start import TREE_VARIABLE, belongs_to

assert sys.platform == "linux"  # tells the type checker that guardian.py has contents

_VARIABLE = f"{TREE_VARIABLE}=".encode()
_TICK = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_ROUNDS = 10
_EXEC_PAUSE = 0.01  # seconds between two rounds for a process that is within exec
_UNKNOWN = ":"  # never a tree's name

_STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting for a device",
    "T": "stopped",
    "t": "stopped by a debugger",
    "I": "idle",
}


class _Stat(NamedTuple):
    pid: int
    name: str
    state: str
    alive: bool
    parent: int
    group: int
    cpu: float
    waited: float
    started: float
    rss: int
    mapped: int


def read(path: str) -> bytes:
    """A file of /proc; empty if its process is gone or may not be looked at.

    Raises OSError if it cannot be read for another reason (no descriptor left).
    """
    try:
        return guardian.read(path)
    except PermissionError:
        return b""


def _stat(pid: int) -> _Stat | None:
    """/proc/PID/stat, see proc(5). The name in brackets may itself contain brackets."""
    content = read(f"/proc/{pid}/stat")
    words = content[content.rfind(b")") + 2 :].split()
    if len(words) < 22:
        return None
    threads = int(words[17])
    return _Stat(
        pid=pid,
        name=content[content.find(b"(") + 1 : content.rfind(b")")].decode(errors="replace"),
        state=words[0].decode(),
        alive=words[0] not in b"ZX" or threads > 1,  # main thread gone: looks like a zombie
        parent=int(words[1]),
        group=int(words[2]),
        cpu=(int(words[11]) + int(words[12])) * _TICK,
        waited=(int(words[13]) + int(words[14])) * _TICK,
        started=int(words[19]) * _TICK,
        rss=int(words[21]) * _PAGE,
        mapped=int(words[20]),
    )


def group_of(pid: int, started: float) -> int | None:
    """The process group of a live process, or None when that process is gone."""
    stat = _stat(pid)
    return stat.group if stat and stat.alive and stat.started == started else None


def members(root: int, without: Collection[int]) -> list[Member]:
    """The live processes below `root`, except `without`."""
    stats = (_stat(pid) for pid in guardian.descendants([root]) if pid not in without)
    return [_member(stat) for stat in stats if stat and stat.alive]


def usage(root: int) -> list[ProcessUsage]:
    """What the descendants of `root` use: 0.25 ms for 20 on any host."""
    return [used for pid in guardian.descendants([root])[1:] if (used := _usage(pid))]


def snapshot(root: int) -> list[ProcessSnapshot]:
    """What the descendants of `root` are doing, ordered by pid."""
    pids = sorted(guardian.descendants([root])[1:])
    return [seen for pid in pids if (seen := _snapshot(pid))]


def _snapshot(pid: int) -> ProcessSnapshot | None:
    stat = _stat(pid)
    if stat is None or not stat.alive:
        return None
    words = read(f"/proc/{pid}/cmdline").decode(errors="replace").split("\0")
    where = read(f"/proc/{pid}/wchan").decode(errors="replace").strip()
    return ProcessSnapshot(
        pid=pid,
        parent=stat.parent,
        state=_STATES.get(stat.state, stat.state),
        waits_in="" if where == "0" else where,
        cpu=stat.cpu + stat.waited,
        rss=stat.rss,
        command=" ".join(words).strip() or f"[{stat.name}]",
    )


def members_by_name(name: str) -> list[Member]:
    """The live processes with this name in their environment, and their children.

    `name`: a tree, or the cookie of a supervisor. Complete even while processes come and go: it
    scans again as long as new pids are assigned, and waits for a process within exec, which shows
    no name for a moment; ten rounds at most.
    """
    found: dict[int, _Stat] = {}
    unknown = False
    latest = -1
    for _ in range(_ROUNDS):
        newest = _latest_pid()
        if newest == latest and not unknown:
            break
        if unknown:
            time.sleep(_EXEC_PAUSE)
        unknown = _collect(name, found)
        latest = newest
    return [_member(stat) for stat in found.values()]


def _collect(name: str, found: dict[int, _Stat]) -> bool:
    """Add all processes with this name to `found`; whether some do not show theirs yet."""
    others, unknown = [], set()
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        stat = _stat(pid)
        if stat is None or not stat.alive:
            continue
        trees = _trees(stat)
        if belongs_to(trees, name):
            found[pid] = stat
            continue
        others.append(stat)
        if trees == _UNKNOWN:
            unknown.add(pid)
    while children := [stat for stat in others if stat.parent in found]:
        found.update((stat.pid, stat) for stat in children)
        others = [stat for stat in others if stat.pid not in found]
    return not unknown <= found.keys()


def _member(stat: _Stat) -> Member:
    return Member(stat.pid, stat.group, stat.started)


def _trees(stat: _Stat) -> str:
    """The trees in the environment that a process was started with.

    A process within exec shows neither environment nor arguments for a moment; a kernel thread
    never does, but has no memory mapped.
    """
    environment = read(f"/proc/{stat.pid}/environ")
    if not environment and stat.mapped and not read(f"/proc/{stat.pid}/cmdline"):
        return _UNKNOWN
    words = environment.split(b"\0")
    return next((w[len(_VARIABLE) :].decode() for w in words if w.startswith(_VARIABLE)), "")


def _latest_pid() -> int:
    """The pid given out last, from /proc/loadavg."""
    words = read("/proc/loadavg").split()
    return int(words[4]) if len(words) > 4 else 0


def _usage(pid: int) -> ProcessUsage | None:
    stat = _stat(pid)
    if stat is None or not stat.alive:
        return None
    moved = read(f"/proc/{pid}/io").split()  # rchar: N wchar: N ..., then disk bytes
    status = read(f"/proc/{pid}/status")
    found = status.find(b"\nVmHWM:")
    peak = int(status[found + 7 : status.find(b"kB", found)]) * 1024 if found >= 0 else 0
    return ProcessUsage(
        pid=pid,
        started=stat.started,
        cpu=stat.cpu,
        waited=stat.waited,
        io=sum(int(moved[i]) for i in (1, 3, 9, 11)) if len(moved) >= 12 else 0,
        rss=stat.rss,
        peak_rss=peak,
    )
