"""The command `pipekit file PATH`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click

from pipekit.cli.common import json_option, known_folders, open_project
from pipekit.cli.file.answer import answer
from pipekit.cli.file.record import record
from pipekit.cli.file.text import print_answer
from pipekit.cli.help import Command
from pipekit.cli.output import print_json
from pipekit.errors import PipekitError, UsageError
from pipekit.model.run import Paths
from pipekit.run.lifecycle.permission import may_go
from pipekit.run.trace import decisions_of, open_ledger
from pipekit.storage.files import FileManager, is_below
from pipekit.storage.ledger import Ledger


@click.command(
    "file",
    cls=Command,
    arguments={"PATH": "A file of the project, which need not be there any more."},
    example=("pipekit file data/raw/ES_2024-01-21.csv", "was it read, and what came of it?"),
)
@click.argument("path")
@click.option("-v", "--verbose", is_flag=True, help="Print the names of all files.")
@json_option
@click.pass_context
def command(ctx: click.Context, path: str, verbose: bool, as_json: bool) -> int:
    """Show what became of a file, and what came of it.

    For each stage: pending, and why; waiting; consumed or rejected, when and in which run. Then the
    files that came of it, and those that it came from, two steps each way. At last whether it may
    go, according to the lifecycle. Nothing is run and nothing is written.
    """
    paths, _ = known_folders(ctx)
    problem: PipekitError | None = None
    with open_ledger(paths) as ledger:
        name = _name(path, paths, ledger)
        stat = FileManager(paths.root).stat(name)
        try:
            project = open_project(ctx)
            decisions, alone = decisions_of(project)
        except PipekitError as error:  # what the ledger knows is worth saying
            problem = error
            found = answer(name, stat, ledger, paths, {}, None)
        else:
            permission = may_go(project, ledger, decisions, name) if stat else None
            found = answer(name, stat, ledger, paths, alone, permission)
    if as_json:
        print_json(record(found))
    else:
        print_answer(found, paths.root, verbose=verbose)
    if problem is not None:
        raise problem
    return 0


def _name(text: str, paths: Paths, ledger: Ledger) -> str:
    """The path as the ledger has it, with `/`: relative to the root, or below an input folder.

    What was typed is relative to the working directory, or else to the root. Raises UsageError.
    """
    root = paths.root
    names = list(dict.fromkeys([*_below(root, text), *_outside(paths, text)]))
    if not names:
        raise UsageError(f"{text} is not in the project's folder, {root}")
    name = next((name for name in names if _is_known(name, root, ledger)), names[0])
    if (root / name).is_dir():
        raise UsageError(f"{name} is a folder: name a file")
    return name


def _below(root: Path, text: str) -> Iterator[str]:
    for base in (Path.cwd(), root):
        full = Path(os.path.abspath(base / text))
        linked = full.parent.resolve() / full.name  # a folder above may be a link
        for path in (full, linked) if os.name == "posix" else (full.resolve(),):  # as it is spelled
            if path != root and path.is_relative_to(root):
                yield path.relative_to(root).as_posix()


def _outside(paths: Paths, text: str) -> Iterator[str]:
    """The path in one of the folders outside of the project that stages read."""
    full = os.path.abspath(text).replace(os.sep, "/")
    if any(is_below(full, folder) for folder in paths.inputs):
        yield full


def _is_known(name: str, root: Path, ledger: Ledger) -> bool:
    stages = ledger.stages()
    return (
        os.path.lexists(root / name)
        or any(ledger.consumption(stage, name) for stage in stages)
        or any(ledger.publications(stage, [name]) for stage in stages)
    )
