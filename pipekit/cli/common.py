"""What several commands need: options, the project, its ledger; prints nothing."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipekit.cli.running import Asked, root_of
from pipekit.errors import UsageError

if TYPE_CHECKING:
    from pipekit.config import Configuration
    from pipekit.model.run import Paths, PipelineState
    from pipekit.run.project import Project
    from pipekit.storage.runs import RunHistory

NO_RUN = "no run has been made here yet: `pipekit run` makes the first"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
set_option = click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Set a configuration value once."
)


def project_root(ctx: click.Context) -> Path:
    """The project's folder: `--project`, or upwards from here. Raises UsageError."""
    return root_of(ctx.obj["project"])


def asked(ctx: click.Context, sets: Sequence[str] = ()) -> Asked:
    """What the command line says of the project."""
    return Asked(ctx.obj["project"], ctx.obj["no_plugins"], sets)


def configuration(
    ctx: click.Context, sets: Sequence[str] = (), tables: Collection[str] | None = None
) -> Configuration:
    """The configuration of the project; `tables`: only these, whatever is wrong in the others."""
    from pipekit.config import load

    return load(project_root(ctx), environ=os.environ, flags=sets, tables=tables)


def folders(ctx: click.Context) -> Paths:
    """The project's folders: enough to look at what runs have left behind."""
    return configuration(ctx, tables=("paths",)).folders


def open_project(ctx: click.Context, sets: Sequence[str] = ()) -> Project:
    """The project with its plugins loaded."""
    from pipekit.run import project

    return project.open_project(configuration(ctx, sets), no_plugins=ctx.obj["no_plugins"])


def open_history(paths: Paths) -> RunHistory | None:
    """The ledger's runs for reading, or None where no run has been yet."""
    from pipekit.storage.runs import RunHistory

    path = paths.state / "state.db"
    return RunHistory(path, read_only=True) if path.exists() else None


def find_run(history: RunHistory | None, run: str | None) -> PipelineState:
    """The run with this id, start of an id or number; the latest one by default.

    Whatever is typed is looked up in the ledger and never used as a path. Raises UsageError.
    """
    if history is None:
        raise UsageError(NO_RUN)
    if run is None:
        latest = history.runs(limit=1)
        if not latest:
            raise UsageError(NO_RUN)
        return latest[0]
    state = history.run(run)
    if state is None:
        raise UsageError(
            f"{run!r} is no run, or the beginning of several ids: "
            "`pipekit history --all` lists the runs with their numbers and ids"
        )
    return state
