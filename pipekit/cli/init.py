"""`pipekit init [FOLDER]`: write a pipekit.toml to start from; overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import click

from pipekit.cli.help import Command
from pipekit.cli.output import print_line
from pipekit.config.sources import FILE_NAME
from pipekit.errors import EXIT_ERROR, EXIT_USAGE, UsageError
from pipekit.model.system import quoted

TEMPLATE = Path(__file__).with_name("project.toml")


@click.command(
    "init",
    cls=Command,
    arguments={"FOLDER": "The project's folder, created if it does not exist (default: this one)."},
    exits={
        EXIT_ERROR: "a folder cannot be created, or an internal error",
        EXIT_USAGE: "there is a pipekit.toml already, or it cannot be written there",
    },
    example=("pipekit init bars", "a new project in the folder bars"),
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
def command(folder: Path) -> int:
    """Write a pipekit.toml to start from.

    It has the settings that most projects touch, each explained. Nothing is overwritten.
    """
    file = write_config(folder, TEMPLATE)
    (folder / "data/raw").mkdir(parents=True, exist_ok=True)
    print_line(f"wrote {file}")
    there = "" if folder == Path() else f" -C {quoted(str(folder))}"
    print_line(f"next: put raw files into {folder / 'data/raw'}, then run: pipekit{there} plan")
    return 0


def write_config(folder: Path, template: Path) -> Path:
    """Write the configuration of a new project. Raises UsageError if it already has one."""
    file = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(file, "x", encoding="utf-8") as stream:
            stream.write(template.read_text("utf-8"))
    except FileExistsError as error:
        raise UsageError(
            f"{file} exists and is not overwritten: edit it, or move it away first"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}; choose another folder") from error
    return file
