"""`pipekit history`: list the latest runs, from the ledger."""

from __future__ import annotations

import click

from pipekit.cli.common import NO_RUN, folders, json_option, lock_holder, open_history, run_record
from pipekit.cli.help import Command
from pipekit.cli.output import (
    DIED,
    RUNNING,
    local_time,
    plural,
    print_json,
    print_table,
)
from pipekit.model.run import PipelineState
from pipekit.model.status import PipelineStatus, StageStatus

_LOOKED_AT = 200  # runs read for each that is to be listed: most of them may be idle
_HEAD = ("run", "started", "status", "seconds", "id", "stages")


@click.command(
    "history",
    cls=Command,
    example=("pipekit history -n 5 --all", "the last five runs, idle ones included"),
)
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=1),
    metavar="COUNT",
    default=20,
    show_default=True,
    help="Number of runs.",
)
@click.option("--all", "with_idle", is_flag=True, help="Include runs that had nothing to do.")
@json_option
@click.pass_context
def command(ctx: click.Context, count: int, with_idle: bool, as_json: bool) -> int:
    """List the latest runs.

    Newest first. Idle runs, which had nothing to do, are left out by default: with a scheduler
    there are many of them.
    """
    paths = folders(ctx)
    ledger = open_history(paths)
    found: list[PipelineState] = []
    if ledger is not None:
        with ledger:
            found = ledger.runs(limit=count if with_idle else max(count * _LOOKED_AT, 1000))
    runs = [run for run in found if with_idle or run.status is not PipelineStatus.IDLE][:count]
    if as_json:
        print_json([{**run_record(run), "stages": run.stages} for run in runs])
        return 0
    holder = lock_holder(paths) if any(run.status is None for run in runs) else None
    current = holder.run_id if holder else ""
    print_table(_HEAD, [_row(run, current) for run in runs], drop=("id",))
    if not runs:
        idle = f"{plural(len(found), 'idle run')} left out; --all includes idle runs"
        click.echo(idle if found else NO_RUN, err=True)
    return 0


def _row(run: PipelineState, current: str) -> tuple[object, ...]:
    seconds = "-" if run.ended is None else f"{run.ended - run.started:.1f}"
    stages = ", ".join(
        f"{name} {entry['status']}"
        for name, entry in run.stages.items()
        if entry["status"] != StageStatus.SKIPPED
    )
    status = run.status or (RUNNING if run.run_id == current else DIED)
    return run.number, local_time(run.started), status, seconds, run.run_id, stages
