"""The folder of merged results: which months it has, how one is read and published.

Knows nothing of run files. Publishing is atomic: a month's file is either the old one or the new.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from typing import Any

from pipekit_merger.scope import Group

FOLDER_SYNC = os.name != "nt"  # Windows cannot open a folder, and keeps renames by itself


def present(folder: str) -> Iterator[Group]:
    """The groups that have a file below the folder of merged results."""
    for stream in _names(folder):
        for year in _names(f"{folder}/{stream}"):
            for name in _names(f"{folder}/{stream}/{year}"):
                group = Group.of_path(f"{stream}/{year}/{name}")
                if group is not None:
                    yield group


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def publish(path: str, data: Any) -> None:
    """Put the bytes under their name, on the disk, in one step. Raises OSError.

    The temporary name is always the same one, so that what a killed run left is written over.
    `sync_folders` completes what this begins.
    """
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    temporary = f"{folder}/.{name}.tmp"
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def sync_folders(paths: Iterable[str], root: str, disk: Executor | None = None) -> None:
    """Make the renames in the folders of these files last: up to `root`, each folder once."""
    folders: set[str] = set()
    for path in paths:
        folder = os.path.dirname(path)
        while folder not in folders and len(folder) >= len(root):
            folders.add(folder)
            folder = os.path.dirname(folder)
    if FOLDER_SYNC:
        deque((disk.map if disk else map)(_sync, sorted(folders, reverse=True)), maxlen=0)


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_aside(path: str) -> str:
    """Keep a file that cannot be read, beside its place, under a name that nothing looks for."""
    aside = f"{path}.unreadable"
    number = 1
    while os.path.exists(aside):
        number += 1
        aside = f"{path}.unreadable-{number}"
    os.rename(path, aside)
    return aside
