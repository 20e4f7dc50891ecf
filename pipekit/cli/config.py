"""`pipekit config`: the configuration, where each value came from, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable

import click

from pipekit.cli import complete
from pipekit.cli.common import configuration
from pipekit.cli.help import Command, Group
from pipekit.cli.options import json_option, set_option
from pipekit.cli.output import mask_output, only_json_on_stdout, print_json, print_line
from pipekit.config import Configuration
from pipekit.config.checks import check as contradictions
from pipekit.config.explain import provenance, secrets, values
from pipekit.config.schema import json_schema
from pipekit.errors import (
    EXIT_ERROR,
    EXIT_SUCCESS,
    EXIT_USAGE,
    ConfigError,
    PluginError,
    UsageError,
)
from pipekit.model.names import did_you_mean
from pipekit.plugins.loader import NO_API, Plugins
from pipekit.run.orchestrator import plan_problems
from pipekit.run.project import PluginSettings, Stage, in_order, load_plugins, open_project
from pipekit.run.safe_path import shadowing


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
    settings, _, _ = _opened(ctx, sets)
    if as_json:
        print_json(provenance(settings))
    else:
        _print(values(settings).values())
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
    """Find every mistake and contradiction in the configuration.

    If there is none, each stage is asked for its plan, which finds files that two sources match and
    folders that do not exist.
    """
    settings, errors, warnings = examined(ctx, sets)
    _print(f"error: {problem}" for problem in errors)
    _print(f"warning: {problem}" for problem in warnings)
    if errors:
        return EXIT_ERROR
    print_line(f"{settings.file} is valid")
    return EXIT_SUCCESS


@command.command(
    "explain",
    cls=Command,
    arguments={"KEY": "A setting, or a table for every setting in it."},
    exits={EXIT_USAGE: "the key is unknown, or the command was used in another wrong way"},
    example=("pipekit config explain stages.translator.timeout", "who set this timeout"),
)
@click.argument("key", shell_complete=complete.keys)
@set_option
@click.pass_context
def explain(ctx: click.Context, key: str, sets: tuple[str, ...]) -> int:
    """Show where a setting's value came from and which values it overrides."""
    known = values(_opened(ctx, sets)[0])
    found = [value for name, value in known.items() if f"{name}.".startswith(f"{key}.")]
    if not found:
        hint = did_you_mean(key, known)
        raise UsageError(f"{key}: unknown key{hint} (`pipekit config show` prints every key)")
    _print(found)
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
    ctx.with_resource(only_json_on_stdout(ctx))
    found = load_plugins(configuration(ctx, tables=("plugins",)), ctx.obj["no_plugins"])
    kinds = {
        "stages": found.stages,
        "policies": found.policies,
        "sinks": found.sinks,
        "executors": found.executors,
    }
    classes = {
        kind: {name: record.spec.settings for name, record in records.items()}
        for kind, records in kinds.items()
    }
    print_json(json_schema(**classes))
    return EXIT_SUCCESS


def examined(
    ctx: click.Context, sets: tuple[str, ...] = ()
) -> tuple[Configuration, list[str], list[str]]:
    """The configuration, the errors in it and the warnings. Raises ConfigError."""
    settings, found, problems = _opened(ctx, sets)
    try:
        found.require_stages({n: settings.offered_as(n) for n in settings.pipeline.stages})
    except PluginError as error:
        problems += str(error).splitlines()
    problems += _circles(settings, found)
    errors, warnings = contradictions(
        settings, policies=found.policies, sinks=found.sinks, executors=found.executors
    )
    errors = [*problems, *errors]
    if not errors and settings.pipeline.stages:
        errors, missing = plan_problems(open_project(settings, ctx.obj["no_plugins"]))
        warnings += missing
    told = "\n".join(errors)  # a stage of a broken plugin cannot be planned
    broken = [text for text in map(str, found.broken) if text not in told]
    warnings += [*found.warnings, *broken, *shadowing(settings.root)]
    warnings += [str(origin) + NO_API for origin in found.without_api]
    return settings, errors, warnings


def _print(lines: Iterable[object]) -> None:
    for line in lines:
        for part in str(line).split("\n"):
            print_line(part)


def _opened(ctx: click.Context, sets: tuple[str, ...]) -> tuple[Configuration, Plugins, list[str]]:
    """The configuration, the plugins, and what is wrong with their settings."""
    settings = configuration(ctx, sets)
    found = load_plugins(settings, ctx.obj["no_plugins"])
    configured = {
        "stages": settings.stages,
        "lifecycle": settings.policies,
        "sinks": settings.sinks,
        "executors": settings.executors,
    }
    made = PluginSettings(settings, found, configured)
    mask_output(secrets(settings))
    return settings, found, [*made.problems, *made.faults()]


def _circles(settings: Configuration, found: Plugins) -> list[str]:
    """The sentence for stages that depend on each other in a circle, if there are any."""
    stages = []
    for name in settings.pipeline.stages:
        after = settings.stages[name].after
        if after is None:
            installed = found.stages.get(settings.offered_as(name))
            after = installed.spec.after if installed else {}
        stages.append(Stage(name=name, spec=None, version="", settings=None, after=after))
    try:
        in_order(stages)
    except ConfigError as error:
        return list(error.problems)
    return []
