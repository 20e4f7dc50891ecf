"""`pipekit logs [RUN [STAGE]]`: print the output of a stage's programs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from pipekit.cli.common import find_run, folders
from pipekit.cli.help import RUN_MEANING, Command
from pipekit.cli.live import doing
from pipekit.cli.output import print_line, print_output
from pipekit.errors import UsageError
from pipekit.model.run import Paths, PipelineState
from pipekit.model.status import StageStatus
from pipekit.worker._files import open_own

_PIECE = 64 * 1024  # characters read at a time


@click.command(
    "logs",
    cls=Command,
    arguments={
        "RUN": f"{RUN_MEANING} (default: the latest).",
        "STAGE": "A stage that took part in that run (default: all of them).",
    },
    example=("pipekit logs 12 translator --err", "its standard error in run 12"),
)
@click.argument("run", required=False)
@click.argument("stage", required=False)
@click.option("--err", "only", flag_value="err", help="Print only standard error.")
@click.option("--out", "only", flag_value="out", help="Print only standard output.")
@click.option("--raw", is_flag=True, help="Print the bytes as they are, to a file or a pipe.")
@click.pass_context
def command(
    ctx: click.Context, run: str | None, stage: str | None, only: str | None, raw: bool
) -> int:
    r"""Print the output of a stage's programs.

    It goes to stdout; stderr names the file of each task before it. Control characters are shown
    as `\x1b`, so that they cannot act on the terminal; --raw prints them. A program that is
    still running has the output that it has written so far.
    """
    if raw and sys.stdout.isatty():
        raise UsageError("--raw is for files and pipes: the bytes could control this terminal")
    paths = folders(ctx)
    state = find_run(paths, run)
    names = _stages(state, paths)
    if stage is not None and stage not in names:
        known = ", ".join(names) or "none yet"
        raise UsageError(
            f"stage {stage!r} did not take part in run {state.number}; its stages: {known}"
        )
    if not names:
        print_line(f"no stage has started in run {state.number}", err=True)
    for name in names if stage is None else [stage]:
        _print_stage(name, state, paths, (f".{only}",) if only else (".out", ".err"), raw=raw)
    return 0


def _stages(state: PipelineState, paths: Paths) -> list[str]:
    """The stages of a run, also the one that is running, or was when pipekit died."""
    names = dict.fromkeys(state.stages)
    now = doing(paths, state.run_id) if state.status is None else None
    if now is not None:
        names[now.stage] = None
    return list(names)


def _print_stage(
    stage: str, state: PipelineState, paths: Paths, suffixes: Iterable[str], *, raw: bool
) -> None:
    folder = paths.runs / state.run_id / stage
    outputs = sorted(path for path in folder.glob("*") if path.suffix in suffixes)
    printed = [path for path in outputs if path.lstat().st_size]
    for path in printed:
        print_line(f"--- {path.name} ---", err=True)
        _print_file(path, raw=raw)
    if not printed:
        status = state.stages.get(stage, {}).get("status")
        why = _why_nothing(status, folder.exists())
        print_line(f"{stage} {why} in run {state.number}", err=True)


def _print_file(path: Path, *, raw: bool) -> None:
    if raw:
        with open(open_own(path, os.O_RDONLY), "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    else:
        own = open_own(path, os.O_RDONLY)
        with open(own, encoding="utf-8", errors="backslashreplace") as file:
            while text := file.read(_PIECE):
                print_output(text)


def _why_nothing(status: str | None, is_kept: bool) -> str:
    if is_kept:
        return "printed nothing" if status else "has printed nothing so far"
    if status in (StageStatus.SKIPPED, StageStatus.BLOCKED):
        return f"was {status} and started no program"
    if status in (StageStatus.SUCCESS, StageStatus.PARTIAL):
        return "no longer has its output (see [retention])"
    return "started no program, or no longer has its output (see [retention]),"
