"""`pipekit plugins doctor`: what is wrong with the installed plugins, and what to type."""

from __future__ import annotations

from collections.abc import Iterator

import click

from pipekit.cli.doctor.doctor import report_findings
from pipekit.cli.doctor.finding import Finding, broken, ok, warning
from pipekit.cli.doctor.project import disabled, imported
from pipekit.cli.help import Command
from pipekit.cli.options import json_option
from pipekit.cli.plugins.loaded import broken_commands, commands, load_all
from pipekit.plugins.entrypoints import BUILTINS, EntryPoint
from pipekit.plugins.environment import Environment, current
from pipekit.plugins.loader import NO_API, Plugins
from pipekit.process import ProcessSupervisor
from pipekit.read.findings import Level


@click.command(
    "doctor",
    cls=Command,
    exits={Level.OK: "all is well", Level.WARNING: "warnings", Level.BROKEN: "errors"},
    example=("pipekit plugins doctor", "after something was installed"),
)
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> int:
    """Check every installed plugin, and say how to install others.

    Each plugin is imported in a process of its own. What is broken is named with its file and line,
    what two distributions offer with both of them.
    """
    found = findings(load_all(ctx), commands(ctx), current())
    return report_findings(found, as_json=as_json)


def findings(
    found: Plugins, points: list[EntryPoint], environment: Environment
) -> Iterator[Finding]:
    """The environment, then each plugin, the broken ones last."""
    how = f"{environment.tool} manages {environment.prefix}; to install a plugin: "
    yield ok("environment", how + environment.install("NAME"))
    supervisor = ProcessSupervisor()
    torn = broken_commands(points)
    working = [point for point in points if point not in [each.origin for each in torn]]
    for origin in (*_origins(found), *working):
        yield imported(origin, supervisor)
    for origin in found.without_api:
        yield warning("plugins", f"{origin}{NO_API}", f"ask the author of {origin.distribution}")
    for text in found.warnings:
        yield warning("plugins", text, "ask its author")
    for origin in found.disabled:
        yield disabled(origin)
    for key, text in found.conflicts.items():
        dists = sorted({each.origin.distribution for each in found.rivals[key]} - {BUILTINS})
        remove = " or ".join(environment.uninstall(name) for name in dists)
        yield broken("plugins", text, remove)
    for each in (*found.broken, *torn):
        remove = environment.uninstall(each.origin.distribution)
        mend = f"mend {each.where}" if each.where else "install another version"
        mend += ", or remove it"
        yield broken("plugins", str(each), f"{mend}: {remove}")


def _origins(found: Plugins) -> list[EntryPoint]:
    """The entry points of the plugins that can be used."""
    return list(dict.fromkeys(each.origin for each in found.offered()))
