"""`pipekit lifecycle plan`: show which files may be removed; touches nothing."""

from __future__ import annotations

import time

import click

from pipekit.cli.common import json_option, open_project
from pipekit.cli.help import Command, Group
from pipekit.cli.output import print_json, print_line, print_text
from pipekit.run.lifecycle import Proposal, review
from pipekit.run.orchestrator import PipelineOrchestrator
from pipekit.storage.database import ledger_exists
from pipekit.storage.ledger import Ledger


@click.group(
    "lifecycle",
    cls=Group,
    example=("pipekit lifecycle plan", "what may be removed now"),
)
def command() -> None:
    """Show which files may be removed, and why others may not.

    Nothing is moved or deleted.
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

    Each proposal is shown with its reason, or with the reason why the file has to stay. A run makes
    the same list at its end. Nothing is moved or deleted.
    """
    project = open_project(ctx)
    database = project.paths.state / "state.db"
    if not ledger_exists(database):
        print_line("no runs yet, so no file may be removed", err=True)
        if as_json:
            print_json([])
        return 0
    plans = {decision.stage: decision.plan for decision in PipelineOrchestrator(project).plan()}
    with Ledger(database, read_only=True) as ledger:
        found = review(project, ledger, plans, now=time.time())
    for problem in found.broken:
        print_line(f"warning: {problem}", err=True)
    if as_json:
        print_json([proposal.record() for proposal in found.proposals])
    elif found.proposals:
        for proposal in found.proposals:
            _print(proposal)
    elif project.policies:
        print_line("no file may be removed now")
    else:
        print_line("no policy is configured; add [[lifecycle.rules]] to pipekit.toml")
    return 0


def _print(proposal: Proposal) -> None:
    action = proposal.action
    outcome = f"refused: {proposal.refused}" if proposal.refused else action.reason
    print_text(f"{action.path}: {outcome}", f"{action.kind:<8} ")
