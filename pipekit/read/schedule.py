"""The scheduled job of a project, and when it starts the next run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipekit.errors import PipekitError
from pipekit.model.quantity import local_time
from pipekit.model.timetable import Timetable
from pipekit.schedule import choice
from pipekit.schedule.job import Job, command_line, job_name, stop_time
from pipekit.schedule.log import LOG_NAME

if TYPE_CHECKING:
    from pipekit.config import Configuration
    from pipekit.schedule.scheduler import Installed, Scheduler
    from pipekit.storage.hold import Hold

JOB_TABLES = ("paths", "stages", "schedule", "secrets")
"""The tables of the configuration that a job needs."""


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


def job_of(settings: Configuration) -> Job:
    """The job with the present settings."""
    graces = [stage.grace for stage in settings.stages.values() if stage.grace is not None]
    return bare_job(settings.root)._replace(
        timetable=settings.schedule.timetable,
        log=settings.folders.logs / LOG_NAME,
        stop_time=stop_time(graces),
        credential=settings.secrets.credential,
    )


def bare_job(root: Path) -> Job:
    """What is known of the job even if the configuration is broken."""
    timetable = Timetable(900)
    return Job(job_name(root), root, command_line(root), timetable, log=root / "logs" / LOG_NAME)
