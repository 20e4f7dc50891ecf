"""`pipekit plan`: show what a run would do now, and why; writes nothing."""

from __future__ import annotations

from typing import Any

import click

from pipekit.cli.help import Command
from pipekit.cli.options import json_option, set_option
from pipekit.cli.output import coloured, print_json, print_line, print_text
from pipekit.cli.selection import open_orchestrator, selection_options
from pipekit.errors import EXIT_ERROR, EXIT_FAILURE
from pipekit.model.quantity import plural
from pipekit.model.stage import StagePlan
from pipekit.model.system import command_line
from pipekit.run.decision import CannotPlan, Decision

_INDENT = " " * 11  # below a stage's name
_WAITING_SHOWN = 3  # files, without --verbose


@click.command(
    "plan",
    cls=Command,
    exits={
        EXIT_FAILURE: "a stage cannot be planned; its name and the reason are printed",
        EXIT_ERROR: "an invalid configuration, a stage that is not installed, an unusable ledger, "
        "or an internal error",
    },
    example=("pipekit plan --only translator -v", "its commands and input files"),
)
@selection_options
@set_option
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Print commands and input files.")
@click.pass_context
def command(
    ctx: click.Context, /, sets: tuple[str, ...], as_json: bool, verbose: bool, **selection: Any
) -> int:
    """Show what a run would do now, and why.

    Nothing is run and nothing is written. A stage that depends on the output of another one can
    only be planned once that one has run.
    """
    orchestrator = open_orchestrator(ctx, sets, **selection)
    decisions = orchestrator.plan()
    for broken in orchestrator.project.plugins.broken:
        print_line(f"warning: {broken}", err=True)
    if as_json:
        print_json([_record(decision) for decision in decisions])
    else:
        for decision in decisions:
            _print(decision, verbose)
    return EXIT_FAILURE if any(isinstance(d, CannotPlan) for d in decisions) else 0


def _print(decision: Decision, verbose: bool) -> None:
    print_text(f"{decision.stage}: {decision.reason}", f"{coloured(decision.action, 10)} ")
    for text in decision.backing_off:
        print_text(text, _INDENT)
    plan = decision.plan
    if plan is None:
        return
    for text in plan.warnings:
        print_text(f"warning: {text}", _INDENT)
    for path in plan.waiting if verbose else plan.waiting[:_WAITING_SHOWN]:
        print_text(f"waiting: {path} is still being written", _INDENT)
    if len(plan.waiting) > _WAITING_SHOWN and not verbose:
        more = plural(len(plan.waiting) - _WAITING_SHOWN, "more file")
        print_line(f"{_INDENT}waiting: {more} (--verbose lists them)")
    for known in plan.rejected:
        print_text(f"rejected before: {known.path}: {known.reason}", _INDENT)
    if verbose:
        for task in plan.tasks:
            print_line(f"{_INDENT}task {task.name}: {command_line(task.command.argv)}")
        for item in plan.inputs:
            print_text(f"input {item.path} ({item.why})", _INDENT)


def _record(decision: Decision) -> dict[str, Any]:
    plan = decision.plan if decision.plan is not None else StagePlan(reason="")
    failed = isinstance(decision, CannotPlan)
    return {
        "stage": decision.stage,
        "action": decision.action,
        "reason": "" if failed else decision.reason,
        "error": decision.reason if failed else "",
        "tasks": [
            {"task": t.name, "command": list(t.command.argv), "units": list(t.units)}
            for t in plan.tasks
        ],
        "inputs": [{"path": i.path, "why": i.why} for i in plan.inputs],
        "waiting": list(plan.waiting),
        "backing_off": list(decision.backing_off),
        "rejected": [{"path": c.path, "reason": c.reason} for c in plan.rejected],
        "warnings": list(plan.warnings),
    }
