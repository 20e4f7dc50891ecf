"""All installed plugins, as far as the project's [plugins] table allows them, and commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import click

from pipekit.cli.common import configuration
from pipekit.cli.disabled import why_disabled
from pipekit.errors import UsageError
from pipekit.plugins.entrypoints import COMMANDS_GROUP, EntryPoint, entry_points
from pipekit.plugins.isolation import CALL_TIMEOUT, call_each
from pipekit.plugins.loader import BrokenPlugin, Installed, Plugins, load
from pipekit.run.project import load_plugins


class Shown(NamedTuple):
    """What is shown of a plugin: what it offers, or why it cannot."""

    kind: str
    name: str
    origin: EntryPoint
    spec: Any = None
    broken: BrokenPlugin | None = None
    conflict: str = ""


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


def offered(plugins: Plugins) -> Iterator[Shown]:
    """All that is installed, also what is broken or offered twice."""
    yield from (_shown(each) for each in plugins.offered())
    for broken in plugins.broken:
        yield Shown("plugin", broken.origin.name, broken.origin, broken=broken)
    for key, sentence in plugins.conflicts.items():
        for each in plugins.rivals[key]:
            yield _shown(each)._replace(conflict=sentence)
    for point in entry_points(COMMANDS_GROUP):
        if point not in plugins.disabled:
            yield Shown("command", point.name, point)


def _shown(installed: Installed) -> Shown:
    return Shown(installed.kind, installed.name, installed.origin, installed.spec)
