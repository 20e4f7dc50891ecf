"""`pipekit history`: the latest runs, from the ledger; imports no plugin."""

from __future__ import annotations

import click

from pipekit.cli.common import (
    json_option,
    open_history,
    outline,
    print_json,
    print_table,
    when,
)
from pipekit.model.state import PipelineState, PipelineStatus


@click.command("history", help="List the latest runs, newest first.")
@click.option("-n", "count", default=20, show_default=True, help="How many.")
@click.option("--all", "with_idle", is_flag=True, help="Also the runs that had nothing to do.")
@json_option
@click.pass_context
def command(ctx: click.Context, count: int, with_idle: bool, as_json: bool) -> int:
    """Idle runs are left out unless asked for: there are many of them."""
    ledger = open_history(outline(ctx).folders)
    runs: list[PipelineState] = []
    if ledger is not None:
        with ledger:
            runs = ledger.runs(limit=count if with_idle else max(count * 200, 1000))
    if not with_idle:
        runs = [run for run in runs if run.status is not PipelineStatus.IDLE][:count]
    if as_json:
        print_json([_record(run) for run in runs])
        return 0
    head = ("run", "started", "status", "seconds", "stages", "id")
    print_table(head, [_row(run) for run in runs])
    return 0


def _row(run: PipelineState) -> tuple[object, ...]:
    seconds = "-" if run.ended is None else f"{run.ended - run.started:.1f}"
    stages = ", ".join(
        f"{name} {facts['status']}"
        for name, facts in run.stages.items()
        if facts["status"] != "skipped"
    )
    return run.number, when(run.started), run.status or "no end", seconds, stages, run.run_id


def _record(run: PipelineState) -> dict[str, object]:
    return {
        "run": run.number,
        "run_id": run.run_id,
        "started": run.started,
        "ended": run.ended,
        "status": run.status,
        "exit_code": run.exit_code,
        "stages": run.stages,
    }
