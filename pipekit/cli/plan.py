"""`pipekit plan`: what a run would do now, and why; writes nothing."""

from __future__ import annotations

import shlex
from typing import Any

import click

from pipekit.cli.common import asked, json_option, set_option
from pipekit.cli.help import Command
from pipekit.cli.output import coloured, print_json, say, styled
from pipekit.cli.run import selection_options
from pipekit.cli.running import open_selected, run_options
from pipekit.errors import EXIT_ERROR, EXIT_FAILURE
from pipekit.model.stage import StagePlan
from pipekit.run.planning import CannotPlan, Decision, Execute

_INDENT = " " * 11  # below a stage's name


@click.command(
    "plan",
    cls=Command,
    exits={
        EXIT_FAILURE: "a plan cannot be made; the stage and the reason are named",
        EXIT_ERROR: "an error in the configuration, a stage that is not installed, or an error in "
        "the ledger or in pipekit itself",
    },
    example=("pipekit plan --only translator -v", "its commands and its input files"),
)
@selection_options
@set_option
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Print the commands and the inputs.")
@click.pass_context
def command(
    ctx: click.Context, /, sets: tuple[str, ...], as_json: bool, verbose: bool, **selection: Any
) -> int:
    """Say what a run would do now, and why.

    Nothing is run and nothing is written. A stage that depends on what would change is planned when
    the stages before it have run.
    """
    from pipekit.run.orchestrator import PipelineOrchestrator

    options = run_options(**selection)
    orchestrator = PipelineOrchestrator(open_selected(asked(ctx, sets), options), options)
    results = orchestrator.plan()
    for broken in orchestrator.project.plugins.broken:
        click.echo(f"warning: {broken}", err=True)
    if as_json:
        print_json([_record(result) for result in results])
        return _exit_code(results)
    for result in results:
        _print(result, verbose)
    return _exit_code(results)


def _exit_code(results: list[Decision]) -> int:
    return EXIT_FAILURE if any(isinstance(r, CannotPlan) for r in results) else 0


def _print(result: Decision, verbose: bool) -> None:
    runs = isinstance(result, Execute)
    word = styled("run".ljust(10), fg="cyan") if runs else coloured(result.action, 10)
    say(f"{result.stage}: {result.reason}", f"{word} ")
    if result.plan is None:
        return
    for text in result.plan.warnings:
        say(f"warning: {text}", _INDENT)
    for path in result.plan.waiting:
        say(f"waiting: {path} is still being written", _INDENT)
    for known in result.plan.rejected:
        say(f"rejected before: {known.path}: {known.reason}", _INDENT)
    if verbose:
        for task in result.plan.tasks:
            click.echo(f"{_INDENT}task {task.name}: {shlex.join(task.command.argv)}")
        for item in result.plan.inputs:
            say(f"input {item.path} ({item.why})", _INDENT)


def _record(result: Decision) -> dict[str, Any]:
    plan = result.plan if result.plan is not None else StagePlan(reason="")
    return {
        "stage": result.stage,
        "action": result.action,
        "reason": "" if isinstance(result, CannotPlan) else result.reason,
        "error": result.reason if isinstance(result, CannotPlan) else "",
        "tasks": [
            {"task": t.name, "command": list(t.command.argv), "units": list(t.units)}
            for t in plan.tasks
        ],
        "inputs": [{"path": i.path, "why": i.why} for i in plan.inputs],
        "waiting": list(plan.waiting),
        "rejected": [{"path": c.path, "reason": c.reason} for c in plan.rejected],
        "warnings": list(plan.warnings),
    }
