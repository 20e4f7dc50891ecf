"""A path that somebody has typed, as the ledger has it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pipekit.errors import UsageError
from pipekit.model.run import Paths
from pipekit.storage.files import is_below
from pipekit.storage.ledger import Ledger


def typed_path(text: str, paths: Paths, ledger: Ledger) -> str:
    """The path as the ledger has it, with `/`: relative to the root, or below an input folder.

    What was typed is relative to the working directory, or else to the root. Raises UsageError.
    """
    root = paths.root
    if any("\ud800" <= letter <= "\udfff" for letter in text):  # what the system could not decode
        raise UsageError(f"{text!r} is not UTF-8, so no stage can read it: rename the file")
    names = list(dict.fromkeys([*_below(root, text), *_outside(paths, text)]))
    if not names:
        raise UsageError(f"{text} is not in the project's folder, {root}")
    name = next((name for name in names if _is_known(name, root, ledger)), names[0])
    if (root / name).is_dir():
        raise UsageError(f"{name} is a folder: name a file")
    return name


def _below(root: Path, text: str) -> Iterator[str]:
    for base in _bases(root):
        full = Path(os.path.abspath(base / text))
        linked = full.parent.resolve() / full.name  # a folder above may be a link
        for path in (full, linked) if os.name == "posix" else (full.resolve(),):  # as it is spelled
            if path != root and path.is_relative_to(root):
                yield path.relative_to(root).as_posix()


def _bases(root: Path) -> list[Path]:
    """The working directory, unless it was deleted, and the root."""
    try:
        return [Path.cwd(), root]
    except FileNotFoundError:
        return [root]


def _outside(paths: Paths, text: str) -> Iterator[str]:
    """The path in one of the folders outside of the project that stages read."""
    try:
        full = os.path.abspath(text).replace(os.sep, "/")
    except FileNotFoundError:  # the working directory was deleted
        return
    if any(is_below(full, folder) for folder in paths.inputs):
        yield full


def _is_known(name: str, root: Path, ledger: Ledger) -> bool:
    stages = ledger.stages()
    return (
        os.path.lexists(root / name)
        or any(ledger.consumption(stage, name) for stage in stages)
        or any(ledger.publications(stage, [name]) for stage in stages)
    )
