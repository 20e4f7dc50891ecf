"""`pipekit run`: one run of the pipeline, by hand or by the operating system's scheduler."""

from __future__ import annotations

import datetime as dt
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from pipekit.cli.common import coloured, json_option, open_project, print_json, say, set_option
from pipekit.cli.help import OF_RUNS, Command
from pipekit.errors import (
    EXIT_ERROR,
    EXIT_FAILURE,
    EXIT_HANGUP,
    EXIT_INTERRUPTED,
    EXIT_PARTIAL,
    EXIT_SUCCESS,
    EXIT_TERMINATED,
    UsageError,
)

if TYPE_CHECKING:
    from pipekit.model.run import PipelineReport
    from pipekit.orchestrator import PipelineOrchestrator
    from pipekit.planning import RunOptions
    from pipekit.project import Project


def selection_options(command: Any) -> Any:
    """The options that say what a run, or a plan, is about."""
    for option in (
        click.option(
            "--rebuild", is_flag=True, help="Make outputs anew, even where no input has changed."
        ),
        click.option(
            "--force", is_flag=True, help="Take known and rejected inputs as if they were new."
        ),
        click.option(
            "--dates", metavar="FIRST[:LAST]", help="Only these days (YYYY-MM-DD), both included."
        ),
        click.option("--until", "last", metavar="STAGE", help="This stage and those before it."),
        click.option("--from", "first", metavar="STAGE", help="This stage and those after it."),
        click.option(
            "--only",
            multiple=True,
            metavar="STAGE",
            help="Only this stage; may be given several times.",
        ),
    ):
        command = option(command)
    return command


@click.command(
    "run",
    cls=Command,
    exits={
        **OF_RUNS,
        EXIT_SUCCESS: "success, or idle: nothing had work to do",
        EXIT_PARTIAL: "partial: some of it succeeded",
        EXIT_FAILURE: "failure: nothing succeeded",
        EXIT_ERROR: "an error in the configuration, a stage that is not installed, or an error in "
        "the ledger or in pipekit itself",
    },
    example=("pipekit run --from analyzer", "the analyzer, and what comes after it"),
)
@selection_options
@set_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    sets: tuple[str, ...],
    as_json: bool,
    **selection: Any,
) -> int:
    """Run what has work to do.

    Each stage is planned when its turn comes and runs only when it has work. Results stand on
    stdout, progress and warnings on stderr. Ctrl-C or SIGTERM asks the running programs to stop and
    a second one ends them at once. The same command serves a scheduler.
    """
    report = run_project(ctx, sets, run_options(**selection))
    if as_json:
        print_json(summary(report))
    else:
        print_summary(report, ctx.obj["project"])
    return report.exit_code


def run_project(ctx: click.Context, sets: tuple[str, ...], options: RunOptions) -> PipelineReport:
    """Make one run, with Ctrl-C and SIGTERM turned into a polite stop."""
    from pipekit.process import ProcessSupervisor

    supervisor = ProcessSupervisor()
    supervisor.warm()  # beside all that is imported now, on another core
    from pipekit.orchestrator import PipelineOrchestrator
    from pipekit.process import Cancel

    with Cancel() as cancel:
        orchestrator = PipelineOrchestrator(open_selected(ctx, sets, options), options, cancel)
        with _signals(orchestrator):
            return orchestrator.run()


def open_selected(ctx: click.Context, sets: tuple[str, ...], options: RunOptions) -> Project:
    """The project. Raises UsageError where the options leave none of its stages."""
    from pipekit.project import selected

    project = open_project(ctx, sets)
    names = [stage.name for stage in project.stages]
    if not selected(project.stages, options.only, options.first, options.last):
        raise UsageError(
            f"--only, --from and --until leave no stage; they run in this order: {', '.join(names)}"
        )
    return project


def run_options(
    only: tuple[str, ...],
    first: str | None,
    last: str | None,
    dates: str | None,
    force: bool,
    rebuild: bool,
) -> RunOptions:
    """The options of the command line as the orchestrator takes them. Raises UsageError."""
    from pipekit.planning import RunOptions

    return RunOptions(
        only=only,
        first=first,
        last=last,
        dates=None if dates is None else _dates(dates),
        force=force,
        rebuild=rebuild,
    )


def _dates(text: str) -> tuple[dt.date, dt.date]:
    first, _, last = text.partition(":")
    try:
        begin, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last or first)
    except ValueError as error:
        raise UsageError(f"--dates {text!r}: write YYYY-MM-DD or YYYY-MM-DD:YYYY-MM-DD") from error
    if end < begin:
        raise UsageError(f"--dates {text!r}: the last day lies before the first")
    return begin, end


@contextmanager
def _signals(orchestrator: PipelineOrchestrator) -> Iterator[None]:
    """The first Ctrl-C, SIGTERM or closing of the terminal asks politely, the second at once."""
    codes = {signal.SIGINT: EXIT_INTERRUPTED, signal.SIGTERM: EXIT_TERMINATED}
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        codes[signal.SIGHUP] = EXIT_HANGUP  # ignored under nohup, and then left so

    def stop(number: int, _frame: FrameType | None) -> None:
        again = orchestrator.cancel.is_set()
        if not again:
            orchestrator.interrupted_exit = codes[signal.Signals(number)]
        orchestrator.cancel.set(now=again)

    before = {number: signal.signal(number, stop) for number in codes}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def summary(report: PipelineReport) -> dict[str, Any]:
    """The run in short, for `--json`."""
    return {
        "run_id": report.run_id,
        "run": report.number,
        "status": report.status,
        "exit_code": report.exit_code,
        "duration": round(report.duration, 3),
        "report": str(report.path) if report.path else None,
        "warnings": list(report.warnings),
        "stages": [
            {
                "stage": result.stage,
                "status": result.status,
                "kind": result.kind,
                "reason": result.reason,
                "error": result.error,
                "duration": round(result.duration, 3),
                "sentence": str(result),
            }
            for result in report.stages
        ],
    }


def print_summary(report: PipelineReport, project: Path | None = None) -> None:
    """A line a stage and a line for the run on stdout, then what went wrong and how to go on.

    `project`: its folder, where the command to go on with has to name it.
    """
    for result in report.stages:
        _, _, rest = str(result).partition(": ")
        rest = rest.removeprefix(f"{result.status}, ")  # it stands in front already
        say(f"{result.stage}: {rest}", f"{coloured(result.status, 10)} ")
        for line in result.error.splitlines():
            say(line, " " * 11)
    say(str(report), f"{coloured(report.status, 10)} ")
    for warning in report.warnings:
        say(f"warning: {warning}", hang=2, err=True)
    if report.path:
        click.echo(f"report: {report.path}", err=True)
    failed = [r.stage for r in report.stages if r.status in ("failure", "cancelled", "blocked")]
    if failed:
        where = f" -C {shlex.quote(str(project))}" if project else ""
        click.echo(f"to go on: pipekit{where} run --from {failed[0]}", err=True)
