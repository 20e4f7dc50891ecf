"""What several commands share: the project, its configuration, its ledger."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipekit import config
from pipekit.cli.output import mask_output
from pipekit.errors import EXIT_ERROR, ConfigError, PipekitError, UsageError
from pipekit.model.run import Paths
from pipekit.read.runs import default_folders, open_history

if TYPE_CHECKING:
    from pipekit.run.project import Project


def project_root(ctx: click.Context) -> Path:
    """The root of the project in the folder of `-C`, or in or above the working directory.

    Raises PipekitError (exit code 64) if there is none.
    """
    project: Path | None = ctx.ensure_object(dict).get("project")  # none where a test calls
    try:
        start = (project or Path.cwd()).resolve()
    except FileNotFoundError as error:
        raise UsageError("the working directory was deleted: change to another one") from error
    if not start.is_dir():
        raise UsageError(f"there is no folder {start}; `pipekit init FOLDER` creates one")
    root = config.find_project(start)
    if root is not None and (root == start or not project):
        return root
    if root is not None:
        raise UsageError(f"no pipekit.toml in {start}, but there is one in {root}: use that folder")
    raise UsageError(
        f"no pipekit.toml in {start}{'' if project else ' or above'}; "
        "`pipekit init` writes one, `pipekit demo` creates a whole project to look at"
    )


def configuration(
    ctx: click.Context, sets: Sequence[str] = (), tables: Collection[str] | None = None
) -> config.Configuration:
    """The configuration of the project.

    `sets`: the words of `--set`. `tables`: read only these, even if others contain mistakes. The
    variables of the file of `[secrets]` are in the environment from now on.
    """
    found = config.load(project_root(ctx), environ=os.environ, flags=sets, tables=tables)
    found.export_variables()
    mask_output(tuple(found.variables.values()))
    return found


def folders(ctx: click.Context) -> Paths:
    """The project's folders: enough to read the files of earlier runs.

    If the configuration cannot be read, the default ones, unless there were no runs in them.
    """
    from pipekit.storage.database import ledger_exists  # loads sqlite3: few commands do

    paths, problem = known_folders(ctx)
    if problem is not None and not ledger_exists(paths.ledger):
        raise problem
    return paths


def known_folders(ctx: click.Context) -> tuple[Paths, ConfigError | None]:
    """The project's folders; the default ones, and the reason, if the configuration is broken."""
    root = project_root(ctx)
    try:
        return configuration(ctx, tables=("paths",)).folders, None
    except ConfigError as error:
        return default_folders(root), error


def note_refusal(ctx: click.Context, error: Exception) -> None:
    """Note that a run was refused before it began, for `status` and `history`."""
    if getattr(error, "exit_code", EXIT_ERROR) != EXIT_ERROR:
        return  # wrong usage, or another run is going on
    from pipekit.storage.refusals import Refusals  # few runs are refused

    with contextlib.suppress(PipekitError):  # there is no project
        paths, problem = known_folders(ctx)
        known = isinstance(error, PipekitError | OSError)
        text = str(error) if known else f"internal error: {type(error).__name__}: {error}"
        after = _latest_number(paths, 0 if problem is None else None)
        Refusals(paths.state, paths.file_mode).add(text, EXIT_ERROR, time.time(), after)


def _latest_number(paths: Paths, default: int | None) -> int | None:
    """The number of the latest run; None if it cannot be read, `default` without a ledger."""
    try:
        ledger = open_history(paths)
        if ledger is None:
            return default
        with ledger:
            return next((run.number for run in ledger.runs(limit=1)), 0)
    except (PipekitError, OSError):
        return None


def open_project(ctx: click.Context, sets: Sequence[str] = ()) -> Project:
    """The project with its plugins loaded."""
    from pipekit.run import project  # loads plugins: few commands do

    opened = project.open_project(configuration(ctx, sets), no_plugins=ctx.obj["no_plugins"])
    mask_output(opened.secrets)
    return opened
