"""`pipekit logs [RUN [STAGE]]`: print the output of a stage's programs."""

from __future__ import annotations

import codecs
import io
import os
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import click

from pipekit.cli import complete
from pipekit.cli.common import configuration, folders
from pipekit.cli.help import RUN_MEANING, Command
from pipekit.cli.output import print_line, print_output
from pipekit.cli.pager import paged, pager_option
from pipekit.errors import ConfigError, UsageError
from pipekit.model.run import Paths, PipelineState
from pipekit.model.status import StageStatus
from pipekit.read.lines import GrowingFile
from pipekit.read.live import doing
from pipekit.read.output import Output, outputs
from pipekit.read.runs import completed, find_run, is_going_on, open_history
from pipekit.storage.journal import start_of_last
from pipekit.worker._files import open_own

_PIECE = 64 * 1024  # characters read at a time
_LONGEST_LINE = 1024 * 1024  # bytes; of an incomplete last line, more is left out
_POLL_SECONDS = 0.2
_LOOKED_AT = 500  # runs among which the last one with work of a stage is looked for
_LOOK_SECONDS = 1.0  # between two looks whether a silent run is still going on


@click.command(
    "logs",
    cls=Command,
    arguments={
        "RUN": f"{RUN_MEANING} (default: the latest, for a STAGE alone the latest with work).",
        "STAGE": "A stage that took part in that run (default: all of them).",
    },
    example=("pipekit logs translator --err", "what it last printed on standard error"),
)
@click.argument("run", required=False, shell_complete=complete.runs)
@click.argument("stage", required=False, shell_complete=complete.stages)
@click.option("--err", "only", flag_value="err", help="Print only standard error.")
@click.option("--out", "only", flag_value="out", help="Print only standard output.")
@click.option(
    "-n",
    "--tail",
    "count",
    type=click.IntRange(min=1),
    metavar="COUNT",
    help="Print only the last lines of each file.",
)
@click.option("-f", "--follow", is_flag=True, help="Keep printing until the run has ended.")
@click.option("--raw", is_flag=True, help="Print the bytes as they are, to a file or a pipe.")
@pager_option
@click.pass_context
def command(
    ctx: click.Context,
    run: str | None,
    stage: str | None,
    only: str | None,
    count: int | None,
    follow: bool,
    raw: bool,
    no_pager: bool,
) -> int:
    r"""Print the output of a stage's programs.

    It goes to stdout; stderr names the file of each task before it. Control characters are shown
    as `\x1b`, so that they cannot act on the terminal; --raw prints them. A program that is
    still running has the output that it has written so far.
    """
    if raw and sys.stdout.isatty():
        raise UsageError("--raw is for files and pipes: the bytes could control this terminal")
    if raw and follow:
        raise UsageError("--raw and --follow exclude each other")
    paths = folders(ctx)
    state, stage = _run_and_stage(paths, run, stage)
    suffixes = (f".{only}",) if only else (".out", ".err")
    names = _stages(state, paths)
    if follow and state.status is None and (stage in (None, *names) or _is_to_come(ctx, stage)):
        _follow(state, paths, stage, suffixes, count)
        return 0
    if stage is not None and stage not in names:
        known = ", ".join(names) or "none yet"
        raise UsageError(
            f"stage {stage!r} did not take part in run {state.number}; its stages: {known}"
        )
    if not names:
        print_line(f"no stage has started in run {state.number}", err=True)
    with paged(wanted=not no_pager):
        for name in names if stage is None else [stage]:
            _print_stage(name, state, paths, suffixes, raw=raw, count=count)
    return 0


def _is_to_come(ctx: click.Context, stage: str | None) -> bool:
    """Whether a stage that has not begun may still begin: it is one of the project's."""
    try:
        return stage in configuration(ctx, tables=("pipeline", "stages")).stages
    except ConfigError:  # as it is now; the run has read it before
        return True


def _run_and_stage(
    paths: Paths, run: str | None, stage: str | None
) -> tuple[PipelineState, str | None]:
    """The run and the stage that are meant; a single word may be the name of a stage.

    Then it is the latest run in which the stage had work, or was running. Raises UsageError.
    """
    try:
        return find_run(paths, run), stage
    except UsageError:
        history = open_history(paths)
        if history is None or run is None or stage is not None:
            raise
        with history:
            recent = completed(history.runs(limit=_LOOKED_AT, worked=True), paths)
        for state in recent:
            if state.stages.get(run, {}).get("tasks") or _is_at(state, paths, run):
                return state, run
        raise


def _is_at(state: PipelineState, paths: Paths, stage: str) -> bool:
    now = doing(paths, state.run_id) if state.status is None else None
    return now is not None and now.stage == stage


def _stages(state: PipelineState, paths: Paths) -> list[str]:
    """The stages of a run, also the one that is running, or was when pipekit died."""
    names = dict.fromkeys(state.stages)
    now = doing(paths, state.run_id) if state.status is None else None
    if now is not None:
        names[now.stage] = None
    return list(names)


def _print_stage(
    stage: str,
    state: PipelineState,
    paths: Paths,
    suffixes: Iterable[str],
    *,
    raw: bool,
    count: int | None,
) -> None:
    printed = [each for each in _outputs(state, paths, stage, suffixes) if each.size]
    for each in printed:
        print_line(f"--- {each.name} ---", err=True)
        _print_file(each.path, raw=raw, count=count)
    if not printed:
        status = state.stages.get(stage, {}).get("status")
        why = _why_nothing(status, (paths.runs / state.run_id / stage).exists())
        print_line(f"{stage} {why} in run {state.number}", err=True)


def _outputs(
    state: PipelineState, paths: Paths, stage: str | None, suffixes: Iterable[str]
) -> list[Output]:
    found = outputs(paths, state.run_id, stage, links=True)  # which are refused in a sentence
    return sorted(each for each in found if each.path.suffix in suffixes)


def _print_file(path: Path, *, raw: bool, count: int | None) -> None:
    with open(open_own(path, os.O_RDONLY), "rb") as file:
        file.seek(_start(file, count))
        if raw:
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            text_file = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace")
            while text := text_file.read(_PIECE):
                print_output(text)


def _start(file: BinaryIO, count: int | None) -> int:
    """Where the last `count` lines begin, the last of which may be incomplete."""
    if count is None:
        return 0
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 1, 0))
    is_whole = file.read(1) == b"\n"
    if is_whole:
        return start_of_last(file, count)
    return start_of_last(file, count - 1) if count > 1 else _after_last_newline(file, size)


def _after_last_newline(file: BinaryIO, size: int) -> int:
    """Where an incomplete last line begins; in the last megabyte, however long it is."""
    first = max(size - _LONGEST_LINE, 0)
    file.seek(first)
    return first + file.read(size - first).rfind(b"\n") + 1


class _Followed:
    """A file of output that grows, and what has been printed of it."""

    def __init__(self, path: Path, count: int | None) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        with open(open_own(path, os.O_RDONLY), "rb") as file:
            self._file = GrowingFile(path, _start(file, count))

    def news(self) -> str:
        """What it has had since, a piece of it."""
        return self._decoder.decode(self._file.read(_PIECE))


def _follow(
    state: PipelineState,
    paths: Paths,
    stage: str | None,
    suffixes: Iterable[str],
    count: int | None,
) -> None:
    """Print the output of a run as it grows, until it has ended; each file by its name."""
    files: dict[Path, _Followed] = {}
    last, looked, is_on = None, time.monotonic(), True
    while True:
        for each in _outputs(state, paths, stage, suffixes):
            if each.path not in files:
                files[each.path] = _Followed(each.path, count)
        count = None  # of files that come later, all is printed
        printed = False
        for path, file in files.items():
            while text := file.news():
                if path != last:
                    name = path.relative_to(paths.runs / state.run_id).as_posix()
                    print_line(f"--- {name} ---", err=True)
                    last = path
                print_output(text)
                printed = True
        if printed:
            sys.stdout.flush()
            continue
        if not is_on:
            return
        time.sleep(_POLL_SECONDS)
        if time.monotonic() - looked > _LOOK_SECONDS:
            looked = time.monotonic()
            is_on = is_going_on(paths, state.run_id)  # what it wrote before is read once more


def _why_nothing(status: str | None, is_kept: bool) -> str:
    if is_kept:
        return "printed nothing" if status else "has printed nothing so far"
    if status in (StageStatus.SKIPPED, StageStatus.BLOCKED):
        return f"was {status} and started no program"
    if status in (StageStatus.SUCCESS, StageStatus.PARTIAL):
        return "no longer has its output ([retention] or somebody removed it)"
    return "started no program, or no longer has its output ([retention] or somebody removed it),"
