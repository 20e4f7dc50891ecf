"""`pipekit config`: the configuration, where each value came from, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import click

from pipekit.cli.common import configuration, json_option, print_json, set_option
from pipekit.config import Configuration
from pipekit.errors import EXIT_ERROR, ConfigError, PluginError
from pipekit.plugins import Plugins


@click.group("config", help="Show, check and explain the configuration.")
def command() -> None:
    """The values in force."""


@command.command("show", help="Print every setting, its value and where it came from.")
@set_option
@json_option
@click.pass_context
def show(ctx: click.Context, sets: tuple[str, ...], as_json: bool) -> int:
    """Secrets are masked."""
    settings = configuration(ctx, sets)
    _structure(settings, _plugins(ctx, settings))
    if as_json:
        print_json(settings.provenance())
        return 0
    for value in settings.values().values():
        click.echo(str(value))
    return 0


@command.command("check", help="Find every mistake and contradiction in the configuration.")
@set_option
@click.pass_context
def check(ctx: click.Context, sets: tuple[str, ...]) -> int:
    """Exit code 3 when there is an error; warnings are only printed."""
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


@command.command("explain", help="Say where one setting's value came from, and what it beat.")
@click.argument("key")
@set_option
@click.pass_context
def explain(ctx: click.Context, key: str, sets: tuple[str, ...]) -> int:
    """KEY: for example stages.translator.timeout."""
    settings = configuration(ctx, sets)
    _structure(settings, _plugins(ctx, settings))
    click.echo(str(settings.explain(key)))
    return 0


def _plugins(ctx: click.Context, settings: Configuration) -> Plugins:
    from pipekit.project import load_plugins

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
