"""What several commands share: options, the project, its ledger."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipekit import config
from pipekit.cli.output import mask_output
from pipekit.errors import UsageError

if TYPE_CHECKING:
    from pipekit.model.run import Paths, PipelineState
    from pipekit.run.project import Project
    from pipekit.storage.lock import Holder
    from pipekit.storage.runs import RunHistory

NO_RUN = "no runs yet; start one with `pipekit run`"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
set_option = click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a configuration value; repeatable.",
)


def project_root(ctx: click.Context) -> Path:
    """The root of the project in the folder of `-C`, or in or above the working directory.

    Raises PipekitError (exit code 64) if there is none.
    """
    project: Path | None = ctx.ensure_object(dict).get("project")  # none where a test calls
    start = (project or Path.cwd()).resolve()
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

    `sets`: the words of `--set`. `tables`: read only these, even if others contain mistakes.
    """
    return config.load(project_root(ctx), environ=os.environ, flags=sets, tables=tables)


def folders(ctx: click.Context) -> Paths:
    """The project's folders: enough to read the files of earlier runs."""
    return configuration(ctx, tables=("paths",)).folders


def open_project(ctx: click.Context, sets: Sequence[str] = ()) -> Project:
    """The project with its plugins loaded."""
    from pipekit.run import project

    opened = project.open_project(configuration(ctx, sets), no_plugins=ctx.obj["no_plugins"])
    mask_output(opened.secrets)
    return opened


def open_history(paths: Paths) -> RunHistory | None:
    """The ledger's runs for reading, or None before the first run."""
    from pipekit.storage.runs import RunHistory, ledger_exists

    path = paths.state / "state.db"
    return RunHistory(path, read_only=True) if ledger_exists(path) else None


def find_run(paths: Paths, run: str | None) -> PipelineState:
    """The run with this id, start of an id or number; the latest one by default.

    The argument is looked up in the ledger and never used as a path. Raises UsageError.
    """
    history = open_history(paths)
    latest = history.runs(limit=1) if history is not None else []
    if history is None or not latest:
        raise UsageError(NO_RUN)
    state = latest[0] if run is None else history.run(run)
    if state is None:
        raise UsageError(
            f"there is no run {run!r}, or several ids begin like this; the latest is run "
            f"{latest[0].number}, and `pipekit history --all` lists them all"
        )
    return state


def lock_holder(paths: Paths) -> Holder | None:
    """The process that holds the project's run lock now."""
    from pipekit.storage.lock import RunLock

    lock = RunLock(paths.state, "")
    return lock.holder() if lock.held() else None


def run_record(run: PipelineState) -> dict[str, object]:
    """A run as `--json` has it."""
    return {
        "run": run.number,
        "run_id": run.run_id,
        "started": run.started,
        "ended": run.ended,
        "status": run.status,
        "exit_code": run.exit_code,
    }
