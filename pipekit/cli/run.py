"""`pipekit run`: one run of the pipeline, by hand or by the operating system's scheduler."""

from __future__ import annotations

from typing import Any

import click

from pipekit.cli.common import asked, json_option, set_option
from pipekit.cli.exits import told
from pipekit.cli.help import OF_RUNS, Command
from pipekit.cli.output import print_json
from pipekit.cli.running import print_summary, run_project, summary
from pipekit.errors import EXIT_ERROR, EXIT_FAILURE, EXIT_PARTIAL, EXIT_SUCCESS


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
    report = run_project(asked(ctx, sets), **selection)
    with told():
        if as_json:
            print_json(summary(report))
        else:
            print_summary(report, ctx.obj["project"])
    return report.exit_code
