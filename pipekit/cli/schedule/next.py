"""When the scheduler starts the next run of a project."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from pipekit.cli.output import local_time
from pipekit.cli.schedule.job import job_of
from pipekit.errors import PipekitError
from pipekit.model.timetable import Timetable
from pipekit.schedule import choice

if TYPE_CHECKING:
    from pipekit.config import Configuration
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


def next_start(settings: Configuration | None, hold: Hold | None) -> NextStart:
    """The next scheduled start of the project. `settings`: with the tables that a job needs."""
    if settings is None:
        return NextStart(None, "not known")
    try:
        job = job_of(settings)
    except PipekitError:  # no scheduler can start a project in such a folder
        return NextStart(None, "not known")
    found = [(each, there) for each in choice.of_this_machine() if (there := each.installed(job))]
    at = start_after(job.timetable, [there for _, there in found], hold, time.time())
    return NextStart(at, _text(job.timetable, [scheduler for scheduler, _ in found], at))


def _text(timetable: Timetable, found: list[Scheduler], at: float | None) -> str:
    if not found:
        return "none, nothing is scheduled: `pipekit schedule install`"
    titles = " and ".join(each.title for each in found)
    if at is None:
        return f"{titles}, with other settings than now: `pipekit schedule install`"
    return f"{local_time(at)} ({titles}, {timetable})"
