"""The options that choose what `pipekit run` and `pipekit plan` cover."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from pipekit.cli import complete
from pipekit.cli.common import open_project
from pipekit.errors import UsageError
from pipekit.process import Cancel
from pipekit.run.orchestrator import PipelineOrchestrator
from pipekit.run.planning import RunOptions
from pipekit.run.project import DEFAULT_SINKS, Project, selected

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def _dates(
    _ctx: click.Context, _param: click.Parameter, text: str | None
) -> tuple[dt.date, dt.date] | None:
    """The first and the last day of `--dates`."""
    if text is None:
        return None
    first, _, last = text.partition(":")
    try:
        begin, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last or first)
    except ValueError as error:
        message = f"{text!r}: write YYYY-MM-DD or YYYY-MM-DD:YYYY-MM-DD"
        raise click.BadParameter(message) from error
    if end < begin:
        raise click.BadParameter(f"{text!r}: the last day is before the first")
    return begin, end


_OPTIONS = (
    click.option(
        "--only",
        multiple=True,
        metavar="STAGE",
        shell_complete=complete.stages,
        help="Run only this stage; repeatable.",
    ),
    click.option(
        "--from",
        "first",
        metavar="STAGE",
        shell_complete=complete.stages,
        help="Start with this stage.",
    ),
    click.option(
        "--until",
        "last",
        metavar="STAGE",
        shell_complete=complete.stages,
        help="Stop after this stage.",
    ),
    click.option(
        "--dates",
        callback=_dates,
        metavar="FIRST[:LAST]",
        help="Process only these days (YYYY-MM-DD, inclusive).",
    ),
    click.option(
        "--force", is_flag=True, help="Process known and rejected inputs as if they were new."
    ),
    click.option(
        "--retry", is_flag=True, help="Retry work now that is left out after repeated failures."
    ),
    click.option("--rebuild", is_flag=True, help="Rewrite outputs even if no input has changed."),
    click.option(
        "--forget",
        multiple=True,
        metavar="FILE",
        shell_complete=complete.files,
        help="Take back a wrong input file, which may be gone: rebuild what came of it from the "
        "other files; repeatable. If it is still there, it is set aside.",
    ),
)


def selection_options(command: Decorated) -> Decorated:
    """Add the options; their values are the fields of RunOptions."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def open_orchestrator(
    ctx: click.Context,
    sets: Sequence[str] = (),
    *,
    cancel: Cancel | None = None,
    console: bool = True,
    **selection: Any,
) -> PipelineOrchestrator:
    """An orchestrator for the project, with the options from `selection_options`.

    `console`: whether to show its events as they happen. Raises UsageError if the
    options exclude all of its stages.
    """
    options, project = RunOptions(**selection), open_project(ctx, sets)
    if options.forget and options.dates:
        raise UsageError("--forget rebuilds all days that a file fed: leave out --dates")
    if not selected(project.stages, options.only, options.first, options.last):
        names = ", ".join(stage.name for stage in project.stages)
        raise UsageError(f"--only, --from and --until select no stage; the order is: {names}")
    return PipelineOrchestrator(project if console else without_console(project), options, cancel)


def without_console(project: Project) -> Project:
    """The same project, for a run whose events are not shown as they happen."""
    sinks = tuple(each for each in project.sinks if each[0].name not in DEFAULT_SINKS)
    return project._replace(sinks=sinks)
