"""What several commands need: the project, its ledger, tables of text, JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipekit.errors import UsageError

if TYPE_CHECKING:
    from pipekit.config import Configuration
    from pipekit.config.outline import Outline
    from pipekit.model.state import Paths, PipelineState
    from pipekit.project import Project
    from pipekit.storage.history import RunHistory

NO_RUN = "no run has been made here yet: `pipekit run` makes the first"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
set_option = click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Set a configuration value once."
)


def project_root(ctx: click.Context) -> Path:
    """The project's folder: `--project`, or upwards from here. Raises UsageError."""
    from pipekit.config import find_project

    given: Path | None = ctx.obj["project"]
    start = (given or Path.cwd()).resolve()
    if not start.is_dir():
        raise UsageError(f"there is no folder {start}: `pipekit init FOLDER` makes one")
    root = find_project(start)
    if root is not None and (root == start or not given):
        return root
    if root is not None:
        raise UsageError(f"there is no pipekit.toml in {start}, but in {root}: name that folder")
    raise UsageError(
        f"there is no pipekit.toml in {start}{'' if given else ' or above'}: "
        "`pipekit init` writes one, `pipekit demo` a whole project to look at"
    )


def configuration(ctx: click.Context, sets: Sequence[str] = ()) -> Configuration:
    """The configuration of the project."""
    from pipekit.config import load

    return load(project_root(ctx), environ=os.environ, flags=sets)


def outline(ctx: click.Context) -> Outline:
    """The project's folders and the names of its stages: enough to look at what runs have left."""
    from pipekit.config.outline import outline

    return outline(project_root(ctx))


def open_project(ctx: click.Context, sets: Sequence[str] = ()) -> Project:
    """The project with its plugins loaded."""
    from pipekit import project

    return project.open_project(configuration(ctx, sets), no_plugins=ctx.obj["no_plugins"])


def open_history(paths: Paths) -> RunHistory | None:
    """The ledger's runs for reading, or None where no run has been yet."""
    from pipekit.storage.history import RunHistory

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


def print_json(value: Any) -> None:
    """One JSON value on stdout."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns of text on stdout, as wide as they need to be; the last one may be wrapped."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(head), *cells]) for i in range(len(head) - 1)]
    for index, (*row, last) in enumerate([list(head), *cells]):
        lead = "".join(f"{cell.ljust(width)}  " for cell, width in zip(row, widths, strict=True))
        if index == 0:
            click.secho(f"{lead}{last}", bold=True)
        else:
            say(last, lead)


def say(text: str, lead: str = "", *, hang: int | None = None, err: bool = False) -> None:
    """A line; on a terminal it is broken between words, and goes on below its own beginning.

    `lead` stands before it and may be coloured; `hang`: where the further lines begin instead.
    """
    width = columns(err=err)
    if width:
        from textwrap import wrap

        before = " " * len(click.unstyle(lead))
        after = before if hang is None else " " * hang
        lines = wrap(
            text,
            width,
            initial_indent=before,
            subsequent_indent=after,
            break_long_words=False,  # a path stays in one piece, to be copied
            break_on_hyphens=False,
        )
        text = "\n".join(lines)[len(before) :]
    click.echo(f"{lead}{text}".rstrip(), err=err)


def columns(*, err: bool = False) -> int | None:
    """How wide the terminal is; None where the output goes elsewhere and lines stay whole."""
    import shutil

    stream = sys.stderr if err else sys.stdout
    return shutil.get_terminal_size().columns if stream.isatty() else None


def when(moment: float | None) -> str:
    """A moment in local time, to the second."""
    return "-" if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


COLOURS = {
    "success": "green",
    "idle": "green",
    "skipped": "bright_black",
    "partial": "yellow",
    "failure": "red",
    "blocked": "magenta",
    "cancelled": "magenta",
}


def coloured(status: object, width: int = 0) -> str:
    """A status in its colour (click drops colours where they are not wanted)."""
    return click.style(str(status).ljust(width), fg=COLOURS.get(str(status)))
