"""A process tree as Linux shows it in /proc; sends no signal.

The tree of a leader that was started in its own session: its descendants, whoever is in its session
or group, and whoever carries the tree's name in the environment (a daemon that left the session).
"""

from __future__ import annotations

import errno
import io
import os
import sys
import time
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from pipekit.model.command import ProcessSnapshot
from pipekit.process.start import TREE_VARIABLE, carries
from pipekit.process.tree import Member, Reading

assert sys.platform != "win32"  # for the type checker: half of this is not there

_VARIABLE = f"{TREE_VARIABLE}=".encode()
_TICK = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SHORT = 2048  # bytes; less in one read was all, more may be a page cut at the end of an entry
_NEAR = 256  # process numbers that are cheaper to try than to list
_YOUNG = 1.0  # seconds; so soon the system's process numbers do not come round
_LOOKS = 10  # at most, at who came meanwhile and at who could not be told
_LOADS = 0.01  # seconds between two of them for a program that is just being loaded
_UNTOLD = ":"  # no tree's name
_VANISHED = (errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EPERM)


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
    session: int
    cpu: float
    waited: float
    started: float
    rss: int
    mapped: int


def read(path: str) -> bytes:
    """The content of a file of /proc; nothing when its process is gone or is not ours to see.

    Raises OSError when it cannot be told (no descriptor left).
    """
    try:
        with io.FileIO(path) as file:  # and not a number, which an interrupt could leave open
            content = file.read(65536)
            while more := file.read(65536) if len(content) >= _SHORT else b"":
                content += more
    except OSError as error:
        if error.errno in _VANISHED:
            return b""
        raise
    return content


def _stat(pid: int) -> _Stat | None:
    """From proc(5), /proc/pid/stat; the name in brackets may hold anything, brackets too."""
    content = read(f"/proc/{pid}/stat")
    words = content[content.rfind(b")") + 2 :].split()
    if len(words) < 22:
        return None
    threads = int(words[17])
    return _Stat(
        pid=pid,
        name=content[content.find(b"(") + 1 : content.rfind(b")")].decode(errors="replace"),
        state=words[0].decode(),
        alive=words[0] not in b"ZX" or threads > 1,  # a first thread that ended is shown as zombie
        parent=int(words[1]),
        group=int(words[2]),
        session=int(words[3]),
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
    """The live processes below `root`, but for `without`."""
    stats = (_stat(pid) for pid in _descendants(root) if pid not in without)
    return [Member(stat.pid, stat.group, stat.started) for stat in stats if stat and stat.alive]


def readings(root: int, without: Collection[int] = ()) -> list[Reading]:
    """What `root` and those below it use, but for `without`: 0.25 ms for 20 on any host."""
    pids = (pid for pid in _descendants(root) if pid not in without)
    return [reading for pid in pids if (reading := _reading(pid))]


def snapshot(root: int, without: Collection[int] = ()) -> list[ProcessSnapshot]:
    """What `root` and those below it are doing, but for `without`, parents first."""
    pids = sorted(pid for pid in _descendants(root) if pid not in without)
    return [seen for pid in pids if (seen := _seen(pid))]


def _seen(pid: int) -> ProcessSnapshot | None:
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


class ProcTree:
    """The tree below `leader`, which must not be reaped while this is asked (its number is used).

    `name`: of the tree, or the cookie of a supervisor, as each process has it in its environment.
    """

    def __init__(self, leader: int, name: str) -> None:
        self._leader = self._first = leader
        self._name = name
        self._born = time.monotonic()

    def members(self) -> list[Member]:
        """See `Tree`. Complete also while processes come and go.

        Whoever is alive at the end was in the list, or has a number that was given out later, and
        those are looked at as well. Who cannot be told is looked at again for a tenth of a second.
        """
        latest = _latest_pid()
        found: dict[int, _Stat] = {}
        untold = self._collect(self._candidates(latest), found)
        for _ in range(_LOOKS):
            newest = _latest_pid()
            if newest == latest and not untold:
                break
            if untold:
                time.sleep(_LOADS)
            near = latest <= newest <= latest + _NEAR
            others = _real(latest + 1, newest) if near else _listed()
            untold = self._collect({*untold, *others}, found)
            latest = newest
        return [Member(stat.pid, stat.group, stat.started) for stat in found.values()]

    def forget_leader(self) -> None:
        """See `Tree`."""
        self._leader = -1

    def readings(self) -> list[Reading]:
        """See `Tree`. Walks down from the leader."""
        return readings(self._leader)

    def snapshot(self) -> list[ProcessSnapshot]:
        """See `Tree`."""
        return snapshot(self._leader)

    def _candidates(self, latest: int) -> Iterable[int]:
        """Numbers that a member can have. None was given out before the leader's."""
        young = time.monotonic() - self._born < _YOUNG
        if young and self._first <= latest <= self._first + _NEAR:
            return _real(self._first, latest)  # `_collect` passes over a leader
        return _listed()

    def _collect(self, pids: Iterable[int], found: dict[int, _Stat]) -> list[int]:
        """Put those that belong to the tree into `found`; returns who cannot be told."""
        others, untold = [], []
        for pid in pids:
            stat = _stat(pid) if pid != self._leader else None
            if stat is None or not stat.alive:
                continue
            if self._is_linked(stat, found) or carries(trees := _trees(stat), self._name):
                found[pid] = stat
                continue
            others.append(stat)
            if trees == _UNTOLD:
                untold.append(pid)
        while children := [stat for stat in others if stat.parent in found]:
            found.update((stat.pid, stat) for stat in children)
            others = [stat for stat in others if stat.pid not in found]
        return [pid for pid in untold if pid not in found]

    def _is_linked(self, stat: _Stat, found: dict[int, _Stat]) -> bool:
        return self._leader in (stat.session, stat.group, stat.parent) or stat.parent in found


def _trees(stat: _Stat) -> str:
    """The trees that a process says it belongs to, in what it was started with.

    A program that is just being loaded shows neither environment nor arguments, and its parent may
    have gone on already; of a thread of the kernel, which never shows any, no memory is mapped.
    """
    environment = read(f"/proc/{stat.pid}/environ")
    if not environment and stat.mapped and not read(f"/proc/{stat.pid}/cmdline"):
        return _UNTOLD
    words = environment.split(b"\0")
    return next((w[len(_VARIABLE) :].decode() for w in words if w.startswith(_VARIABLE)), "")


def _latest_pid() -> int:
    """The process number given out last, from /proc/loadavg."""
    words = read("/proc/loadavg").split()
    return int(words[4]) if len(words) > 4 else 0


def _listed() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _real(first: int, last: int) -> Iterator[int]:
    """Processes in a range of numbers; threads are found under theirs too, and are left out."""
    for pid in range(first, last + 1):
        status = read(f"/proc/{pid}/status")
        if status and f"\nTgid:\t{pid}\n".encode() in status:
            yield pid


def _descendants(leader: int) -> Iterator[int]:
    """The leader and all below it that are still linked to it by live parents."""
    waiting = [leader]
    while waiting:
        pid = waiting.pop()
        yield pid
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for task in tasks:
            waiting += map(int, read(f"/proc/{pid}/task/{task}/children").split())


def _reading(pid: int) -> Reading | None:
    stat = _stat(pid)
    if stat is None or not stat.alive:
        return None
    moved = read(f"/proc/{pid}/io").split()  # rchar: n wchar: n ..., then what reached the disk
    status = read(f"/proc/{pid}/status")
    found = status.find(b"\nVmHWM:")
    peak = int(status[found + 7 : status.find(b"kB", found)]) * 1024 if found >= 0 else 0
    return Reading(
        pid=pid,
        started=stat.started,
        cpu=stat.cpu,
        waited=stat.waited,
        io=sum(int(moved[i]) for i in (1, 3, 9, 11)) if len(moved) >= 12 else 0,
        rss=stat.rss,
        peak_rss=peak,
    )
