"""`pipekit history`: list the latest runs, from the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from pipekit.cli.common import (
    completed,
    json_option,
    known_folders,
    lock_holder,
    no_runs,
    open_history,
    refusal_record,
    refusals,
    run_record,
)
from pipekit.cli.help import Command
from pipekit.cli.output import (
    DIED,
    REFUSED,
    RUNNING,
    local_time,
    print_json,
    print_line,
    print_table,
)
from pipekit.model.run import PipelineState
from pipekit.model.status import StageStatus
from pipekit.storage.refusals import Refusal

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
    there are many of them. A run that was refused before it began has no number, and its reason in
    place of stages.
    """
    paths, problem = known_folders(ctx)
    ledger = open_history(paths)
    found: list[PipelineState] = []
    idle: list[PipelineState] = []
    if ledger is not None:
        with ledger:
            found = completed(ledger.runs(limit=count, worked=not with_idle), paths)
            idle = [] if found else ledger.runs(limit=1)
    runs = _listed(found, refusals(paths))[:count]
    if as_json:
        print_json([_record(run) for run in runs])
    else:
        unfinished = any(isinstance(run, PipelineState) and run.status is None for run in runs)
        holder = lock_holder(paths) if unfinished else None
        current = holder.run_id if holder else ""
        print_table(_HEAD, [_row(run, current) for run in runs], drop=("id",))
        if not runs:
            left_out = "idle runs are left out; --all includes them"
            print_line(left_out if idle else no_runs(paths), err=True)
    if problem is not None:
        raise problem
    return 0


def _listed(
    runs: Sequence[PipelineState], refused: Iterable[Refusal]
) -> list[PipelineState | Refusal]:
    """Newest first: runs by their numbers, since a clock may have been wrong; refusals by time."""
    listed: list[PipelineState | Refusal] = list(runs)
    for refusal in sorted(refused, key=lambda each: each.last):
        older = (at for at, run in enumerate(runs) if run.started <= refusal.last)
        listed.insert(next(older, len(runs)), refusal)
    return listed


def _record(run: PipelineState | Refusal) -> dict[str, object]:
    if isinstance(run, Refusal):
        return {**refusal_record(run), "stages": {}}
    return {**run_record(run), "stages": run.stages}


def _row(run: PipelineState | Refusal, current: str) -> tuple[object, ...]:
    if isinstance(run, Refusal):
        error = "; ".join(run.error.splitlines())
        times = f"{run.times} times since {local_time(run.first)}: " if run.times > 1 else ""
        return "-", local_time(run.last), REFUSED, "-", "-", f"{times}{error}"
    seconds = "-" if run.ended is None else f"{run.ended - run.started:.1f}"
    stages = ", ".join(
        f"{name} {entry.get('status', 'unknown')}"
        for name, entry in run.stages.items()
        if entry.get("status") != StageStatus.SKIPPED
    )
    status = run.status or (RUNNING if run.run_id == current else DIED)
    return run.number, local_time(run.started), status, seconds, run.run_id, stages
