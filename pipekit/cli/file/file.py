"""The command `pipekit file PATH`."""

from __future__ import annotations

import click

from pipekit.cli import complete
from pipekit.cli.common import known_folders, open_project
from pipekit.cli.file.record import record
from pipekit.cli.file.text import print_answer
from pipekit.cli.help import Command
from pipekit.cli.options import json_option
from pipekit.cli.output import print_json
from pipekit.errors import PipekitError
from pipekit.read.file import answer
from pipekit.run.lifecycle.permission import may_go
from pipekit.run.trace import decisions_of
from pipekit.run.typed_path import typed_path
from pipekit.storage.files import FileManager
from pipekit.storage.ledger import open_to_read


@click.command(
    "file",
    cls=Command,
    arguments={"PATH": "A file of the project, which need not be there any more."},
    example=("pipekit file data/raw/ES_2024-01-21.csv", "was it read, and what was made from it?"),
)
@click.argument("path", shell_complete=complete.files)
@click.option("-v", "--verbose", is_flag=True, help="Print the names of all files.")
@json_option
@click.pass_context
def command(ctx: click.Context, path: str, verbose: bool, as_json: bool) -> int:
    """Show what happened to a file, and what was made from it.

    For each stage: pending, and why; waiting; consumed or rejected, when and in which run. Then the
    files made from it, and those that it was made from, two steps each way. Last, whether the
    lifecycle may remove it. Nothing is run and nothing is written.
    """
    paths, _ = known_folders(ctx)
    problem: PipekitError | None = None
    with open_to_read(paths.ledger) as ledger:
        name = typed_path(path, paths, ledger)
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
        print_json({**record(found), "problem": str(problem) if problem else None})
    else:
        print_answer(found, paths.root, verbose=verbose, planned=problem is None)
    if problem is not None:
        raise problem
    return 0
