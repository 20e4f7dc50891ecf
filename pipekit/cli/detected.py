"""The sources of a new project, as the plugin command `pipekit sources detect` proposes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from pipekit.config.describe import toml
from pipekit.errors import PipekitError, UsageError
from pipekit.plugins.entrypoints import COMMANDS_GROUP, entry_points
from pipekit.plugins.environment import current

_MOST = 2_000  # files that are looked at
_FROM, _TO = "# Kinds of raw files.", "# ---- analyzer"  # of the template, what is replaced
_INSTRUMENTS = '#instruments = ["ES", "NQ", "CL", "GC"]'


class Detected(NamedTuple):
    """The text of a pipekit.toml for some files.

    `sources`: how many are in it. `open`: what each source needs that is commented out; `zones`:
    whether that is the zone of time stamps for one. `unread`: why there is no source for a file.
    """

    text: str
    sources: int
    open: tuple[str, ...]
    unread: tuple[str, ...]
    zones: bool


def files_of(project: Path, data: Path) -> list[str]:
    """The files in a folder of the project, relative to it. Raises UsageError."""
    root = data if data.is_absolute() else project / data
    if not root.is_dir():
        hint = (
            f"move {data} to {root} first" if data.is_dir() else "--data names one with raw files"
        )
        raise UsageError(f"there is no folder {root}: {hint}")
    if not root.resolve().is_relative_to(project.resolve()):
        raise UsageError(
            f"{root} is outside of the project {project}: make the project around it, or copy the "
            f"files to {project / 'data/raw'} first"
        )
    found = [
        Path(folder, name).resolve().relative_to(project.resolve()).as_posix()
        for folder, _, names in os.walk(root)
        for name in names
        if not name.startswith(".")
    ]
    if not found:
        raise UsageError(f"there are no files in {root}: put raw files into it first")
    return sorted(found)[:_MOST]


def detected(project: Path, data: Path, template: str, timezone: str) -> Detected:
    """A configuration for the files in a folder of the project. Raises PipekitError.

    `timezone`: of time stamps that do not say it; empty if it is not known.
    """
    files = files_of(project, data)
    answer = _ask(project, files)
    raw = (project / data).resolve().relative_to(project.resolve()).as_posix()
    parts, missing, zones = list[str](), list[str](), False
    for each in answer["proposals"]:
        needs = {k: v for k, v in each["unknown"].items() if k != "timezone" or not timezone}
        text = each["toml"]
        if "timezone" in each["unknown"] and timezone:
            text = _with_zone(text, timezone)
        zones |= "timezone" in needs
        if needs:
            text = "".join(f"#{line}\n".replace("##", "#") for line in text.splitlines())
            missing.append(f"{each['files'][0]}: {'; '.join(needs.values())}")
        parts.append(text)
    names = dict.fromkeys(name for each in answer["proposals"] for name in each["instruments"])
    before, _, rest = template.partition(_FROM)
    after = rest.partition(_TO)[2]
    before = before.replace('raw = "data/raw"', f"raw = {toml(raw)}")
    if names:
        before = before.replace(_INSTRUMENTS, f"instruments = {toml(list(names))}")
    unread = tuple(f"{each['file']}: {each['reason']}" for each in answer["unread"])
    text = before + "\n".join(parts) + f"\n{_TO}{after}"
    return Detected(text, len(parts) - len(missing), tuple(missing), unread, zones)


def _with_zone(text: str, timezone: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith("# timezone = ")]
    return "\n".join([*lines, f"timezone = {toml(timezone)}", ""])


def _ask(project: Path, files: Iterable[str]) -> dict[str, Any]:
    """What `pipekit sources detect` says of these files."""
    if not any(point.name == "sources" for point in entry_points(COMMANDS_GROUP)):
        install = current().install("WHEEL")
        raise UsageError(
            f"--data needs pipekit-translator, which reads raw files; install its wheel: {install}"
        )
    words = [sys.executable, "-m", "pipekit", "sources", "detect", "--json", *files]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise PipekitError(f"`pipekit sources detect` failed: {done.stderr.strip()}") from error
    return answer
