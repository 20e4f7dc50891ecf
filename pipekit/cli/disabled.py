"""What disables an installed plugin here: an option, a variable or the project's [plugins]."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pipekit.cli.common import project_root
from pipekit.errors import PipekitError
from pipekit.plugins.disabled import disabled_by
from pipekit.plugins.entrypoints import EntryPoint


def why_disabled(ctx: click.Context, point: EntryPoint) -> str:
    """What disables it; empty if nothing does, or if [plugins] cannot be read."""
    off = disabled_by(point, builtins_only=bool(ctx.find_root().params.get("no_plugins")))
    if off:
        return off
    from pipekit.config import load  # only where a command of a plugin is called

    try:
        found = load(_root(ctx), environ=os.environ, tables=["plugins"]).plugins
    except PipekitError:  # outside of a project, or of one whose file cannot be read
        return ""
    return disabled_by(point, allow=found.allow, deny=found.deny)


def _root(ctx: click.Context) -> Path:
    """The project's root, also while a shell completes words, where no command is called."""
    root = ctx.find_root()
    if root.obj is None:
        root.obj = {"project": root.params.get("project")}
    return project_root(root)
