"""`pipekit schedule show`: when runs start, when they did, and which starts were missed."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import click

from pipekit.cli.help import Command
from pipekit.cli.options import json_option
from pipekit.cli.output import print_json, print_line, print_table, print_text
from pipekit.cli.schedule.job import schedule_settings
from pipekit.model.quantity import local_time, plural
from pipekit.model.run import Paths, PipelineState
from pipekit.read.runs import as_of_now, completed, current_hold, open_history, refusals, run_record
from pipekit.read.schedule import job_of, start_after
from pipekit.schedule import choice
from pipekit.schedule.job import Job
from pipekit.schedule.missed import Starts, look_for
from pipekit.schedule.scheduler import Installed, Scheduler
from pipekit.storage.hold import Hold, HoldFile

_DAY = 86_400.0
_SHOWN = 5  # starts, and missed ones


@click.command(
    "show",
    cls=Command,
    example=("pipekit schedule show --json", "the same for a program"),
)
@json_option
@click.pass_context
def show(ctx: click.Context, as_json: bool) -> int:
    """Show when runs start, when they did, and which starts were missed.

    A start of the last 24 hours is missed if there was no run, no held start and no refusal then.
    """
    found = examine(ctx)
    if as_json:
        print_json(_record(found))
    else:
        _print(found)
    return 0


class Schedule(NamedTuple):
    """How a project is scheduled. `installed`: in which schedulers, and as what.

    `next`: Unix time, None if it is not known. `runs`: newest first. `starts`: of a day.
    """

    job: Job
    installed: list[tuple[Scheduler, Installed]]
    runs: list[PipelineState]
    hold: Hold | None
    paths: Paths
    next: float | None = None
    starts: Starts | None = None


def examine(ctx: click.Context) -> Schedule:
    """Look at the schedule of the project. Raises PipekitError."""
    settings = schedule_settings(ctx)
    job, paths, now = job_of(settings), settings.folders, time.time()
    installed = [(each, it) for each in choice.of_this_machine() if (it := each.installed(job))]
    ledger, hold = open_history(paths), current_hold(paths)
    runs = [] if ledger is None else ledger.runs(limit=int(_DAY / 60) + _SHOWN)
    runs = completed(runs, paths)
    found = Schedule(job, installed, runs, hold, paths)
    there = [each for _, each in installed]
    following = start_after(job.timetable, there, hold, now)
    if following is None:
        return found
    known = [*_known(runs, paths, now), *((each.first, each.last) for each in refusals(paths))]
    latest = HoldFile(paths.state).latest()
    known += latest.held if latest else ()
    begin = max(now - _DAY, min(each.since for each in there) + 1)
    return found._replace(next=following, starts=look_for(job.timetable, begin, now, known))


def _known(runs: list[PipelineState], paths: Paths, now: float) -> list[tuple[float, float]]:
    """From when until when runs went on. One that died is not known to have lasted."""
    known, _ = as_of_now(runs, paths)
    return [(run.started, now if on else run.ended or run.started) for run, on in known]


def _print(found: Schedule) -> None:
    for scheduler, there in found.installed:
        what = found.job.timetable if there.current else "with other settings than now"
        print_text(f"{scheduler.title}: {found.job.name}, {what}", hang=2)
        print_line(f"installed: {local_time(there.since)}")
        hint = scheduler.log_hint.replace("NAME", found.job.name)
        print_text(f"what runs print: {hint}", hang=2)
    if not found.installed:
        print_line("nothing is installed; `pipekit schedule install` schedules runs")
    elif found.next is None:
        print_text(
            "the settings, or the place of Python, have changed since: `pipekit schedule install`"
        )
    else:
        print_line(f"next start: {local_time(found.next)}")
    if found.hold:
        print_text(str(found.hold), "held: ", hang=2)
    if found.starts is not None:
        print_text(f"missed: {missed_text(found.starts)}", hang=2)
    if found.runs:
        known, _ = as_of_now(found.runs[:_SHOWN], found.paths)
        rows = [(now.run.number, local_time(now.run.started), now.status) for now in known]
        print_table(("run", "last starts", "status"), rows)


def missed_text(starts: Starts) -> str:
    """For example `2 of 62 starts since 2026-11-29 17:20: 2026-11-30 03:00, 2026-11-30 03:15`."""
    missed = starts.missed
    expected = f"of {plural(starts.expected, 'start')} since {local_time(starts.begin)[:16]}"
    if not missed:
        return f"none {expected}"
    times = ", ".join(local_time(start)[:16] for start in missed[-_SHOWN:])
    more = f" and {len(missed) - _SHOWN} before" if len(missed) > _SHOWN else ""
    return f"{len(missed)} {expected}: {times}{more}"


def _record(found: Schedule) -> dict[str, Any]:
    return {
        "name": found.job.name,
        "timetable": {**found.job.timetable._asdict()},
        "command": list(found.job.argv),
        "installed": [
            {"scheduler": each.title, "since": there.since, "current": there.current}
            for each, there in found.installed
        ],
        "next_start": found.next,
        "last_starts": [run_record(run) for run in found.runs[:_SHOWN]],
        "expected_starts": found.starts.expected if found.starts else None,
        "missed_starts": found.starts.missed if found.starts else None,
    }
