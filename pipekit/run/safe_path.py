"""Keeps Python programs of stages from importing modules that lie in the project's folder."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder, all_suffixes
from pathlib import Path


def python_path(root: Path) -> dict[str, str]:
    """The variable PYTHONPATH for programs in the project's folder; empty if it may stay as it is.

    Python takes an empty or relative folder in it from the working directory. `Command.python`
    keeps that directory itself out of the way, by `python -P`.
    """
    given = os.environ.get("PYTHONPATH", "")
    entries = given.split(os.pathsep)
    if not given or all(map(os.path.isabs, entries)):
        return {}
    near = {os.getcwd(), os.fspath(root)}
    kept = [os.path.abspath(entry) for entry in entries if entry]
    kept = [path for path in kept if path in entries or path not in near]
    return {"PYTHONPATH": os.pathsep.join(kept)}


def shadowing(root: Path) -> list[str]:
    """A sentence for each module in the project's folder that has the name of an installed one."""
    try:
        with os.scandir(root) as entries:
            found = {entry.name: _module(entry) for entry in entries}
    except OSError:
        return []
    return [
        f"{file} in the project's folder has the name of an installed module: programs that "
        f"`Command.python` starts import the installed {name}; rename the file, or move it to "
        "another folder"
        for file, name in sorted(found.items())
        if name and _is_installed(name, root)
    ]


def _module(entry: os.DirEntry[str]) -> str:
    """The name under which Python would import it; empty if it would not."""
    name = entry.name
    if name.isidentifier():
        return name if os.path.isfile(os.path.join(entry.path, "__init__.py")) else ""
    stem, dot, _ = name.partition(".")
    return stem if dot and name[len(stem) :] in all_suffixes() and stem.isidentifier() else ""


def _is_installed(name: str, root: Path) -> bool:
    if name in sys.stdlib_module_names:
        return True
    near = {"", os.fspath(root), os.path.realpath(root)}
    return PathFinder.find_spec(name, [path for path in sys.path if path not in near]) is not None
