"""`pipekit history`: the latest runs, from the ledger; imports no plugin."""

from __future__ import annotations

from typing import Any

import click

from pipekit.cli.common import NO_RUN, folders, json_option, open_history
from pipekit.cli.help import Command
from pipekit.cli.output import columns, print_json, print_table, when
from pipekit.model.run import Paths, PipelineState
from pipekit.model.status import PipelineStatus

_WIDE = 120  # columns from which on the id has room beside the stages


@click.command(
    "history",
    cls=Command,
    example=("pipekit history -n 5 --all", "the last five runs, idle ones too"),
)
@click.option(
    "-n", "count", type=click.IntRange(min=1), default=20, show_default=True, help="How many."
)
@click.option("--all", "with_idle", is_flag=True, help="Also the runs that had nothing to do.")
@json_option
@click.pass_context
def command(ctx: click.Context, count: int, with_idle: bool, as_json: bool) -> int:
    """List the latest runs.

    The newest stands first. Runs that had nothing to do are left out unless asked for: a scheduler
    makes many of them.
    """
    paths = folders(ctx)
    ledger = open_history(paths)
    runs: list[PipelineState] = []
    if ledger is not None:
        with ledger:
            runs = ledger.runs(limit=count if with_idle else max(count * 200, 1000))
    found = len(runs)
    if not with_idle:
        runs = [run for run in runs if run.status is not PipelineStatus.IDLE][:count]
    if as_json:
        print_json([_record(run) for run in runs])
        return 0
    head = ("run", "started", "status", "seconds", "id", "stages")
    running = _running(paths) if any(run.status is None for run in runs) else None
    rows = [_row(run, running) for run in runs]
    if (columns() or _WIDE) < _WIDE:  # the number says which run it is, `show` its id
        head, rows = _without_id(head), [_without_id(row) for row in rows]
    print_table(head, rows)
    if not runs:
        click.echo(f"idle runs left out: {found} (--all lists them)" if found else NO_RUN, err=True)
    return 0


def _running(paths: Paths) -> str | None:
    """The id of the run that holds the lock."""
    from pipekit.storage.lock import RunLock

    lock = RunLock(paths.state, "")
    holder = lock.holder() if lock.held() else None
    return holder.run_id if holder else None


def _row(run: PipelineState, running: str | None) -> tuple[object, ...]:
    seconds = "-" if run.ended is None else f"{run.ended - run.started:.1f}"
    stages = ", ".join(
        f"{name} {facts['status']}"
        for name, facts in run.stages.items()
        if facts["status"] != "skipped"
    )
    status = run.status or ("running" if run.run_id == running else "vanished")
    return run.number, when(run.started), status, seconds, run.run_id, stages


def _without_id(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return *row[:4], row[5]


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
