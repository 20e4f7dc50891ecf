"""All installed plugins, as far as the project's [plugins] table allows them."""

from __future__ import annotations

import click

from pipekit.cli.common import configuration
from pipekit.errors import UsageError
from pipekit.plugins.loader import Plugins, load
from pipekit.run.project import load_plugins


def load_all(ctx: click.Context) -> Plugins:
    """Load them; outside of a project, all of them."""
    try:
        settings = configuration(ctx)
    except UsageError:
        return load(builtins_only=ctx.obj["no_plugins"])
    return load_plugins(settings, ctx.obj["no_plugins"])
