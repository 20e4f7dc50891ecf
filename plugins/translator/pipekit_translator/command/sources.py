"""`pipekit sources`: names the presets, proposes sources for files, and tries a configured one.

What reads data is imported when there is a file to read, so that `--help` is fast.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipekit import ConfigError, PipekitError
from pipekit.commands import (
    PluginCommand,
    escaped,
    print_json,
    print_table,
    print_text,
    project_files,
    project_root,
    stage_settings,
)
from pipekit_translator import presets
from pipekit_translator.settings import Settings
from pipekit_translator.sources import Source

if TYPE_CHECKING:
    from pipekit_translator.detect import Proposal, Unread

NOTHING = 1  # for some files there is no proposal; or no row of the file would be read
_ROWS = 10

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


@click.group("sources")
def command() -> None:
    """Sources of raw files: presets, proposals, and how a file is read."""


@command.command(
    "list",
    cls=PluginCommand,
    example=("pipekit sources list", "the presets, and what each leaves to you"),
)
@_json
def list_presets(as_json: bool) -> int:
    """Show the presets: the names that `dialect` of a source may have.

    A preset knows how a program or vendor writes its files. What it cannot know stands in the last
    column, and is needed in the source.
    """
    found = presets.every()
    if as_json:
        print_json(
            [
                {
                    "dialect": name,
                    "title": preset.title,
                    "page": preset.page,
                    "needs": {part: preset.asks.get(part, "") for part in presets.needs(preset)},
                }
                for name, preset in found.items()
            ]
        )
        return 0
    rows = [
        (name, preset.title, ", ".join(presets.needs(preset))) for name, preset in found.items()
    ]
    print_table(("dialect", "files", "needs"), rows)
    return 0


@command.command(
    "detect",
    cls=PluginCommand,
    arguments={"FILE": "A raw file; it may be compressed, and need not be in a project"},
    exits={0: "there is a proposal for each file", NOTHING: "some files have none"},
    example=("pipekit sources detect data/raw/*.csv", "what to write for these files"),
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@_json
@click.pass_context
def detect(ctx: click.Context, files: tuple[str, ...], as_json: bool) -> int:
    """Propose sources for raw files, as TOML to paste into pipekit.toml.

    Nothing is written, and no run ever guesses: you paste what is right. Comments give the
    reasons and what cannot be known, above all the time zone.
    """
    from pipekit_translator.detect import Proposal, propose  # loads numpy: --help does not

    found = propose(files, _root(ctx))
    proposals = [each for each in found if isinstance(each, Proposal)]
    unread = [each for each in found if not isinstance(each, Proposal)]
    if as_json:
        print_json(
            {
                "proposals": [proposal.record() for proposal in proposals],
                "unread": [{"file": each.file, "reason": each.reason} for each in unread],
            }
        )
    else:
        _print(proposals, unread, _unaccepted(ctx, proposals))
    return NOTHING if unread else 0


def _root(ctx: click.Context) -> str:
    """The project's folder; empty outside a project."""
    try:
        return os.fspath(project_root(ctx))
    except PipekitError:
        return ""


def _unaccepted(ctx: click.Context, proposals: list[Proposal]) -> list[str]:
    """Instruments of proposals that the project does not accept yet."""
    try:
        settings = stage_settings(ctx, "translator", Settings)
    except PipekitError:  # there is no project, or its configuration is being written
        settings = Settings()
    names = dict.fromkeys(name for proposal in proposals for name in proposal.instruments)
    return [name for name in names if not settings.accepts(name)]


def _print(proposals: list[Proposal], unread: list[Unread], unaccepted: list[str]) -> None:
    for number, proposal in enumerate(proposals):
        lines = proposal.toml().splitlines()
        click.echo("\n".join(map(escaped, [""] * bool(number) + lines)))
    for each in unread:
        print_text(f"{each.file}: {each.reason}", err=True)
    if unaccepted:
        shown = ", ".join(f'"{name}"' for name in unaccepted[:_ROWS])
        print_text(
            f"instruments that the project does not accept yet: {shown}; add them to instruments "
            "in [stages.translator.settings]",
            err=True,
        )
    if proposals:
        print_text(
            "then look at the rows with `pipekit sources try FILE`, before the first run", err=True
        )


@command.command(
    "try",
    cls=PluginCommand,
    arguments={"FILE": "A raw file of the project"},
    exits={0: "rows of the file are read", NOTHING: "no row is read; the reason is shown"},
    example=("pipekit sources try data/raw/ES.csv", "its first rows, in UTC and exchange time"),
)
@click.argument("file", metavar="FILE")
@click.option(
    "--rows",
    type=click.IntRange(1, 1000),
    default=_ROWS,
    show_default=True,
    help="How many rows to show, and how many of those set aside.",
)
@_json
@click.pass_context
def try_file(ctx: click.Context, file: str, rows: int, as_json: bool) -> int:
    """Show how the project reads a raw file: its first rows, and what is set aside and why.

    The first four megabytes are read, by the translator's own reader. Nothing is published or
    remembered.
    """
    root, settings = project_root(ctx), stage_settings(ctx, "translator", Settings)
    path = _path(root, file)
    source = _source_of(ctx, settings, path)

    from pipekit_translator.command.trial import Trial  # loads numpy: --help does not

    trial = Trial.of(os.fspath(root / path), path, settings, source)
    if as_json:
        print_json(trial.record(rows))
    else:
        trial.print(rows)
    return 0 if trial.is_read else NOTHING


def _path(root: Path, file: str) -> str:
    """The path of a file as a run has it: relative to the project, absolute outside of it.

    Raises UsageError.
    """
    if os.path.isdir(file):
        raise click.UsageError(f"{file} is a folder: name a file in it")
    if not os.path.exists(file):
        raise click.UsageError(f"there is no file {file}")
    try:
        return Path(file).resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return Path(os.path.abspath(file)).as_posix()


def _source_of(ctx: click.Context, settings: Settings, path: str) -> Source:
    """The source that matches a file. Raises ConfigError, UsageError."""
    found = list(_matching(ctx, settings, path))
    if not found:
        outside = " (it is outside the project)" if os.path.isabs(path) else ""
        raise click.UsageError(
            f"no source matches {path}{outside}, so a run would not read it; `pipekit sources "
            f"detect {path}` proposes one"
        )
    if len(found) > 1:
        globs = ", ".join(repr(settings.glob(source)) for source in found)
        problem = f"translator: {path} matches several sources ({globs}): narrow the globs"
        raise ConfigError([f"{problem} so that each file matches one"])
    return found[0]


def _matching(ctx: click.Context, settings: Settings, path: str) -> Iterator[Source]:
    for source in settings.sources:
        if any(file.path == path for file in project_files(ctx, settings.glob(source))):
            yield source
