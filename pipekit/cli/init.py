"""`pipekit init [FOLDER]`: write a pipekit.toml to start from; overwrites nothing."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from pipekit.cli.help import Command
from pipekit.errors import EXIT_ERROR, EXIT_USAGE, UsageError

FILE_NAME = "pipekit.toml"


@click.command(
    "init",
    cls=Command,
    arguments={
        "FOLDER": "The project's folder, made where it does not exist; by default this one."
    },
    exits={
        EXIT_ERROR: "a folder cannot be made, or an error in pipekit itself",
        EXIT_USAGE: "there is a pipekit.toml already, or it cannot be written there",
    },
    example=("pipekit init bars", "a new project in the folder bars"),
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
def command(folder: Path) -> int:
    """Write a pipekit.toml to start from.

    The settings that most projects touch stand in it, each with its reason. Nothing is overwritten.
    """
    from pipekit.cli.template import PROJECT_TOML

    file = write_config(folder, PROJECT_TOML)
    (folder / "data/raw").mkdir(parents=True, exist_ok=True)
    click.echo(f"wrote {file}")
    there = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    click.echo(f"put raw files into {folder / 'data/raw'}, then: {there}pipekit plan")
    return 0


def write_config(folder: Path, text: str) -> Path:
    """Write the configuration of a new project. Raises UsageError where one stands already."""
    file = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(file, "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise UsageError(
            f"{file} exists already and is not overwritten: edit it, or move it away first"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}: name another folder") from error
    return file
