"""`pipekit history`: list the latest runs, from the ledger."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from pipekit.cli import complete
from pipekit.cli.common import known_folders
from pipekit.cli.help import Command
from pipekit.cli.options import json_option
from pipekit.cli.output import print_json, print_line, print_table
from pipekit.cli.pager import paged, pager_option
from pipekit.model import quantity
from pipekit.model.quantity import listed, local_time
from pipekit.model.run import Paths, PipelineState
from pipekit.model.status import DIED, REFUSED, RUNNING, PipelineStatus, StageStatus
from pipekit.read.runs import (
    RunNow,
    as_of_now,
    no_runs,
    open_history,
    refusal_record,
    refusals,
    run_record,
)
from pipekit.storage.refusals import Refusal

if TYPE_CHECKING:
    from pipekit.storage.runs import RunHistory

_WELL = (PipelineStatus.SUCCESS, PipelineStatus.IDLE, PipelineStatus.CANCELLED)
_BAD = (StageStatus.FAILURE, StageStatus.PARTIAL, StageStatus.BLOCKED)
_PAGE = 1_000  # runs that are looked at together
_NODES = 3  # of a stage, named at most
_HEAD = ("run", "started", "status", "seconds", "id", "stages")


@click.command(
    "history",
    cls=Command,
    example=("pipekit history --failed --since 7d", "what went wrong in the last seven days"),
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
@click.option("--failed", is_flag=True, help="Only runs that failed, were partial or refused.")
@click.option(
    "--since",
    metavar="WHEN",
    callback=lambda _ctx, _option, text: None if text is None else _moment(text),
    help='Only runs since then: "2026-11-28", "2026-11-28 07:00", or a duration such as "2d".',
)
@click.option(
    "--stage",
    metavar="STAGE",
    shell_complete=complete.stages,
    help="Only runs in which this stage had work.",
)
@pager_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    count: int,
    with_idle: bool,
    failed: bool,
    since: float | None,
    stage: str | None,
    no_pager: bool,
    as_json: bool,
) -> int:
    """List the latest runs.

    Newest first, with the stages that had work; those without a status succeeded. Idle runs, which
    had nothing to do, are left out by default: with a scheduler there are many of them. A run that
    was refused before it began has no number, and its reason in place of stages.
    """
    paths, problem = known_folders(ctx)
    ledger = open_history(paths)
    found: list[RunNow] = []
    idle: list[PipelineState] = []
    if ledger is not None:
        with ledger:
            chosen = _Chosen(failed, since, stage)
            found = _found(ledger, paths, count, with_idle, chosen)
            idle = [] if found else ledger.runs(limit=1)
    refused = [] if stage else [each for each in refusals(paths) if each.last >= (since or 0.0)]
    runs = _listed(found, refused)[:count]
    if as_json:
        print_json([_record(run) for run in runs])
    else:
        with paged(wanted=not no_pager):
            print_table(_HEAD, [_row(run) for run in runs], drop=("id",))
        if not runs:
            left_out = "idle runs are left out; --all includes them"
            if failed or since is not None or stage:
                left_out = "no run matches"
            print_line(left_out if idle else no_runs(paths), err=True)
    if problem is not None:
        raise problem
    return 0


class _Chosen(NamedTuple):
    """Which runs are listed. `failed`: also those that were partial, or died."""

    failed: bool = False
    since: float | None = None
    stage: str | None = None

    def __call__(self, now: RunNow) -> bool:
        run = now.run
        if self.since is not None and run.started < self.since:
            return False
        if self.failed and (run.status in _WELL or now.is_on):
            return False
        if self.stage is not None:
            status = run.stages.get(self.stage, {}).get("status", StageStatus.SKIPPED)
            if status == StageStatus.SKIPPED:
                return False
            return not self.failed or status in _BAD
        return True


def _found(
    ledger: RunHistory, paths: Paths, count: int, with_idle: bool, chosen: _Chosen
) -> list[RunNow]:
    """The latest runs that are chosen, `count` of them at most."""
    found: list[RunNow] = []
    before: int | None = None
    while len(found) < count:
        page = ledger.runs(limit=_PAGE, worked=not with_idle, before=before)
        found += [now for now in as_of_now(page, paths)[0] if chosen(now)]
        if len(page) < _PAGE:
            break
        before = page[-1].number
    return found[:count]


def _moment(text: str) -> float:
    """Unix time of a date, a date with time, or so long ago."""
    ago = quantity.seconds(text) if text[-1:].isalpha() else None
    if ago is not None:
        return time.time() - ago
    try:
        return dt.datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(
            f'expected a date such as "2026-11-28", with a time "2026-11-28 07:00", or a duration '
            f'such as "2d", got "{text}"'
        ) from None


def _listed(runs: Sequence[RunNow], refused: Iterable[Refusal]) -> list[RunNow | Refusal]:
    """Newest first, by the numbers of runs, since a clock may have been wrong; else by time."""
    found: list[RunNow | Refusal] = list(runs)
    for refusal in sorted(refused, key=lambda each: each.last):
        older = (at for at, run in enumerate(runs) if _is_older(run.run, refusal))
        found.insert(next(older, len(runs)), refusal)
    return found


def _is_older(run: PipelineState, refusal: Refusal) -> bool:
    if refusal.after is not None:
        return run.number <= refusal.after
    return run.started <= refusal.last


def _record(entry: RunNow | Refusal) -> dict[str, object]:
    if isinstance(entry, Refusal):
        return {**refusal_record(entry), "stages": {}}
    status = entry.run.status or (RUNNING if entry.is_on else DIED)
    return {**run_record(entry.run), "status": status, "stages": entry.run.stages}


def _stage(name: str, entry: Mapping[str, object]) -> str:
    """A stage, how it ended unless it succeeded, and the other machines that it used."""
    status, nodes = entry.get("status", "unknown"), entry.get("nodes")
    ended = name if status == StageStatus.SUCCESS else f"{name} {status}"
    if not isinstance(nodes, dict) or not nodes:
        return ended
    return f"{ended} on {listed(list(map(str, nodes)), _NODES, ' ')}"


def _row(entry: RunNow | Refusal) -> tuple[object, ...]:
    if isinstance(entry, Refusal):
        error, first = "; ".join(entry.error.splitlines()), local_time(entry.first)
        times = f"{entry.times} times since {first}: " if entry.times > 1 else ""
        return "-", local_time(entry.last), REFUSED, f"{'-':>7}", "-", f"{times}{error}"
    run = entry.run
    seconds = "-" if run.ended is None else f"{run.ended - run.started:.1f}"
    stages = ", ".join(
        _stage(name, entry)
        for name, entry in run.stages.items()
        if entry.get("status", "unknown") != StageStatus.SKIPPED
    )
    return run.number, local_time(run.started), entry.status, f"{seconds:>7}", run.run_id, stages
