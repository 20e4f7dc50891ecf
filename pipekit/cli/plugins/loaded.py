"""All installed plugins, as far as the project's [plugins] table allows them, and commands."""

from __future__ import annotations

import click

from pipekit.cli.common import configuration
from pipekit.errors import UsageError
from pipekit.plugins.entrypoints import COMMANDS_GROUP, EntryPoint, entry_points
from pipekit.plugins.isolation import CALL_TIMEOUT, call_each
from pipekit.plugins.loader import BrokenPlugin, Plugins, load
from pipekit.run.project import load_plugins


def load_all(ctx: click.Context) -> Plugins:
    """Load them; outside of a project, all of them."""
    try:
        settings = configuration(ctx)
    except UsageError:
        return load(builtins_only=ctx.obj["no_plugins"])
    return load_plugins(settings, ctx.obj["no_plugins"])


def commands(ctx: click.Context) -> list[EntryPoint]:
    """The commands of plugins, which are not imported."""
    return [] if ctx.obj["no_plugins"] else entry_points(COMMANDS_GROUP)


def broken_commands(points: list[EntryPoint]) -> list[BrokenPlugin]:
    """Those that cannot be imported, and why."""
    done = call_each([(point.load, CALL_TIMEOUT) for point in points])
    return [
        BrokenPlugin(point, each.fault.located, each.fault.timed_out, each.fault.traceback)
        for point, each in zip(points, done, strict=True)
        if each.fault
    ]
