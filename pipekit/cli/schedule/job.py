"""The scheduled job of a project, as its configuration describes it."""

from __future__ import annotations

from pathlib import Path

import click

from pipekit.cli.common import configuration
from pipekit.config import Configuration
from pipekit.model.timetable import Timetable
from pipekit.schedule.job import Job, command_line, job_name, stop_time
from pipekit.schedule.log import LOG_NAME

JOB_TABLES = ("paths", "stages", "schedule", "secrets")


def schedule_settings(ctx: click.Context) -> Configuration:
    """What of the configuration a job needs; not its secrets, which may be another user's."""
    return configuration(ctx, tables=JOB_TABLES)


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
