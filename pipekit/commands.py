"""What a plugin's own command needs of pipekit: the project it is called in, a stage's settings.

    @click.command("count", cls=PluginCommand, example=("pipekit count", "all lines there are"))
    @click.pass_context
    def command(ctx):
        root, settings = project_root(ctx), stage_settings(ctx, "count", Settings)

A click command of any kind will do; `PluginCommand` gives it the help of pipekit's own. What the
command's function returns is the exit code, and a PipekitError becomes a sentence on stderr.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import click

from pipekit.cli import common
from pipekit.cli.help import Command

__all__ = ["PluginCommand", "project_root", "stage_settings"]

Settings = TypeVar("Settings")


class PluginCommand(Command):
    """A click command whose help tells its arguments, its exit codes and an example.

    `example`: a line to type, and what comes of it. `arguments`: name → meaning. `exits`: exit
    code → when, beside those that every command has.
    """


def project_root(ctx: click.Context) -> Path:
    """The folder of the project that the command was called for: `-C`, or upwards from here.

    Raises PipekitError (exit code 64) where there is none.
    """
    _ensure(ctx)
    return common.project_root(ctx)


def stage_settings(ctx: click.Context, stage: str, settings: type[Settings]) -> Settings:
    """A stage's settings as the project has them: file, environment, defaults.

    `settings`: the class that the stage's StageSpec names. Raises ConfigError with every problem
    that the configuration has.
    """
    _ensure(ctx)
    made: Settings = common.configuration(ctx).settings_for("stages", stage, settings)
    return made


def _ensure(ctx: click.Context) -> None:
    """A command that is called without `pipekit` before it, as tests do, has no object yet."""
    ctx.ensure_object(dict).setdefault("project", None)
