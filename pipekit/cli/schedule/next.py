"""When the scheduler starts the next run of a project."""

from __future__ import annotations

import time
from typing import NamedTuple

import click

from pipekit.cli.output import local_time, print_text
from pipekit.cli.schedule.job import job_of, schedule_settings
from pipekit.errors import PipekitError
from pipekit.model.timetable import Timetable
from pipekit.schedule import choice
from pipekit.schedule.scheduler import Installed, Scheduler
from pipekit.storage.hold import Hold


class NextStart(NamedTuple):
    """`at`: Unix time, None if it is not known or there is none; `text`: for people."""

    at: float | None
    text: str


def start_after(
    timetable: Timetable, there: list[Installed], hold: Hold | None, now: float
) -> float | None:
    """The next start that is no held one; None if nothing is installed, or as it was before."""
    if not there or not all(each.current for each in there):
        return None
    return timetable.next_start(max(now, hold.until if hold else now))


def next_start(ctx: click.Context, hold: Hold | None) -> NextStart:
    """The next scheduled start of the project, as far as its configuration can be read."""
    try:
        job = job_of(schedule_settings(ctx))
    except PipekitError:  # whoever asks has said it
        return NextStart(None, "not known")
    found = [(each, there) for each in choice.of_this_machine() if (there := each.installed(job))]
    at = start_after(job.timetable, [there for _, there in found], hold, time.time())
    return NextStart(at, _text(job.timetable, [scheduler for scheduler, _ in found], at))


def print_next_start(ctx: click.Context, hold: Hold | None) -> None:
    """Print it in one line."""
    print_text(next_start(ctx, hold).text, "next start: ", hang=2)


def _text(timetable: Timetable, found: list[Scheduler], at: float | None) -> str:
    if not found:
        return "none, nothing is scheduled: `pipekit schedule install`"
    titles = " and ".join(each.title for each in found)
    if at is None:
        return f"{titles}, with other settings than now: `pipekit schedule install`"
    return f"{local_time(at)} ({titles}, {timetable})"
