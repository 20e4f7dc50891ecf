"""What a plugin's own command needs of pipekit: the project, a stage's settings, a table.

    @click.command("count", cls=PluginCommand, example=("pipekit count", "the lines of each file"))
    @click.pass_context
    def command(ctx):
        root, settings = project_root(ctx), stage_settings(ctx, "count", Settings)
        print_table(("file", "lines"), lines_of(root, settings), left=1)

Any click command will do; `PluginCommand` gives it the help of pipekit's own. The value that the
command's function returns is the exit code, and a PipekitError becomes a sentence on stderr. What
`print_text`, `print_table` and `print_json` print cannot control a terminal, whatever it is made
of; `escaped` does the same for text that is shown in another way.
"""

from __future__ import annotations

from typing import TypeVar

import click

from pipekit.cli.common import configuration, project_root
from pipekit.cli.help import Command as PluginCommand
from pipekit.cli.output import COLOURS, mask_output, print_json, print_table, print_text
from pipekit.config.explain import secrets
from pipekit.model.file import FileStat
from pipekit.model.text import escaped
from pipekit.storage.files import FileManager

__all__ = [
    "COLOURS",
    "PluginCommand",
    "escaped",
    "print_json",
    "print_table",
    "print_text",
    "project_files",
    "project_root",
    "project_stages",
    "sink_settings",
    "stage_settings",
]

Settings = TypeVar("Settings")


def project_stages(ctx: click.Context) -> tuple[str, ...]:
    """The names of the project's stages, in the order of the configuration. Raises ConfigError."""
    return tuple(configuration(ctx).pipeline.stages)


def project_files(ctx: click.Context, *patterns: str) -> list[FileStat]:
    """The files that a stage's plan would find: `ctx.files(...)`, sorted by path.

    Raises UsageError for an invalid pattern, ConfigError for an invalid table `[paths]`.
    """
    paths = configuration(ctx, tables=("paths",)).folders
    return FileManager(paths.root, inputs=paths.inputs).files(patterns)


def stage_settings(ctx: click.Context, stage: str, settings: type[Settings]) -> Settings:
    """A stage's settings as the project has them: file, environment, defaults.

    `settings`: the class that the stage's StageSpec names. Raises ConfigError with every problem
    of the configuration. From now on its secrets are masked in what the command prints.
    """
    return _settings(ctx, "stages", stage, settings)


def sink_settings(ctx: click.Context, sink: str, settings: type[Settings]) -> Settings:
    """A sink's settings as the project has them, as for a stage. Raises ConfigError."""
    return _settings(ctx, "sinks", sink, settings)


def _settings(ctx: click.Context, kind: str, name: str, settings: type[Settings]) -> Settings:
    found = configuration(ctx)
    made: Settings = found.settings_for(kind, name, settings)
    mask_output(secrets(found))
    return made
