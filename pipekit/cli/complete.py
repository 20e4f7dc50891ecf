"""The values that a shell completes: stages, runs, settings, plugins.

Completing never fails, and never prints: what cannot be found is not offered.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from pipekit.config import Configuration

Values = Iterable[tuple[str, str]]  # a value, and what it is
_RUNS = 20  # that are offered, the latest
_Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


def _completing(find: Callable[[click.Context], Values]) -> _Complete:
    def complete(
        ctx: click.Context, _parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # only while a shell completes

        root = ctx.find_root()
        no_plugins = bool(root.params.get("no_plugins"))
        ctx.obj = {"project": root.params.get("project"), "no_plugins": no_plugins}
        try:
            found = list(find(ctx))
        except Exception:  # the shell has no place for an error
            return []
        return [CompletionItem(v, help=text) for v, text in found if v.startswith(incomplete)]

    return complete


def files(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The names of files, which the shell itself finds."""
    from click.shell_completion import CompletionItem  # only while a shell completes

    return [CompletionItem(incomplete, type="file")]


def _configuration(ctx: click.Context) -> Configuration:
    from pipekit.cli.common import project_root  # only while a shell completes
    from pipekit.config import load

    return load(project_root(ctx), environ=os.environ)


@_completing
def stages(ctx: click.Context) -> Values:
    """The stages of the project."""
    found = _configuration(ctx)
    return [(name, f"uses {found.offered_as(name)}") for name in found.pipeline.stages]


@_completing
def runs(ctx: click.Context) -> Iterator[tuple[str, str]]:
    """The numbers of the latest runs."""
    from pipekit.cli.common import folders  # only while a shell completes
    from pipekit.model.quantity import local_time
    from pipekit.read.runs import open_history

    ledger = open_history(folders(ctx))
    if ledger is None:
        return
    with ledger:
        for run in ledger.runs(limit=_RUNS):
            yield str(run.number), f"{run.status or 'going on'}, {local_time(run.started)}"


@_completing
def keys(ctx: click.Context) -> Values:
    """The settings of the project: `stages.translator.timeout`."""
    return _keys(ctx)


@_completing
def assignments(ctx: click.Context) -> Values:
    """The settings of the project with a `=`, for `--set`."""
    return [(f"{key}=", text) for key, text in _keys(ctx)]


@_completing
def plugins(ctx: click.Context) -> Values:
    """What plugins offer, and their distributions."""
    from pipekit.cli.plugins.loaded import load_all, offered  # only while a shell completes

    found = list(offered(load_all(ctx)))
    names = {each.origin.distribution: "distribution" for each in found}
    return sorted((names | {each.name: each.kind for each in found}).items())


def _keys(ctx: click.Context) -> list[tuple[str, str]]:
    from pipekit.config.explain import values  # only while a shell completes
    from pipekit.run.project import PluginSettings, load_plugins

    settings = _configuration(ctx)
    configured = {
        "stages": settings.stages,
        "lifecycle": settings.policies,
        "sinks": settings.sinks,
    }
    PluginSettings(settings, load_plugins(settings, ctx.obj["no_plugins"]), configured)
    return [(key, value.help) for key, value in values(settings).items()]
