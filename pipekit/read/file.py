"""What `pipekit file` has found of a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pipekit.errors import StorageError
from pipekit.model.file import FileStat
from pipekit.model.run import Paths
from pipekit.run.decision import Decision
from pipekit.run.lifecycle.permission import Permission
from pipekit.run.trace import StageTrace, Trace, trace
from pipekit.storage.failing import sentences
from pipekit.storage.ledger import Ledger
from pipekit.storage.trash.manifest import Manifests
from pipekit.worker._files import open_own

_LOOKED_AT = 200  # runs in whose quarantine and trash is looked


class Run(NamedTuple):
    """A run that did something with the file; `started`: Unix time."""

    run_id: str
    started: float


class SetAside(NamedTuple):
    """Rows that a stage set aside from the file, according to the ledger.

    `place`: the file with the first of them, empty if that is not known any more.
    """

    rows: int
    place: str = ""
    line: int = 0
    reason: str = ""


class Removed(NamedTuple):
    """A file that the lifecycle has removed; `run`: which did, `target`: where it was archived."""

    run: int
    target: str


class Answer(NamedTuple):
    """`permission`: None if there is no file, or the project cannot be opened.

    `notes`: by stage, that the file became shorter, or that the stage leaves it for a later run.
    `removed`: if there is no file, since the lifecycle has removed it and can restore it.
    """

    trace: Trace
    runs: Mapping[int, Run]
    permission: Permission | None
    set_aside: Mapping[str, SetAside]
    notes: Mapping[str, list[str]]
    removed: Removed | None = None


def answer(
    path: str,
    stat: FileStat | None,
    ledger: Ledger,
    paths: Paths,
    decisions: Mapping[str, Decision],
    permission: Permission | None,
) -> Answer:
    """Everything that there is to say of a file."""
    found = trace(path, stat, ledger, decisions)
    numbers = {each.last.run_number for each in found.stages if each.last}
    numbers |= {each.run_number for each in found.published.values()}
    states = {number: ledger.run(str(number)) for number in numbers}
    runs = {
        number: Run(run.run_id, run.started)
        for number, run in states.items()
        if run is not None  # one that was no success is false
    }
    rows = {each.stage: _set_aside(each, runs, paths) for each in found.stages}
    set_aside = {stage: each for stage, each in rows.items() if each}
    return Answer(
        found,
        runs,
        permission,
        set_aside,
        _notes(path, stat, ledger),
        _removed(path, paths) if not stat else None,
    )


def _notes(path: str, stat: FileStat | None, ledger: Ledger) -> dict[str, list[str]]:
    """What each stage has against the file, though it has not rejected it."""
    notes: dict[str, list[str]] = {}
    if stat is None:
        return notes
    for each in ledger.shrunk():
        if each.path == path:
            notes.setdefault(each.stage, []).append(str(each))
    latest = ledger.last_run()
    for stage in ledger.stages():
        failing = [e for e in ledger.failing(stage).values() if e.path == path and e.due > latest]
        if failing:
            notes.setdefault(stage, []).extend(sentences(failing, latest))
    return notes


def _removed(path: str, paths: Paths) -> Removed | None:
    """Which run has removed a file, according to the manifests of the trash, the newest first."""
    manifests = Manifests(paths.root, paths.file_mode)
    for run_id, work in sorted(manifests.find().items(), reverse=True)[:_LOOKED_AT]:
        with suppress(StorageError):
            manifest = manifests.read(run_id, work)
            found = next((each for each in manifest.files if each.path == path), None)
            if found is not None:
                return Removed(manifest.run, found.target)
    return None


def _set_aside(found: StageTrace, runs: Mapping[int, Run], paths: Paths) -> SetAside | None:
    """The rows that a stage set aside, and where the first of them is."""
    rows = found.last.detail.get("quarantined") if found.last else None
    if found.last is None or not isinstance(rows, int) or rows < 1:
        return None
    run = runs.get(found.last.run_number)
    folder, row = _latest_row(paths, run.run_id if run else "", found.last.path)
    if folder is None:
        return SetAside(rows)
    place = folder / str(row.get("file", ""))
    shown = place.relative_to(paths.root) if place.is_relative_to(paths.root) else place
    line = row.get("line")
    number = line if isinstance(line, int) else 0
    return SetAside(rows, shown.as_posix(), number, str(row.get("reason", "")))


def _latest_row(paths: Paths, run_id: str, source: str) -> tuple[Path | None, dict[str, Any]]:
    """The first row of this source in the quarantine of this run, or of the latest before."""
    names = (each.name for each in paths.quarantine.glob("*") if each.name <= run_id)
    for name in sorted(names, reverse=True)[:_LOOKED_AT]:  # ids of runs sort by time
        row = _first_row(paths.quarantine / name / "manifest.jsonl", source)
        if row:
            return paths.quarantine / name, row
    return None, {}


def _first_row(manifest: Path, source: str) -> dict[str, Any]:
    with suppress(OSError), open(open_own(manifest, os.O_RDONLY), "rb") as lines:
        for line in lines:
            with suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict) and row.get("source") == source:
                    return row
    return {}
