"""`pipekit events`: print the journal of a run, or follow it as it grows."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from pipekit.cli import complete
from pipekit.cli.common import folders
from pipekit.cli.help import RUN_MEANING, Command
from pipekit.cli.output import print_json, print_line, print_text
from pipekit.cli.pager import paged, pager_option
from pipekit.errors import StorageError, UsageError
from pipekit.model.event import RUN_ENDS
from pipekit.model.run import Paths, PipelineState
from pipekit.read.lines import GrowingFile
from pipekit.read.runs import RunNow, as_of_now, find_run
from pipekit.storage.journal import parsed_record, start_of_last
from pipekit.worker._files import open_own

_POLL_SECONDS = 0.2
_LOOK_SECONDS = 2.0  # between two looks whether a silent run is still going on
_PAGE = 1000  # events printed by default
_BLOCK = 1024 * 1024  # bytes read at a time

Event = dict[str, Any]


@click.command(
    "events",
    cls=Command,
    arguments={"RUN": f"{RUN_MEANING} (default: the latest)."},
    example=("pipekit events --follow", "what the current run is doing"),
)
@click.argument("run", required=False, shell_complete=complete.runs)
@click.option("-f", "--follow", is_flag=True, help="Keep printing until the run has ended.")
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=1),
    metavar="COUNT",
    help=f"Begin with the last events (default: {_PAGE}; with --json, all of them).",
)
@click.option("--all", "every", is_flag=True, help="Print all events, also of a long run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@pager_option
@click.pass_context
def command(
    ctx: click.Context,
    run: str | None,
    follow: bool,
    count: int | None,
    every: bool,
    as_json: bool,
    no_pager: bool,
) -> int:
    """Print the events of a run.

    Oldest first; of a long run, the last ones.
    """
    if every and count is not None:
        raise UsageError("-n and --all exclude each other")
    if count is None and not (every or as_json):
        count = _PAGE
    paths = folders(ctx)
    state = find_run(paths, run)
    path = paths.journal(state.run_id)
    if path.exists():
        with paged(wanted=not (no_pager or follow or as_json)):
            for event in _events(path, paths, state, count, follow=follow and state.status is None):
                if as_json:
                    print_json(event, indent=None)
                else:
                    print_text(_line(event), hang=4)
    elif state.status is None:
        print_line(f"run {state.number} has written no event so far", err=True)
    else:
        raise StorageError(
            f"the journal of run {state.number} is gone: [retention] removes old ones, or somebody "
            "has removed it"
        )
    return 0


def _events(
    path: Path, paths: Paths, state: PipelineState, count: int | None, *, follow: bool
) -> Iterator[Event]:
    """The events of a journal, or its last `count`; damaged and incomplete lines are left out."""
    with open(open_own(path, os.O_RDONLY), "rb") as file:
        start = 0 if count is None else start_of_last(file, count)
        if start and count == _PAGE:
            print_line("earlier events are left out; --all prints them", err=True)
        if not follow:
            file.seek(start)
            yield from _up_to_the_end(file)
            return
    yield from _followed(GrowingFile(path, start), paths, state)


def _up_to_the_end(file: BinaryIO) -> Iterator[Event]:
    """The events of a file, up to the last of the run."""
    rest = b""
    while block := file.read(_BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        for event in filter(None, map(parsed_record, lines)):
            yield event
            if _is_end(event):
                return


def _is_end(event: Event) -> bool:
    return event.get("stage") == "pipeline" and str(event.get("event")) in RUN_ENDS


def _followed(file: GrowingFile, paths: Paths, state: PipelineState) -> Iterator[Event]:
    """The events of a journal as it grows, also if it is deleted and written again."""
    looked, now = time.monotonic(), RunNow(state, is_on=True)
    rest, replaced = b"", 0
    while True:
        block = file.read(_BLOCK)
        if file.replaced != replaced:
            rest, replaced = b"", file.replaced
        *lines, rest = (rest + block).split(b"\n")
        for event in filter(None, map(parsed_record, lines)):
            yield event
            if _is_end(event):
                return
        if block:
            continue
        if not now.is_on:  # this was read after it had ended
            break
        time.sleep(_POLL_SECONDS)
        if time.monotonic() - looked > _LOOK_SECONDS:
            ((now, *_), _) = as_of_now([state], paths)
            looked = time.monotonic()
    died = "died; the next run closes it"
    how = died if now.is_dead else f"has ended: {now.status}; its journal does not say so"
    print_line(f"run {state.number} {how}", err=True)


def _line(event: Event) -> str:
    data = event.get("data")
    data = data if isinstance(data, dict) else {}
    text = event.get("msg") or " ".join(f"{key}={value}" for key, value in data.items())
    when, stage, kind = (str(event.get(key, "-")) for key in ("timestamp", "stage", "event"))
    return f"{when} {stage:<12} {kind:<11} {text}"
