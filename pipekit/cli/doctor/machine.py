"""Checks of the machine: folders, disks, the clock, time zones, the interpreter's start."""

from __future__ import annotations

import os
import re
import site
import sys
import time
import zoneinfo
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipekit.cli.doctor.finding import Finding, broken, ok, warning
from pipekit.model.place import is_on_share
from pipekit.model.quantity import local_time, rough_size
from pipekit.model.run import Paths
from pipekit.storage.space import free_space

_LITTLE = 1_000_000_000  # bytes free, below which a disk is about to be full
_CLOCKS_DIFFER = 60.0  # seconds
_EARLIEST = 1_735_689_600  # Unix time: 2025, before which no pipekit 1.0 was started
_OLD_ZONES = 3  # years
_NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "fuse.glusterfs")
)


_NOT_YET_SEEN = {  # by sys.platform: as in docs/reference/platforms.md
    "darwin": "macOS, where nobody has run pipekit yet; its tests for macOS ran on Linux",
    "win32": "Windows, where Ctrl-Break, hang_timeout and max_memory have not been tested yet",
}


def system(platform: str = sys.platform) -> Iterator[Finding]:
    """What of pipekit has not been tested on this operating system."""
    if text := _NOT_YET_SEEN.get(platform):
        yield ok("system", f"{text}: see docs/reference/platforms.md, and please report problems")


def folders(paths: Paths) -> Iterator[Finding]:
    """Whether the folders are there, or can be created, and can be written to."""
    for name in ("data", "logs", "state"):
        folder: Path = getattr(paths, name)
        there = _existing(folder)
        if not os.access(there, os.W_OK | os.X_OK):
            remedy = f"give the user who runs pipekit the right to write to {there}"
            yield broken("folders", f"{name}: {there} cannot be written to", remedy)
        elif there != folder:
            yield ok("folders", f"{name}: {folder} does not exist yet; a run creates it")
        else:
            yield ok("folders", f"{name}: {folder}")


def disks(paths: Paths, min_free: int | None) -> Iterator[Finding]:
    """How much is free on each disk of the project."""
    for folder, free in free_space(paths):
        text = f"{rough_size(free)} free on the disk of {folder}"
        if min_free is not None and free < min_free:
            limit = f"with less than {rough_size(min_free)} (pipeline.min_free) no run begins"
            yield broken("disk", text, f"free some space: {limit}")
        elif free < (_LITTLE if min_free is None else 2 * min_free):
            yield warning("disk", text, "free some space, or move data and logs to a larger disk")
        else:
            yield ok("disk", text)


def file_system(paths: Paths) -> Iterator[Finding]:
    """Whether the lock and the ledger lie on a file system that is known to keep locks."""
    import psutil  # nothing else in this command needs it

    folder = _existing(paths.state).resolve()
    mounts = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    kind = next((mounts[each] for each in (folder, *folder.parents) if each in mounts), "unknown")
    if kind in _NETWORK or is_on_share(folder):
        remedy = 'move it to a local disk: [paths] state = "..."'
        text = f"lock and ledger lie on a network file system ({kind}), where locks may not hold"
        yield warning("file system", text, remedy)
    else:
        yield ok("file system", f"lock and ledger lie on {kind}")


def clock(latest: float | None) -> Iterator[Finding]:
    """Whether the clock can be right; `latest`: when the last run began, a Unix time."""
    now = time.time()
    remedy = "set the clock, and let the system keep it (NTP)"
    if now < _EARLIEST:
        yield broken("clock", f"the clock reads {local_time(now)}, which is in the past", remedy)
    elif latest is not None and now < latest - _CLOCKS_DIFFER:
        text = f"the clock reads {local_time(now)}, but the last run began at {local_time(latest)}"
        yield warning("clock", text, remedy)
    else:
        yield ok("clock", local_time(now))


def zones(name: str) -> Iterator[Finding]:
    """Whether the time zone of the configuration, and UTC, are known here, and since when."""
    for zone in filter(None, dict.fromkeys((name, "UTC", "America/New_York"))):
        try:
            ZoneInfo(zone)
        except ZoneInfoNotFoundError:
            remedy = "install the package tzdata into pipekit's environment"
            yield broken("zones", f"the time zone {zone} is not known here", remedy)
            return
    place, version = _zone_data()
    shown = f"times are shown in {name or 'the time zone of the system'}"
    text = f"{shown}; zones are those of {place}, version {version or 'unknown'}"
    if version and time.localtime().tm_year - int(version[:4]) >= _OLD_ZONES:
        yield warning("zones", text, "update tzdata: governments change summer time every year")
    else:
        yield ok("zones", text)


def _zone_data() -> tuple[str, str]:
    """Where Python finds time zones, and their version such as `2025b`, empty if it is not known.

    As zoneinfo does: a folder of the system, or else the package tzdata.
    """
    for folder in map(Path, zoneinfo.TZPATH):
        if (folder / "UTC").is_file():
            return str(folder), _zone_version(folder)
    import tzdata  # type: ignore[import-not-found, import-untyped, unused-ignore]  # as zoneinfo has found it

    return "the package tzdata", str(tzdata.IANA_VERSION)


def _zone_version(folder: Path) -> str:
    for name in ("tzdata.zi", "+VERSION"):  # Linux, macOS
        with suppress(OSError), open(folder / name, encoding="ascii", errors="replace") as file:
            found = re.search(r"\b(20\d\d[a-z]+)\b", file.readline())
            if found:
                return found[1]
    return ""


def start_files() -> Iterator[Finding]:
    """Files `.pth` with code, which every start of this Python executes."""
    folders = [Path(each) for each in (*site.getsitepackages(), site.getusersitepackages())]
    found = [
        file
        for folder in folders
        if folder.is_dir()
        for file in sorted(folder.glob("*.pth"))
        if _has_code(file)
    ]
    if found:
        names = ", ".join(file.name for file in found)
        text = f"each start of Python executes code of {names} (in {found[0].parent})"
        remedy = "uninstall what put them there, unless you need it: they slow down every process"
        yield warning("python", text, remedy)
    else:
        yield ok("python", f"Python {sys.version.partition(' ')[0]}, {sys.executable}")


def _has_code(file: Path) -> bool:
    try:
        lines = file.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(line.startswith(("import ", "import\t")) for line in lines)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.exists())
