"""`pipekit plugins`: show what is installed, what it offers, and what is broken."""

from __future__ import annotations

import click

from pipekit.cli.help import Command, Group
from pipekit.cli.options import json_option
from pipekit.cli.output import print_json, print_line, print_table
from pipekit.cli.plugins.doctor import doctor
from pipekit.cli.plugins.loaded import commands, load_all
from pipekit.cli.plugins.show import show
from pipekit.plugins.loader import NO_API


@click.group(
    "plugins",
    cls=Group,
    example=("pipekit plugins list", "the stages, policies, sinks, executors, commands"),
)
def command() -> None:
    """Show the installed plugins."""


@command.command(
    "list",
    cls=Command,
    example=("pipekit --no-plugins plugins list", "only the built-in ones"),
)
@json_option
@click.pass_context
def list_plugins(ctx: click.Context, as_json: bool) -> int:
    """List what the installed plugins offer, and which are broken.

    Commands are not imported: see `plugins doctor`. Broken plugins do not change the exit code. In
    a project, plugins that its [plugins] table excludes are listed as disabled; outside of one, all
    are loaded.
    """
    found = load_all(ctx)
    records = found.offered()
    rows = [(r.kind, r.name, r.origin.distribution, r.origin.version) for r in records]
    rows += [("command", p.name, p.distribution, p.version) for p in commands(ctx)]
    head = ("kind", "name", "distribution", "version")
    if as_json:
        print_json(
            {
                "plugins": [dict(zip(head, row, strict=True)) for row in rows],
                "disabled": [str(origin) for origin in found.disabled],
                "broken": [str(broken) for broken in found.broken],
                "conflicts": list(found.conflicts.values()),
            }
        )
        return 0
    print_table(head, rows)
    for origin in found.disabled:
        print_line(f"disabled: {origin}")
    without_api = [str(origin) + NO_API for origin in found.without_api]
    for warning in (*found.broken, *found.warnings, *without_api):
        print_line(f"warning: {warning}", err=True)
    for conflict in found.conflicts.values():
        print_line(f"conflict: {conflict}", err=True)
    return 0


command.add_command(show)
command.add_command(doctor)
