"""What several commands share: options, the project, its ledger."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipekit import config
from pipekit.cli import complete
from pipekit.cli.output import REFUSED, mask_output, only_json_on_stdout
from pipekit.errors import EXIT_ERROR, ConfigError, PipekitError, UsageError
from pipekit.model.run import Paths

if TYPE_CHECKING:
    from pipekit.model.run import PipelineState
    from pipekit.run.project import Project
    from pipekit.storage.hold import Hold
    from pipekit.storage.holder import Holder
    from pipekit.storage.refusals import Refusal
    from pipekit.storage.troubles import Troubles


def _keep_stdout(ctx: click.Context, _option: click.Parameter, as_json: bool) -> bool:
    if as_json:
        ctx.with_resource(only_json_on_stdout(ctx))
    return as_json


json_option = click.option(
    "--json", "as_json", is_flag=True, callback=_keep_stdout, help="Print JSON on stdout."
)
set_option = click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=complete.assignments,
    help="Override a configuration value; repeatable.",
)


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
    for name, value in found.variables.items():
        os.environ.setdefault(name, value)
    mask_output(tuple(found.variables.values()))
    return found


def folders(ctx: click.Context) -> Paths:
    """The project's folders: enough to read the files of earlier runs.

    If the configuration cannot be read, the default ones, unless there were no runs in them.
    """
    from pipekit.storage.database import ledger_exists

    paths, problem = known_folders(ctx)
    if problem is not None and not ledger_exists(_ledger(paths)):
        raise problem
    return paths


def known_folders(ctx: click.Context) -> tuple[Paths, ConfigError | None]:
    """The project's folders; the default ones, and the reason, if the configuration is broken."""
    root = project_root(ctx)
    try:
        return configuration(ctx, tables=("paths",)).folders, None
    except ConfigError as error:
        return _default_folders(root), error


def _default_folders(root: Path) -> Paths:
    usual = config.PathsConfig()
    return Paths(root, root / usual.data, root / usual.logs, root / usual.state)


def note_refusal(ctx: click.Context, error: Exception) -> None:
    """Note that a run was refused before it began, for `status` and `history`."""
    if getattr(error, "exit_code", EXIT_ERROR) != EXIT_ERROR:
        return  # wrong usage, or another run is going on
    from pipekit.storage.refusals import Refusals

    with contextlib.suppress(PipekitError):  # there is no project
        paths, _ = known_folders(ctx)
        known = isinstance(error, PipekitError | OSError)
        text = str(error) if known else f"internal error: {type(error).__name__}: {error}"
        Refusals(paths.state, paths.file_mode).add(text, EXIT_ERROR, time.time())


def refusals(paths: Paths) -> list[Refusal]:
    """The runs that were refused, oldest first; some while the configuration could not be read."""
    from pipekit.storage.refusals import Refusals

    states = {paths.state, _default_folders(paths.root).state}
    found = [refusal for state in states for refusal in Refusals(state).read()]
    return sorted(found, key=lambda refusal: refusal.last)


def refusal_record(refusal: Refusal) -> dict[str, object]:
    """A refused run as `--json` has it: the keys of a run, and why it was refused, how often."""
    return {
        "run": None,
        "run_id": None,
        "started": refusal.last,
        "ended": refusal.last,
        "status": REFUSED,
        "exit_code": refusal.exit_code,
        "error": refusal.error,
        "count": refusal.times,
        "first": refusal.first,
    }


def open_project(ctx: click.Context, sets: Sequence[str] = ()) -> Project:
    """The project with its plugins loaded."""
    from pipekit.run import project

    opened = project.open_project(configuration(ctx, sets), no_plugins=ctx.obj["no_plugins"])
    mask_output(opened.secrets)
    return opened


def open_history(paths: Paths) -> Troubles | None:
    """The ledger's runs for reading, or None before the first run."""
    from pipekit.storage.database import ledger_exists
    from pipekit.storage.troubles import Troubles

    path = _ledger(paths)
    there = ledger_exists(path)
    return Troubles(path, read_only=True, any_version=True) if there else None


def _ledger(paths: Paths) -> Path:
    return paths.state / "state.db"


def completed(runs: Iterable[PipelineState], paths: Paths) -> list[PipelineState]:
    """The runs, with the ends that the ledger could not take."""
    from pipekit.storage.ends import with_end

    return [with_end(run, paths) if run.status is None else run for run in runs]


def no_runs(paths: Paths) -> str:
    """What to say when the ledger knows no run."""
    if next(paths.events.glob("pipeline_*.jsonl"), None) is None:
        return "no runs yet; start one with `pipekit run`"
    return f"the ledger is new or gone, but there are journals of earlier runs in {paths.events}"


def find_run(paths: Paths, run: str | None) -> PipelineState:
    """The run with this id, start of an id or number; the latest one by default.

    The argument is looked up in the ledger and never used as a path. Raises UsageError.
    """
    history = open_history(paths)
    if history is None:
        raise UsageError(no_runs(paths))
    with history:
        latest = history.runs(limit=1)
        if not latest:
            raise UsageError(no_runs(paths))
        state = latest[0] if run is None else history.run(run)
        if state is not None:
            return completed([state], paths)[0]
        several = any(known.run_id.startswith(str(run)) for known in history.runs(limit=1000))
    problem = f"several ids begin with {run!r}" if several else f"there is no run {run!r}"
    raise UsageError(
        f"{problem}; the latest is run {latest[0].number}, and `pipekit history --all` lists "
        "them all"
    )


def lock_holder(paths: Paths) -> Holder | None:
    """The run that is going on, even if its lock file was deleted."""
    from pipekit.storage.lock import running

    return running(paths.state)


def current_hold(paths: Paths) -> Hold | None:
    """What keeps runs from beginning: see `pipekit hold`."""
    from pipekit.storage.hold import HoldFile

    return HoldFile(paths.state).read(time.time())


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
