"""`pipekit run`: one run of the pipeline, by hand or by the operating system's scheduler."""

from __future__ import annotations

import datetime as dt
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from pipekit.cli.common import coloured, json_option, open_project, print_json, set_option
from pipekit.errors import EXIT_HANGUP, EXIT_INTERRUPTED, EXIT_TERMINATED, UsageError

if TYPE_CHECKING:
    from pipekit.model.run import PipelineReport
    from pipekit.orchestrator import PipelineOrchestrator
    from pipekit.planning import RunOptions


def selection_options(command: Any) -> Any:
    """The options that say what a run, or a plan, is about."""
    for option in (
        click.option("--rebuild", is_flag=True, help="Make outputs anew."),
        click.option("--force", is_flag=True, help="Take known inputs as if they were new."),
        click.option("--dates", metavar="FIRST[:LAST]", help="Only these days (YYYY-MM-DD)."),
        click.option("--until", "last", metavar="STAGE", help="Stop after this stage."),
        click.option("--from", "first", metavar="STAGE", help="Begin with this stage."),
        click.option("--only", multiple=True, metavar="STAGE", help="Only this stage."),
    ):
        command = option(command)
    return command


@click.command("run", help="Run what has work to do, supervised, and say what happened.")
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
    """Exit codes: 0 success or idle, 1 partial, 2 failure, 3 error, 75 locked, 130, 143."""
    report = run_project(ctx, sets, run_options(**selection))
    if as_json:
        print_json(summary(report))
    else:
        print_summary(report)
    return report.exit_code


def run_project(ctx: click.Context, sets: tuple[str, ...], options: RunOptions) -> PipelineReport:
    """Make one run, with Ctrl-C and SIGTERM turned into a polite stop."""
    from pipekit.process import ProcessSupervisor

    supervisor = ProcessSupervisor()
    supervisor.warm()  # beside all that is imported now, on another core
    from pipekit.orchestrator import PipelineOrchestrator
    from pipekit.process import Cancel

    with Cancel() as cancel:
        orchestrator = PipelineOrchestrator(open_project(ctx, sets), options, cancel)
        with _signals(orchestrator):
            return orchestrator.run()


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


def print_summary(report: PipelineReport) -> None:
    """A line a stage and a line for the run on stdout, then what went wrong and how to go on."""
    for result in report.stages:
        _, _, rest = str(result).partition(": ")
        rest = rest.removeprefix(f"{result.status}, ")  # it stands in front already
        click.echo(f"{coloured(result.status, 10)} {result.stage}: {rest}")
        if result.error:
            for line in result.error.splitlines():
                click.echo(f"           {line}")
    click.echo(f"{coloured(report.status, 10)} {report}")
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    if report.path:
        click.echo(f"report: {report.path}", err=True)
    failed = [r.stage for r in report.stages if r.status in ("failure", "cancelled", "blocked")]
    if failed:
        click.echo(f"to go on: pipekit run --from {failed[0]}", err=True)
