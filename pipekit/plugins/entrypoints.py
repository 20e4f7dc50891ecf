"""Finds entry points of installed distributions without importing them.

Reads only `*.dist-info/entry_points.txt` (Python packaging: entry points specification). That takes
1.5 ms; `importlib.metadata` takes 32 ms, most of it for its own import.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

COMMANDS_GROUP = "pipekit.commands"
BUILTINS = "pipekit"  # the distribution whose plugins stay when plugins are switched off

# Other errors are raised: without descriptors, a plugin must not seem to be missing.
_NO_FILE = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


class EntryPoint(NamedTuple):
    """An entry point of an installed distribution."""

    group: str
    name: str
    value: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} (entry point {self.name} = {self.value})"

    def load(self) -> Any:
        """Import and return the object. Raises whatever the import raises."""
        module, _, attributes = self.value.replace(" ", "").partition(":")
        found: Any = importlib.import_module(module)
        for name in filter(None, attributes.split(".")):
            found = getattr(found, name)
        return found


def entry_points(group: str, path: Sequence[str] | None = None) -> list[EntryPoint]:
    """All entry points of a group in the folders of `path` (default: sys.path).

    Those of pipekit itself come first. If a distribution is on the path twice, the first is used.
    """
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for folder in sys.path if path is None else path:
        for name, version, file in _distributions(folder or "."):
            if name in seen:
                continue
            seen.add(name)
            found += [EntryPoint(group, *pair, name, version) for pair in _declared(file, group)]
    return sorted(found, key=lambda p: (p.distribution != BUILTINS, p.distribution, p.name))


def _distributions(folder: str) -> Iterator[tuple[str, str, str]]:
    """Name, version and entry-point file of each distribution in a folder. Raises OSError."""
    try:
        names = sorted(os.listdir(folder))
    except _NO_FILE:
        return
    for entry in names:
        if entry.endswith((".dist-info", ".egg-info")):
            name, _, version = entry.rpartition(".")[0].partition("-")
            normal = re.sub(r"[-_.]+", "-", name).lower()
            yield normal, version.split("-")[0], os.path.join(folder, entry, "entry_points.txt")


def _declared(file: str, group: str) -> Iterator[tuple[str, str]]:
    """Name and value of each entry point of a group; none without a readable file. Raises OSError.

    The format is that of an INI file: `[group]`, then `name = value`, `#` and `;` for comments.
    """
    try:
        text = Path(file).read_text("utf-8")
    except (*_NO_FILE, UnicodeDecodeError):
        return
    section = ""
    for line in map(str.strip, text.splitlines()):
        name, equals, value = line.partition("=")
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
        elif section == group and equals and not line.startswith(("#", ";")):
            yield name.strip(), value.strip()
