"""`pipekit init [FOLDER]`: write a pipekit.toml to start from; overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import click

from pipekit.cli.detected import detected
from pipekit.cli.help import Command
from pipekit.cli.output import print_line
from pipekit.config.sources import FILE_NAME
from pipekit.errors import EXIT_ERROR, EXIT_USAGE, UsageError
from pipekit.model.quantity import plural
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
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Look at the raw files in this folder of the project, and describe them.",
)
@click.option(
    "--timezone",
    default="",
    metavar="ZONE",
    help="With --data: the zone of time stamps that do not say it, such as America/Chicago.",
)
def command(folder: Path, data: Path | None, timezone: str) -> int:
    """Write a pipekit.toml to start from.

    It has the settings that most projects touch, each explained. Nothing is overwritten. With
    --data it describes the files that are there, as `pipekit sources detect` does; what no file
    says, such as the time zone of its time stamps, is left to you.
    """
    if data is not None:
        return _describe(folder, data, timezone)
    file = write_config(folder, TEMPLATE)
    (folder / "data/raw").mkdir(parents=True, exist_ok=True)
    print_line(f"wrote {file}")
    there = "" if folder == Path() else f" -C {quoted(str(folder))}"
    print_line(f"next: put raw files into {folder / 'data/raw'}, then run: pipekit{there} plan")
    return 0


def _describe(folder: Path, data: Path, timezone: str) -> int:
    """Write a pipekit.toml for the files in a folder of the project."""
    if (folder / FILE_NAME).exists():
        raise UsageError(f"{folder / FILE_NAME} exists and is not overwritten: move it away first")
    found = detected(folder, data, TEMPLATE.read_text("utf-8"), timezone)
    file = write_config(folder, found.text)
    print_line(f"wrote {file}, with {plural(found.sources, 'source')}")
    for text in found.unread:
        print_line(f"no source for {text}", err=True)
    for text in found.open:
        print_line(f"commented out, until you fill it in: {text}", err=True)
    if found.zones:
        print_line(
            f"where that is the zone alone, you can also remove {file} and call this again with "
            "--timezone ZONE",
            err=True,
        )
    there = "" if folder == Path() else f" -C {quoted(str(folder))}"
    if not found.sources and not found.open:
        print_line("next: write a source into it: see docs/how-to/configure-sources.md")
        print_line(f"      then see what a run would do: pipekit{there} plan")
        return 0
    print_line(f"next: look through it, then run: pipekit{there} plan")
    return 0


def write_config(folder: Path, template: Path | str) -> Path:
    """Write the configuration of a new project: a file, or this text.

    Raises UsageError if it already has one.
    """
    file = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(file, "x", encoding="utf-8") as stream:
            text = template if isinstance(template, str) else template.read_text("utf-8")
            stream.write(text)
    except FileExistsError as error:
        raise UsageError(
            f"{file} exists and is not overwritten: edit it, or move it away first"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}; choose another folder") from error
    return file
