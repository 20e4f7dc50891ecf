"""`pipekit schedule install` and `remove`: have the system's scheduler start runs."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from pipekit.cli.common import open_project, project_root
from pipekit.cli.help import Command, Group
from pipekit.cli.output import print_line, print_output, print_text
from pipekit.cli.schedule.job import schedule_settings
from pipekit.cli.schedule.show import show
from pipekit.config.sources import PREFIX
from pipekit.errors import UsageError
from pipekit.model.quantity import local_time
from pipekit.read.schedule import bare_job, job_of
from pipekit.run.inputs import input_folders
from pipekit.schedule import choice
from pipekit.schedule.job import Job, is_job_name
from pipekit.schedule.scheduler import Scheduler
from pipekit.schedule.systemd import lingers

_MOST_WATCHED = 100  # folders


def _checked_job(_ctx: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    if name is not None and not is_job_name(name):
        raise click.BadParameter(f"{name!r}: a job is named like pipekit-bars-1b8f0c52")
    return name


@click.group(
    "schedule",
    cls=Group,
    example=("pipekit schedule install", "a run every quarter of an hour"),
)
def command() -> None:
    """Run on a schedule, by the operating system's scheduler.

    The table `[schedule]` in pipekit.toml says when: every quarter of an hour by default.
    """


@command.command(
    "install",
    cls=Command,
    example=("pipekit schedule install --print", "what it would write"),
)
@click.option(
    "--with",
    "chosen",
    type=click.Choice(choice.NAMES),
    help="The scheduler (default: what this machine has; on Linux systemd, else cron).",
)
@click.option("--system", is_flag=True, help="As system units of systemd, which needs root.")
@click.option(
    "--on-arrival",
    is_flag=True,
    help="Also start a run when a file arrives in a folder that the first stages read; "
    "systemd and launchd can do that.",
)
@click.option(
    "--partial-is-success",
    is_flag=True,
    help="Let systemd count exit code 1 (partial) as success.",
)
@click.option(
    "--print", "only_print", is_flag=True, help="Print what would be written, and change nothing."
)
@click.pass_context
def install(
    ctx: click.Context,
    chosen: str | None,
    system: bool,
    on_arrival: bool,
    partial_is_success: bool,
    only_print: bool,
) -> int:
    """Start scheduled runs of this project from now on.

    Replaces what was installed for it before, with whatever scheduler. The runs need nothing from
    the environment, print nothing if all is well, and belong to the user who calls this; with
    --system, to the owner of the project's folder.
    """
    name = chosen or choice.default_name(system=system)
    scheduler = choice.scheduler(name, system=system)
    if on_arrival and name not in choice.WATCHING:
        able = " and ".join(choice.WATCHING)
        raise UsageError(f"{name} cannot start runs when files arrive; {able} can")
    only_here = _variables()
    settings = schedule_settings(ctx)
    job = job_of(settings)._replace(
        partial_is_success=partial_is_success,
        watched=_watched(ctx) if on_arrival else (),
        user=_owner(settings.root) if system else "",
    )
    if only_print:
        _print_files(scheduler, job)
        return 0
    if system:
        _check_root()
    _remove_from_others(scheduler, job)
    scheduler.install(job)
    print_text(f"installed in {scheduler.title}: {job.name}, {job.timetable}", hang=2)
    print_line(f"next start: {local_time(job.timetable.next_start(time.time()))}")
    print_text(f"what runs print: {scheduler.log_hint.replace('NAME', job.name)}", hang=2)
    _print_cautions(only_here, name, system)
    return 0


@command.command(
    "remove",
    cls=Command,
    example=("pipekit schedule remove", "from now on, runs start only by hand"),
)
@click.option(
    "--job",
    "name",
    callback=_checked_job,
    help="Name of the job of a project that has moved or is gone.",
)
@click.pass_context
def remove(ctx: click.Context, name: str | None) -> int:
    """Stop scheduling runs of this project.

    Leaves nothing of what was installed. A run that is going on is not stopped.
    """
    root = Path.cwd() if name else project_root(ctx)
    job = bare_job(root)
    job = job._replace(name=name or job.name)
    found = [each for each in choice.of_this_machine() if each.installed(job)]
    for scheduler in found:
        scheduler.remove(job.name)
        print_line(f"removed from {scheduler.title}: {job.name}")
    if not found:
        print_line(f"nothing was installed for {name or root}")
    return 0


def _watched(ctx: click.Context) -> tuple[Path, ...]:
    """The folders that the first stages read. Raises UsageError if there are none, or too many."""
    folders = input_folders(open_project(ctx))
    if not folders:
        raise UsageError("--on-arrival: the first stages look for files in no folder")
    if len(folders) > _MOST_WATCHED:
        raise UsageError(
            f"--on-arrival: the first stages read {len(folders):,} folders, and at most "
            f"{_MOST_WATCHED} can be watched; use a shorter [schedule] every instead"
        )
    for folder in folders:
        print_line(f"watched: {folder}", err=True)
    print_text(
        "folders that are created below them later are not watched until `install` is "
        "called again; the timer finds their files",
        err=True,
        hang=2,
    )
    return tuple(folders)


def _print_files(scheduler: Scheduler, job: Job) -> None:
    for file in scheduler.files(job):
        print_line(f"# {file.place}")
        print_line()
        print_output(file.text)


def _check_root() -> None:
    if sys.platform != "win32" and os.geteuid() != 0:
        raise UsageError("system units need root: call this with sudo, or leave out --system")


def _remove_from_others(scheduler: Scheduler, job: Job) -> None:
    """One scheduler is enough: two would start runs twice."""
    for other in choice.of_this_machine():
        if other.title != scheduler.title and other.installed(job):
            other.remove(job.name)
            print_line(f"removed from {other.title}: {job.name}", err=True)


def _owner(folder: Path) -> str:
    """Who runs system units: whoever can change the project, and so what they start."""
    if sys.platform == "win32":
        return ""
    try:
        return folder.owner()
    except KeyError:  # the user has no name
        return str(folder.stat().st_uid)


def _variables() -> list[str]:
    """Settings in the environment, which scheduled runs will not have."""
    return [name for name in sorted(os.environ) if name.startswith(PREFIX) and "__" in name]


def _print_cautions(only_here: list[str], name: str, system: bool) -> None:
    """What could keep the runs from being what the user expects."""
    if only_here:
        print_text(
            f"caution: scheduled runs do not have {', '.join(only_here)}, which is set here; "
            "write it into pipekit.toml, or into the file of [secrets]",
            err=True,
            hang=2,
        )
    if name == "systemd" and not system and sys.platform == "linux":
        import getpass  # only with units of a user

        user = getpass.getuser()
        if not lingers(user):
            print_text(
                "caution: units of a user run only while that user is logged in; "
                f"`loginctl enable-linger {user}` changes that",
                err=True,
                hang=2,
            )


command.add_command(show)
