"""The folder of one attempt at a task: the only place that its node writes to.

The run makes `spec.json` and `report`; the node makes the rest. Everything is on a file system that
both see. The formats are described in docs/reference/remote.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pipekit.worker._files import PRIVATE, open_own
from pipekit.worker._publish import Publication
from pipekit.worker._report import fingerprint

OUTPUT = "command"  # what the files with the command's output are named after
_LONGEST_FILE = 1024 * 1024 * 1024  # bytes of a JSON file of ours; standard input is in the spec


class AttemptFolder(NamedTuple):
    """The paths of an attempt's files."""

    path: Path

    @property
    def spec(self) -> Path:
        """What to run, written by the run; removed at the end, since it may hold secrets."""
        return self.path / "spec.json"

    @property
    def started(self) -> Path:
        """Made by the one node that begins, or by the run, which thereby forbids it to begin."""
        return self.path / "started"

    @property
    def pulse(self) -> Path:
        """Written again and again by the node while it supervises."""
        return self.path / "pulse"

    @property
    def report(self) -> Path:
        """What the task's processes report by `pipekit.worker`."""
        return self.path / "report"

    @property
    def outcome(self) -> Path:
        """How it ended: the only evidence that counts."""
        return self.path / "outcome.json"

    @property
    def files(self) -> Path:
        """The files that the task would publish, by their paths in the project."""
        return self.path / "files"


class KnownFile(NamedTuple):
    """A file of an attempt: its path below the attempt's folder, size in bytes, and SHA-256."""

    path: str
    size: int
    fingerprint: str


def known_files(folder: AttemptFolder) -> Iterator[KnownFile]:
    """What the attempt has left: its report, its output, and what is to be published."""
    names = [folder.report, *sorted(folder.path.glob(f"{OUTPUT}*.*"))]
    for top, folders, found in os.walk(folder.files):
        folders.sort()
        names += [Path(top, name) for name in sorted(found)]
    for file in names:
        if file.is_file() and not file.is_symlink():
            path = file.relative_to(folder.path).as_posix()
            yield KnownFile(path, file.stat().st_size, fingerprint(file))


def write_json(path: Path, content: object, mode: int = PRIVATE) -> bytes:
    """Write a JSON file that is there as a whole or not at all; returns its bytes. Raises OSError.

    Its temporary name is unlike that of any other attempt or process.
    """
    data = json.dumps(content, default=str).encode("utf-8", "backslashreplace")
    with Publication(path, reported=False, mode=mode) as file:
        file.write(data)
    return data


def read_json(path: Path) -> tuple[Any, bytes]:
    """The content of a JSON file, and its bytes. Raises OSError, ValueError."""
    with open(open_own(path, os.O_RDONLY), "rb") as file:
        data = file.read(_LONGEST_FILE + 1)
    if len(data) > _LONGEST_FILE:
        raise ValueError(f"it is larger than {_LONGEST_FILE} bytes")
    return json.loads(data), data


def begin(folder: AttemptFolder, who: str, mode: int = PRIVATE) -> bool:
    """Make the file `started`; False if it is there already. Raises OSError.

    Only one of all nodes, or the run, can do that: whatever an engine repeats begins once.
    """
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = open_own(folder.started, flags, mode)
    except FileExistsError:
        return False
    with open(descriptor, "wb", buffering=0) as file:
        file.write(f"{who}\n".encode())
        os.fsync(file.fileno())
    return True


def begun_by(folder: AttemptFolder) -> str | None:
    """Who made the file `started`; None if nobody has. Empty while its maker is about to say."""
    try:
        if folder.started.name not in os.listdir(folder.path):  # asks the server, unlike a stat
            return None
        return folder.started.read_text("utf-8", "replace").strip()
    except FileNotFoundError:
        return None
