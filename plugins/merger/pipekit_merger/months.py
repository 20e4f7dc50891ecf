"""The folder of merged results: which months it has, how one is read and published.

Knows nothing of run files. Publishing is atomic: a month's file is either the old one or the new.
"""

from __future__ import annotations

import os
import sys
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
    """Put the bytes under their name, on the disk, in one step. Raises OSError."""
    for error in publish_all([(path, data)]).values():
        raise error


def publish_all(files: Iterable[tuple[str, Any]]) -> dict[str, OSError]:
    """The same for several, which the disk writes together; returns the errors by path.

    The temporary name is always the same one, so that what a killed run left is written over.
    `sync_folders` completes what this begins.
    """
    begun: dict[str, Any] = {}
    failed: dict[str, OSError] = {}
    for path, data in files:
        try:
            begun[path] = _begun(path, data)
        except OSError as error:
            failed[path] = error
    for path, file in begun.items():
        try:
            with file:
                os.fsync(file.fileno())
            os.replace(file.name, path)
        except OSError as error:
            failed[path] = error
    return failed


def _begun(path: str, data: Any) -> Any:
    """An open file beside the path with these bytes, which the disk has begun to write."""
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    file = open(f"{folder}/.{name}.tmp", "wb", buffering=0)  # noqa: SIM115  # closed when synced
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
        if sys.platform == "linux":  # or each sync would wait for the places of its own bytes
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    except BaseException:
        file.close()
        raise
    return file


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
