"""`pipekit init [FOLDER]`: write a pipekit.toml to start from; overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import click

from pipekit.errors import UsageError

FILE_NAME = "pipekit.toml"


@click.command("init", help="Write a pipekit.toml to start from, every setting explained.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
def command(folder: Path) -> int:
    """FOLDER: the project's folder, this one by default; made where it does not exist."""
    from pipekit.cli.template import PROJECT_TOML

    file = write_config(folder, PROJECT_TOML)
    (folder / "data/raw").mkdir(parents=True, exist_ok=True)
    click.echo(f"wrote {file}")
    click.echo(f"put raw files into {folder / 'data/raw'}, then: pipekit plan, pipekit run")
    return 0


def write_config(folder: Path, text: str) -> Path:
    """Write the configuration of a new project. Raises UsageError where one stands already."""
    file = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(file, "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise UsageError(f"{file} exists already, and is not overwritten") from error
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    return file
