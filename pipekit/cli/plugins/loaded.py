"""All installed plugins, as far as the project's [plugins] table allows them, and commands."""

from __future__ import annotations

import click

from pipekit.cli.common import configuration
from pipekit.cli.disabled import why_disabled
from pipekit.errors import UsageError
from pipekit.plugins.entrypoints import COMMANDS_GROUP, EntryPoint, entry_points
from pipekit.plugins.isolation import CALL_TIMEOUT, call_each
from pipekit.plugins.loader import BrokenPlugin, Plugins, load
from pipekit.run.project import load_plugins


def load_all(ctx: click.Context) -> Plugins:
    """Load them; outside of a project, all of them. Those `disabled` may be commands."""
    try:
        settings = configuration(ctx)
    except UsageError:
        found = load(builtins_only=ctx.obj["no_plugins"])
    else:
        found = load_plugins(settings, ctx.obj["no_plugins"])
    off = [point for point in entry_points(COMMANDS_GROUP) if why_disabled(ctx, point)]
    return found._replace(disabled=(*found.disabled, *off))


def commands(ctx: click.Context) -> list[EntryPoint]:
    """The commands of plugins that are not disabled; they are not imported."""
    return [point for point in entry_points(COMMANDS_GROUP) if not why_disabled(ctx, point)]


def broken_commands(points: list[EntryPoint]) -> list[BrokenPlugin]:
    """Those that cannot be imported, and why."""
    done = call_each([(point.load, CALL_TIMEOUT) for point in points])
    return [
        BrokenPlugin(point, each.fault.located, each.fault.timed_out, each.fault.traceback)
        for point, each in zip(points, done, strict=True)
        if each.fault
    ]
