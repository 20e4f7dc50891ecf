"""The type of a stream's volume: whole numbers or fractions, and one for the whole stream."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pipekit_translator import layout
from pipekit_translator.dialects import VolumeType
from pipekit_translator.work.publish.parquet import volume_type
from pipekit_translator.work.publish.unusable import UnusableError

_NAMES: dict[VolumeType, str] = {"int": "whole numbers", "float": "fractions"}


def volume_of(processed: str, key: str, paths: Mapping[VolumeType, str]) -> VolumeType:
    """The type of the volume of new rows; `paths`: for each type, a file that they come from.

    Raises UnusableError if files differ, or if another type is published.
    """
    if len(paths) > 1:
        raise UnusableError(
            f"volume of {key} is {_NAMES['int']} in {paths['int']}, but {_NAMES['float']} in "
            f"{paths['float']}; one stream has one type: set the same volume_type for their sources"
        )
    found: VolumeType = next(iter(paths), "int")
    instrument, series = layout.of_key(key)
    published = _latest(f"{processed}/{instrument}/{series.name}") if paths else ""
    if published and (known := volume_type(published, series)):
        check_volume(published, key, known, found)
    return found


def check_volume(path: str, key: str, published: VolumeType, new: VolumeType) -> None:
    """Raises UnusableError if a published file of the stream has another type."""
    if published == new:
        return
    instrument, series = layout.of_key(key)
    folder = path[: path.index(f"/{instrument}/{series.name}/")]
    raise UnusableError(
        f"volume of {key} is published as {_NAMES[published]} ({path}), and would be "
        f"{_NAMES[new]} now; one stream has one type. Set volume_type = {published!r} for its "
        f"sources, or move {folder}/{instrument}/{series.name} away and run `pipekit run --rebuild`"
    )


def _latest(folder: str) -> str:
    """The last file below a folder by name; empty if there is none."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name, reverse=True)
    except OSError:
        return ""
    for entry in entries:
        if entry.is_dir():
            if found := _latest(f"{folder}/{entry.name}"):
                return found
        elif layout.covered(entry.name):
            return f"{folder}/{entry.name}"
    return ""
