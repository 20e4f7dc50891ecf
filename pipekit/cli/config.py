"""`pipekit config`: the configuration, where each value came from, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import click

from pipekit.cli.common import configuration, json_option, set_option
from pipekit.cli.help import Command, Group
from pipekit.cli.output import print_json
from pipekit.config import Configuration
from pipekit.config.checks import check as contradictions
from pipekit.config.explain import explain as explained
from pipekit.config.explain import provenance, values
from pipekit.config.schema import json_schema
from pipekit.errors import (
    EXIT_ERROR,
    EXIT_SUCCESS,
    EXIT_USAGE,
    ConfigError,
    PluginError,
    UsageError,
)
from pipekit.plugins.loader import Plugins
from pipekit.run.project import Stage, in_order, load_plugins


@click.group(
    "config",
    cls=Group,
    example=("pipekit config check", "before a changed pipekit.toml is used"),
)
def command() -> None:
    """Show, check and explain the configuration.

    Values come from pipekit.toml, from environment variables that begin with PIPEKIT_, and from
    --set. The environment overrides the file, and --set overrides both.
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
    _structure(settings, load_plugins(settings, ctx.obj["no_plugins"]))
    if as_json:
        print_json(provenance(settings))
        return EXIT_SUCCESS
    for value in values(settings).values():
        click.echo(str(value))
    return EXIT_SUCCESS


@command.command(
    "check",
    cls=Command,
    exits={
        EXIT_SUCCESS: "no errors; there may be warnings",
        EXIT_ERROR: "an error in the configuration, or in pipekit itself",
    },
    example=("pipekit config check --set pipeline.workers=2", "would this value do?"),
)
@set_option
@click.pass_context
def check(ctx: click.Context, sets: tuple[str, ...]) -> int:
    """Find every mistake and contradiction in the configuration."""
    settings = configuration(ctx, sets)
    found = load_plugins(settings, ctx.obj["no_plugins"])
    problems = _structure(settings, found)
    try:
        found.require_stages(settings.pipeline.stages)
    except PluginError as error:
        problems += str(error).splitlines()
    problems += _circles(settings, found)
    for problem in problems:
        click.echo(f"error: {problem}")
    findings = contradictions(settings, policies=found.policies, sinks=found.sinks)
    for finding in findings:
        click.echo(str(finding))
    for broken in found.broken:
        click.echo(f"warning: {broken}")
    if problems or any(finding.error for finding in findings):
        return EXIT_ERROR
    click.echo(f"{settings.file} is valid")
    return EXIT_SUCCESS


@command.command(
    "explain",
    cls=Command,
    arguments={"KEY": "A setting, or a table for every setting in it."},
    exits={EXIT_USAGE: "the key is unknown, or the command was used in another wrong way"},
    example=("pipekit config explain stages.translator.timeout", "who set this timeout"),
)
@click.argument("key")
@set_option
@click.pass_context
def explain(ctx: click.Context, key: str, sets: tuple[str, ...]) -> int:
    """Show where a setting's value came from and which values it overrides."""
    settings = configuration(ctx, sets)
    _structure(settings, load_plugins(settings, ctx.obj["no_plugins"]))
    below = [value for name, value in values(settings).items() if name.startswith(f"{key}.")]
    try:
        found = below or [explained(settings, key)]
    except ConfigError as error:
        raise UsageError(f"{error} (`pipekit config show` prints every key)") from error
    for value in found:
        click.echo(str(value))
    return EXIT_SUCCESS


@command.command(
    "schema",
    cls=Command,
    example=("pipekit config schema", "redirected to a file, for completion in an editor"),
)
@click.pass_context
def schema(ctx: click.Context) -> int:
    """Print a JSON Schema of pipekit.toml, for editors.

    It includes the settings of all installed plugins. An editor that reads it completes keys, shows
    their help and marks mistakes.
    """
    found = load_plugins(configuration(ctx, tables=("plugins",)), ctx.obj["no_plugins"])
    print_json(
        json_schema(
            stages={name: record.spec.settings for name, record in found.stages.items()},
            policies={name: record.spec.settings for name, record in found.policies.items()},
            sinks={name: record.spec.settings for name, record in found.sinks.items()},
        )
    )
    return EXIT_SUCCESS


def _structure(settings: Configuration, found: Plugins) -> list[str]:
    """Structure the settings of all configured plugins; returns what is wrong with them."""
    wanted: list[tuple[str, str, Any]] = [
        (kind, name, records[name].spec.settings)
        for kind, names, records in (
            ("stages", settings.stages, found.stages),
            ("lifecycle", settings.policies, found.policies),
            ("sinks", settings.sinks, found.sinks),
        )
        for name in names
        if name in records
    ]
    try:
        settings.all_settings(wanted)
    except ConfigError as error:
        return list(error.problems)
    return []


def _circles(settings: Configuration, found: Plugins) -> list[str]:
    """The sentence for stages that depend on each other in a circle, if there are any."""
    stages = []
    for name in settings.pipeline.stages:
        after = settings.stages[name].after
        if after is None:
            after = found.stages[name].spec.after if name in found.stages else {}
        stages.append(Stage(name=name, spec=None, version="", settings=None, after=after))
    try:
        in_order(stages)
    except ConfigError as error:
        return list(error.problems)
    return []
