"""`pipekit logs RUN STAGE`: print the output of a stage's programs, byte for byte."""

from __future__ import annotations

import shutil
import sys

import click

from pipekit.cli.common import find_run, folders
from pipekit.cli.help import RUN_MEANING, Command
from pipekit.errors import UsageError
from pipekit.model.status import StageStatus


@click.command(
    "logs",
    cls=Command,
    arguments={"RUN": f"{RUN_MEANING}.", "STAGE": "A stage that took part in that run."},
    example=("pipekit logs 12 translator --err", "its standard error in run 12"),
)
@click.argument("run")
@click.argument("stage")
@click.option("--err", "only", flag_value="err", help="Print only standard error.")
@click.option("--out", "only", flag_value="out", help="Print only standard output.")
@click.pass_context
def command(ctx: click.Context, run: str, stage: str, only: str | None) -> int:
    """Print the output of a stage's programs.

    The bytes of a run's programs go to stdout as they are; stderr names the file of each task
    before them.
    """
    paths = folders(ctx)
    state = find_run(paths, run)
    if stage not in state.stages:
        names = ", ".join(state.stages) or "none yet"
        raise UsageError(
            f"stage {stage!r} did not take part in run {state.number}; its stages: {names}"
        )
    folder = paths.runs / state.run_id / stage
    suffixes = (f".{only}",) if only else (".out", ".err")
    outputs = sorted(path for path in folder.glob("*") if path.suffix in suffixes)
    printed = [path for path in outputs if path.stat().st_size]
    for path in printed:
        click.echo(f"--- {path.name} ---", err=True)
        with open(path, "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    if not printed:
        status = state.stages[stage]["status"]
        click.echo(f"{stage} {_why_nothing(status, bool(outputs))} in run {state.number}", err=True)
    return 0


def _why_nothing(status: str, is_kept: bool) -> str:
    if status in (StageStatus.SKIPPED, StageStatus.BLOCKED):
        return f"was {status} and started no program"
    return "printed nothing" if is_kept else "no longer has its output (see [retention])"
