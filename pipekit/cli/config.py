"""`pipekit config`: the configuration, where each value came from, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import click

from pipekit.cli.common import configuration, json_option, set_option
from pipekit.cli.help import Command, Group
from pipekit.cli.output import print_json
from pipekit.config import Configuration
from pipekit.errors import (
    EXIT_ERROR,
    EXIT_SUCCESS,
    EXIT_USAGE,
    ConfigError,
    PluginError,
    UsageError,
)
from pipekit.plugins.loader import Plugins


@click.group(
    "config",
    cls=Group,
    example=("pipekit config check", "before a changed pipekit.toml is used"),
)
def command() -> None:
    """Show, check and explain the configuration.

    The values in force come from pipekit.toml, from variables of the environment that begin with
    PIPEKIT_, and from --set; a later one of these wins.
    """


@command.command(
    "show",
    cls=Command,
    example=("pipekit config show --json", "the same for a program"),
)
@set_option
@json_option
@click.pass_context
def show(ctx: click.Context, sets: tuple[str, ...], as_json: bool) -> int:
    """Print every setting, its value and where it came from.

    Secrets are masked.
    """
    settings = configuration(ctx, sets)
    _structure(settings, _plugins(ctx, settings))
    if as_json:
        print_json(settings.provenance())
        return 0
    for value in settings.values().values():
        click.echo(str(value))
    return 0


@command.command(
    "check",
    cls=Command,
    exits={
        EXIT_SUCCESS: "there is no error; there may be warnings",
        EXIT_ERROR: "there is an error in the configuration, or in pipekit itself",
    },
    example=("pipekit config check --set pipeline.workers=2", "would this value do?"),
)
@set_option
@click.pass_context
def check(ctx: click.Context, sets: tuple[str, ...]) -> int:
    """Find every mistake and contradiction in the configuration."""
    from pipekit.config.checks import check as contradictions

    settings = configuration(ctx, sets)
    found = _plugins(ctx, settings)
    problems = _structure(settings, found)
    if settings.lifecycle.mode == "apply":
        problems.append('lifecycle.mode: "apply" is not available yet: write "report"')
    try:
        found.require_stages(settings.pipeline.stages)
    except PluginError as error:
        problems += str(error).splitlines()
    for problem in problems:
        click.echo(f"error: {problem}")
    findings = contradictions(settings, policies=found.policies, sinks=found.sinks)
    for finding in findings:
        click.echo(str(finding))
    for broken in found.broken:
        click.echo(f"warning: {broken}")
    if problems or any(finding.error for finding in findings):
        return EXIT_ERROR
    click.echo(f"{settings.file} is in order")
    return 0


@command.command(
    "explain",
    cls=Command,
    arguments={"KEY": "A setting, or a table: then every setting in it."},
    exits={EXIT_USAGE: "there is no such key, or the command was used in another wrong way"},
    example=("pipekit config explain stages.translator.timeout", "who set this time-out"),
)
@click.argument("key")
@set_option
@click.pass_context
def explain(ctx: click.Context, key: str, sets: tuple[str, ...]) -> int:
    """Say where one setting's value came from, and what it beat."""
    settings = configuration(ctx, sets)
    _structure(settings, _plugins(ctx, settings))
    below = [value for name, value in settings.values().items() if name.startswith(f"{key}.")]
    try:
        found = below or [settings.explain(key)]
    except ConfigError as error:
        raise UsageError(f"{error} (`pipekit config show` prints every key)") from error
    for value in found:
        click.echo(str(value))
    return 0


def _plugins(ctx: click.Context, settings: Configuration) -> Plugins:
    from pipekit.run.project import load_plugins

    return load_plugins(settings, ctx.obj["no_plugins"])


def _structure(settings: Configuration, found: Plugins) -> list[str]:
    """Structure the settings of all configured plugins; returns what is wrong with them."""
    wanted: list[tuple[str, str, Any]] = [
        ("stages", name, found.stages[name].spec.settings)
        for name in settings.stages
        if name in found.stages
    ]
    for kind, names, records in (
        ("lifecycle", settings.policies, found.policies),
        ("sinks", settings.sinks, found.sinks),
    ):
        wanted += [(kind, n, records[n].spec.settings) for n in names if n in records]
    try:
        settings.all_settings(wanted)
    except ConfigError as error:
        return list(error.problems)
    return []
