"""`pipekit lifecycle plan`: which files may go, and why others may not; touches nothing."""

from __future__ import annotations

import time

import click

from pipekit.cli.common import json_option, open_project
from pipekit.cli.help import Command, Group
from pipekit.cli.output import print_json, say


@click.group(
    "lifecycle",
    cls=Group,
    example=("pipekit lifecycle plan", "what could go now"),
)
def command() -> None:
    """Show which files may go, and why others may not.

    Proposals only: nothing is moved or deleted.
    """


@command.command(
    "plan",
    cls=Command,
    example=("pipekit lifecycle plan --json", "the same for a program"),
)
@json_option
@click.pass_context
def plan(ctx: click.Context, as_json: bool) -> int:
    """List what the policies propose now.

    Touches nothing. It is the same look that a run takes at its end: each proposal with its reason,
    or with the reason why the file has to stay.
    """
    from pipekit.run.lifecycle import review
    from pipekit.run.orchestrator import PipelineOrchestrator
    from pipekit.storage.ledger import Ledger

    project = open_project(ctx)
    database = project.paths.state / "state.db"
    if not database.exists():
        click.echo("no run has been made here yet, so nothing may go", err=True)
        if as_json:
            print_json([])
        return 0
    plans = {decision.stage: decision.plan for decision in PipelineOrchestrator(project).plan()}
    with Ledger(database, read_only=True) as ledger:
        found = review(project, ledger, plans, now=time.time())
    decisions = found.proposals
    for problem in found.problems:
        click.echo(f"warning: {problem}", err=True)
    if as_json:
        print_json([decision.record() for decision in decisions])
        return 0
    for decision in decisions:
        said = f"refused: {decision.refused}" if decision.refused else decision.action.reason
        say(f"{decision.action.path}: {said}", f"{decision.action.kind:<8} ")
    if not decisions:
        click.echo(
            "no policy proposes anything"
            if project.policies
            else "no policy is configured: [[lifecycle.rules]] in pipekit.toml switch one on"
        )
    return 0
