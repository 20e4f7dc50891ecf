"""`pipekit logs RUN STAGE`: what a stage's programs wrote, byte for byte; imports no plugin."""

from __future__ import annotations

import shutil
import sys

import click

from pipekit.cli.common import find_run, folders, open_history
from pipekit.cli.help import A_RUN, Command
from pipekit.errors import UsageError


@click.command(
    "logs",
    cls=Command,
    arguments={"RUN": f"{A_RUN}.", "STAGE": "A stage that has a part in that run."},
    example=("pipekit logs 12 translator --err", "what it wrote to stderr in run 12"),
)
@click.argument("run")
@click.argument("stage")
@click.option("--err", "only", flag_value="err", help="Only standard error.")
@click.option("--out", "only", flag_value="out", help="Only standard output.")
@click.pass_context
def command(ctx: click.Context, run: str, stage: str, only: str | None) -> int:
    """Print what a stage's programs wrote in a run.

    Byte for byte on stdout; the name of each task's file stands before it on stderr.
    """
    paths = folders(ctx)
    state = find_run(open_history(paths), run)
    if stage not in state.stages:
        there = ", ".join(state.stages) or "none"
        raise UsageError(f"stage {stage!r} has no part in run {state.number}; there are: {there}")
    folder = paths.runs / state.run_id / stage
    wanted = (f".{only}",) if only else (".out", ".err")
    spools = sorted(p for p in folder.glob("*") if p.suffix in wanted)
    for spool in spools:
        if spool.stat().st_size:
            click.echo(f"--- {spool.name} ---", err=True)
            with open(spool, "rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    if not spools:
        click.echo(
            f"there is no output of {stage} in run {state.number}: nothing was written, "
            "or it has gone (see [retention])",
            err=True,
        )
    return 0
