"""Keeps rows that were not published, and where they came from.

In `data/quarantine/{run}/`, a numbered file for each source holds the lines as they were, and
`manifest.jsonl` one JSON object a row: file, source, line, reason, text. A processed file that was
damaged or changed is there under its own name, with line 0 in the manifest.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable

from pipekit.worker import staged
from pipekit_translator.work.parse.lines import BadRow

MANIFEST = "manifest.jsonl"


class Quarantine:
    """The folder of one run, created with the first row."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._count = 0
        self._taken: set[str] = set()  # names of files, which a node does not see in the folder

    def add(self, source: str, rows: list[BadRow]) -> str | None:
        """Write the rows of a source, synced; return the file's path. Raises OSError."""
        if not rows:
            return None
        name = self._next_name()
        path = f"{self._folder}/{name}"
        there = staged(path)
        os.makedirs(os.path.dirname(there), exist_ok=True)
        with open(there, "wb") as file:
            file.write(b"".join(row.text + b"\n" for row in rows))
            file.flush()
            os.fsync(file.fileno())
        self._note(_entry(name, source, row) for row in rows)
        return path

    def take(self, path: str, reason: str, *, copy: bool = False) -> str:
        """Move a file or folder here, or copy it; return its new path. Raises OSError.

        A node of a cluster leaves it in its place, and copies it.
        """
        name, number = os.path.basename(path), 1
        while name in self._taken or os.path.lexists(os.path.join(self._folder, name)):
            number += 1
            name = f"{os.path.basename(path)}-{number}"
        self._taken.add(name)
        target = f"{self._folder}/{name}"
        there = staged(target)
        os.makedirs(os.path.dirname(there), exist_ok=True)
        if copy or there != target:
            shutil.copy2(path, there, follow_symlinks=copy)
        else:
            shutil.move(path, there)  # the folder may be on another file system
        self._note([_entry(name, path, BadRow(0, reason, b""))])
        return target

    def _note(self, entries: Iterable[bytes]) -> None:
        """Append to the manifest, synced."""
        with open(self._manifest(), "ab") as file:
            file.writelines(entries)
            file.flush()
            os.fsync(file.fileno())

    def _manifest(self) -> str:
        """Where to append to the manifest; with what it has, if that is another place."""
        path = os.path.join(self._folder, MANIFEST)
        there = staged(path)
        if there != path and os.path.exists(path) and not os.path.exists(there):
            shutil.copyfile(path, there)
        return there

    def _next_name(self) -> str:
        while True:
            self._count += 1
            name = f"{self._count:04}.txt"
            if not os.path.exists(os.path.join(self._folder, name)):
                return name


def _entry(name: str, source: str, row: BadRow) -> bytes:
    text = row.text.decode("utf-8", "replace")
    record = {"file": name, "source": source, "line": row.line, "reason": row.reason, "text": text}
    return json.dumps(record).encode() + b"\n"


def lines_of(lines: Iterable[bytes], numbers: Iterable[int], reason: str) -> list[BadRow]:
    """Some of the lines of a file, by number (from 1), as rows to quarantine."""
    wanted = set(numbers)
    return [
        BadRow(number, reason, line.rstrip(b"\r"))
        for number, line in enumerate(lines, 1)
        if number in wanted
    ]
